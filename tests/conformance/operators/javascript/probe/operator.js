/** The probe of the conformance suite: `tests/conformance/README.md` says what each mode does. */

import { fail, int64, list, log, map, operator, same, utf8, value } from "millstream";

import { commands } from "./commands.js";
import { parseInteger } from "./integers.js";

const modes = {
  echo: (record, ctx) => ctx.emit(same),
  drop() {},
  route(record, ctx) {
    const isOther = record.value !== null && record.text().startsWith("other");
    ctx.emitTo(isOther ? "other" : "main", same);
  },
  twice(record, ctx) {
    ctx.emit(same);
    ctx.emit(same, { key: "second", headers: { copy: "1" }, timestampMs: record.timestampMs + 1 });
  },
  bare: (record, ctx) => ctx.emit(same, { key: null, keepHeaders: false }),
  tombstone: (record, ctx) => ctx.emit(null),
  count: (record, ctx) => ctx.emit(`${ctx.state.count.update((count = 0n) => count + 1n)}`),
  add(record, ctx) {
    const added = parseInteger(record.text());
    ctx.emit(`${ctx.state.count.update((sum = 0n) => sum + added)}`);
  },
  forget: (record, ctx) => ctx.state.count.delete(),
  note(record, ctx) {
    const { note } = ctx.state;
    const text = record.text();
    if (text === "") ctx.emit(note.get() ?? "none");
    else note.set(text);
  },
  fields: commands.fields,
  items: commands.items,
  timers: commands.timers,
  fail(record, ctx) {
    modes.count(record, ctx);
    if (record.text().startsWith("bad")) fail(record.text());
  },
  crash(record, ctx) {
    if (record.text() === "crash") throw new Error("boom");
    ctx.emit(same);
  },
  loop(record, ctx) {
    while (record.text() === "loop");
    ctx.emit(same);
  },
  memory(record, ctx) {
    for (const taken = []; record.text() === "memory"; ) taken.push(new Uint8Array(1 << 20).fill(1));
    ctx.emit(same);
  },
  log(record, ctx) {
    const lines = Number(record.text());
    for (let line = 0; line < lines; line++) log.info(`line ${line}`);
    ctx.emit(same);
  },
  metrics(record, ctx) {
    const size = record.bytes().length;
    ctx.counter("probes").add();
    ctx.gauge("size").set(size);
    ctx.histogram("sizes").record(size);
    ctx.emit(same);
  },
  clock: (record, ctx) => ctx.emit(`${ctx.nowMs} ${ctx.randomU64()}`),
  json(record, ctx) {
    const { n, s } = record.jsonExact() ?? {};
    const next = typeof n === "bigint" || Number.isSafeInteger(n) ? BigInt(n) + 1n : fail("`n` is no integer");
    if (!int64.is(next)) fail("`n` is beyond 64 bits");
    if (!utf8.is(s)) fail("`s` is no text");
    ctx.emit({ n: next, s });
  },
};

export default operator({
  outputs: ["main", "other"],
  state: {
    count: value.int64(),
    note: value.utf8({ prefetch: false, ttl: "60s" }),
    fields: map(utf8, int64),
    items: list.utf8(),
  },
  config: { mode: utf8 },
  configure({ mode }) {
    return Object.hasOwn(modes, mode) ? modes[mode] : fail(`unknown mode \`${mode}\``);
  },
  process(record, ctx) {
    ctx.config(record, ctx);
  },
  onTimer: (timer, ctx) => ctx.emit(`${timer.domain} ${timer.name} ${timer.timeMs}`),
});
