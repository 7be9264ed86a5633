"""`probe` of the conformance suite: one mode for each thing that an operator can do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Dict

import millstream as ms


@dataclass
class Config:
    mode: str

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"unknown mode `{self.mode}`")


app = ms.Operator(outputs=["main", "other"], config=Config)
count = app.value("count", int)
note = app.value("note", str, ttl="60s", prefetch=False)
fields = app.map("fields", str, int)
items = app.list("items", str)


def integer(text: str) -> int:
    """A decimal 64-bit signed integer, or a failure."""
    try:
        number = int(text)
    except ValueError:
        number = 2**63
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not digits.isascii() or not digits.isdigit() or not -(2**63) <= number < 2**63:
        raise ms.Failure(f"not an integer: `{text}`")
    return number


def unknown(text: str) -> ms.Failure:
    return ms.Failure(f"unknown command `{text}`")


def argument(text: str, command: str) -> int:
    """A number within a command."""
    try:
        return integer(text)
    except ms.Failure:
        raise unknown(command) from None


def echo(record: ms.Message, ctx: ms.Context) -> None:
    ctx.emit(ms.SAME)


def drop(record: ms.Message, ctx: ms.Context) -> None:
    pass


def route(record: ms.Message, ctx: ms.Context) -> None:
    ctx.emit(ms.SAME, to="other" if (record.value or b"").startswith(b"other") else "main")


def twice(record: ms.Message, ctx: ms.Context) -> None:
    ctx.emit(ms.SAME)
    ctx.emit(ms.SAME, key="second", headers={"copy": "1"}, timestamp_ms=record.timestamp_ms + 1)


def bare(record: ms.Message, ctx: ms.Context) -> None:
    ctx.emit(ms.SAME, key=None, keep_headers=False)


def tombstone(record: ms.Message, ctx: ms.Context) -> None:
    ctx.emit(ms.TOMBSTONE)


def counted(record: ms.Message, ctx: ms.Context) -> None:
    count.set(count.get(0) + 1)
    ctx.emit(count.get())


def add(record: ms.Message, ctx: ms.Context) -> None:
    count.set(count.get(0) + integer(record.text))
    ctx.emit(count.get())


def forget(record: ms.Message, ctx: ms.Context) -> None:
    count.delete()


def noted(record: ms.Message, ctx: ms.Context) -> None:
    text = record.text
    if text:
        note.set(text)
    else:
        ctx.emit(note.get("none"))


def listed(entries: Any) -> str:
    return ",".join(f"{name}={number}" for name, number in entries)


def field(record: ms.Message, ctx: ms.Context) -> None:
    text = record.text
    command, *arguments = text.split(" ")
    if command == "set" and len(arguments) == 2:
        fields[arguments[0]] = argument(arguments[1], text)
    elif command == "remove" and len(arguments) == 1:
        del fields[arguments[0]]
    elif text == "clear":
        fields.clear()
    elif command == "get" and len(arguments) == 1:
        number = fields.get(arguments[0])
        ctx.emit("none" if number is None else number)
    elif text == "list":
        ctx.emit(listed(fields.items()))
    elif command == "range" and len(arguments) == 2:
        ctx.emit(listed(fields.items(*arguments)))
    else:
        raise unknown(text)


def item(record: ms.Message, ctx: ms.Context) -> None:
    text = record.text
    if text.startswith("push "):
        items.append(text[len("push "):])
    elif text == "clear":
        items.clear()
    elif text == "length":
        ctx.emit(len(items))
    elif text == "list":
        ctx.emit(",".join(items))
    else:
        raise unknown(text)


def timer(record: ms.Message, ctx: ms.Context) -> None:
    text = record.text
    command, *arguments = text.split(" ")
    if command in ("event", "processing") and len(arguments) == 2:
        change = ctx.set_event_timer if command == "event" else ctx.set_processing_timer
        change(arguments[0], argument(arguments[1], text))
    elif command == "delete-event" and len(arguments) == 1:
        ctx.delete_event_timer(arguments[0])
    elif command == "delete-processing" and len(arguments) == 1:
        ctx.delete_processing_timer(arguments[0])
    else:
        raise unknown(text)


def fail(record: ms.Message, ctx: ms.Context) -> None:
    counted(record, ctx)
    if record.bytes.startswith(b"bad"):
        ctx.fail(record.text)


def crash(record: ms.Message, ctx: ms.Context) -> None:
    if record.value == b"crash":
        raise RuntimeError("boom")
    ctx.emit(ms.SAME)


def loop(record: ms.Message, ctx: ms.Context) -> None:
    while record.value == b"loop":
        pass
    ctx.emit(ms.SAME)


def memory(record: ms.Message, ctx: ms.Context) -> None:
    taken = []
    while record.value == b"memory":
        taken.append(bytearray(1 << 20))
    ctx.emit(ms.SAME)


def logged(record: ms.Message, ctx: ms.Context) -> None:
    for line in range(integer(record.text)):
        ms.log.info(f"line {line}")
    ctx.emit(ms.SAME)


def metrics(record: ms.Message, ctx: ms.Context) -> None:
    size = len(record.bytes)
    ctx.count("probes")
    ctx.gauge("size", size)
    ctx.observe("sizes", size)
    ctx.emit(ms.SAME)


def clock(record: ms.Message, ctx: ms.Context) -> None:
    ctx.emit(f"{ctx.now_ms} {ctx.random_u64()}")


@dataclass
class Document:
    n: int
    s: str


def document(record: ms.Message, ctx: ms.Context) -> None:
    read = record.json(Document)
    if not -(2**63) <= read.n < 2**63 - 1:
        ctx.fail(f"`n` is {read.n}, which does not fit into 64 bits")
    ctx.emit(json.dumps({"n": read.n + 1, "s": read.s}, separators=(",", ":"), ensure_ascii=False))


MODES: Dict[str, Callable[[ms.Message, ms.Context], None]] = {
    "echo": echo, "drop": drop, "route": route, "twice": twice, "bare": bare, "tombstone": tombstone, "count": counted,
    "add": add, "forget": forget, "note": noted, "fields": field, "items": item, "timers": timer, "fail": fail,
    "crash": crash, "loop": loop, "memory": memory, "log": logged, "metrics": metrics, "clock": clock, "json": document,
}


@app.process
def process(record: ms.Message, ctx: ms.Context) -> None:
    MODES[app.config.mode](record, ctx)


@app.on_timer
def fired(timer: ms.Timer, ctx: ms.Context) -> None:
    domain = "event" if timer.is_event_time else "processing"
    ctx.emit(f"{domain} {timer.name} {timer.time_ms}")
