"""What an operator can reach while it processes a record."""

from typing import Any, Dict, List, NoReturn, Optional, Sequence, Tuple, Union

from . import _columns, _host, log
from ._contract import NO_TIME, TimeDomain
from ._failure import Failure
from ._message import Header, Message


class _Marker:
    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


#: The record's own value, as it is: `ctx.emit(ms.SAME, to="copies")`.
SAME: Any = _Marker("SAME")
#: No value: deletes the key where the topic is compacted.
TOMBSTONE: Any = _Marker("TOMBSTONE")
INHERITED: Any = _Marker("INHERITED")

Headers = Union[Sequence[Header], Dict[str, Any]]


class Context(Message):
    """The surroundings of the record in hand: its key, time and headers, the outputs, timers, time and metrics."""

    __slots__ = (
        "group_count", "_group_column", "_group_keys", "running", "broken", "_outputs", "_has_timers", "_timers", "_counters", "_gauges", "_observed",
    )

    def __init__(self) -> None:
        self.row = 0
        self.group = 0
        #: How many distinct keys the batch has.
        self.group_count = 0
        self._group_column: Any = None
        self._group_keys: Optional[List[Any]] = None
        #: There is a batch in hand.
        self.running = False
        #: Why the batch cannot stand, even if the program swallows the error that it was given.
        self.broken: Optional[str] = None
        self._outputs: Dict[Any, Any] = {}
        self._has_timers = False
        self._timers: List[Tuple[int, TimeDomain, bytes, bytes, int]] = []
        self._forget()

    @property
    def group_keys(self) -> List[Any]:
        """The distinct keys of the batch."""
        if self._group_keys is None:
            self._group_keys = [] if self._group_column is None else _columns.read(self._group_column)
        return self._group_keys

    def _forget(self) -> None:
        self._timers = []
        self._counters: Dict[str, int] = {}
        self._gauges: Dict[str, float] = {}
        self._observed: List[Tuple[str, float]] = []

    def emit(
        self, value: Any, *, to: Optional[str] = None, key: Any = INHERITED, timestamp_ms: Optional[int] = None,
        headers: Optional[Headers] = None, keep_headers: bool = True,
    ) -> None:
        """Emits a record to the main output, or to the output `to`.

        The value is a dict, a list, a number or a record, written as JSON; a text or bytes, as they are; `SAME`; or
        `None` for a tombstone. What is not said is as in the record in hand: key, event time and headers. `key=None`
        is none; `headers` come after those of the record, or stand alone with `keep_headers=False`.
        """
        try:
            output = self._outputs[to]
        except KeyError:
            names = ", ".join(f"`{name}`" for name in self._outputs if name is not None)
            raise Failure(f"output `{to}` is not declared: there are {names}") from None
        output.push(value)
        if key is not INHERITED or timestamp_ms is not None or headers is not None or not keep_headers:
            output.differ(key, timestamp_ms, headers, keep_headers)

    def fail(self, reason: str) -> NoReturn:
        """Fails the record in hand: what it emitted and what it changed in the state is undone."""
        raise Failure(reason)

    def set_event_timer(self, name: str, time_ms: int) -> None:
        """Sets a timer of the record's key, which fires when the watermark has reached `time_ms`; one of the same
        name is moved. What `@app.on_timer` decorates is called then."""
        self._change_timer(TimeDomain.EVENT, name, time_ms)

    def set_processing_timer(self, name: str, time_ms: int) -> None:
        """As `set_event_timer`, by the host's clock."""
        self._change_timer(TimeDomain.PROCESSING, name, time_ms)

    def delete_event_timer(self, name: str) -> None:
        """Deletes an event-time timer of the record's key, if there is one of that name."""
        self._change_timer(TimeDomain.EVENT, name, None)

    def delete_processing_timer(self, name: str) -> None:
        """Deletes a processing-time timer of the record's key, if there is one of that name."""
        self._change_timer(TimeDomain.PROCESSING, name, None)

    def _change_timer(self, domain: TimeDomain, name: str, time_ms: Optional[int]) -> None:
        if not self._has_timers:
            raise Failure("timers are for operators with a function under `@app.on_timer`")
        key = self.key
        if key is None:
            raise Failure("this record has no key, and timers belong to a key")
        if time_ms is not None and not NO_TIME < int(time_ms) < 2**63:
            raise Failure(f"a timer cannot be set for {time_ms}")
        self._timers.append((self.row, domain, key, name.encode(), NO_TIME if time_ms is None else int(time_ms)))

    def random_u64(self) -> int:
        """A random number of 64 bits, as the host gives it: the same again for a batch that is replayed."""
        return _host.random_u64()  # type: ignore[no-any-return]

    def count(self, name: str, delta: int = 1) -> None:
        """Adds to a counter of the operator. Names match `[a-z][a-z0-9_]*`. Summed up and sent once a batch; what a
        record adds stays, also when it fails."""
        self._counters[name] = self._counters.get(name, 0) + delta

    def gauge(self, name: str, value: float) -> None:
        """Sets a gauge of the operator. The last value of a batch is sent."""
        self._gauges[name] = float(value)

    def observe(self, name: str, value: float) -> None:
        """Records a value in a histogram of the operator. Each costs a call to the host at the end of the batch."""
        self._observed.append((name, float(value)))

    def _send_metrics(self) -> None:
        for name, delta in self._counters.items():
            _host.counter_add(name, delta)
        for name, value in self._gauges.items():
            _host.gauge_set(name, value)
        for name, value in self._observed:
            _host.histogram_record(name, value)

    def _enter(self, batch: Any, watermark: int) -> None:
        self._look_at(batch, watermark)
        self._forget()
        self.running, self.broken = True, None
        log.forget_levels()

    def _leave(self) -> None:
        self._look_at(None, NO_TIME)
        self.running = False
        self._group_column = self._group_keys = None
        self.group = self.group_count = 0


class Timer:
    """A timer that fired."""

    __slots__ = ("_ctx", "_names", "_domain")

    def __init__(self, ctx: Context, names: List[Optional[bytes]], domain: TimeDomain) -> None:
        self._ctx = ctx
        self._names = names
        self._domain = domain

    @property
    def name(self) -> str:
        """Its name."""
        return (self._names[self._ctx.row] or b"").decode(errors="replace")

    @property
    def key(self) -> bytes:
        """The key that it was set for."""
        return self._ctx.key or b""

    @property
    def key_text(self) -> str:
        """The key as text. Fails where it is not UTF-8."""
        return self._ctx.key_text

    @property
    def time_ms(self) -> int:
        """The time that it was set for, milliseconds. It fires then or later."""
        return self._ctx.timestamp_ms

    @property
    def is_event_time(self) -> bool:
        """It followed the watermark, not the host's clock."""
        return self._domain.value == TimeDomain.EVENT.value
