// What TypeScript makes of declarations: checked by `../test`, not run.
import { aggregator, float64, int64, integer, json, list, map, operator, same, utf8, value } from "millstream";
import { Harness } from "millstream/testing";

const spend = operator({
  outputs: ["main", "alerts"],
  config: { limit: float64, label: utf8.optional },
  configure(config) {
    const label: string | undefined = config.label;
    return { limit: config.limit, label };
  },
  state: { spend: value.float64({ ttl: "7d" }), seen: map(utf8, int64), all: list.json<{ n: number }>() },
  reads: { user: utf8, amount: float64, n: int64.optional },
  writes: { user: utf8, total: float64, label: utf8.optional },
  process(record, ctx) {
    const user: string = record.user;
    const n: bigint | undefined = record.n;
    const total: number = ctx.state.spend.update((sum = 0) => sum + record.amount);
    const seen: bigint | undefined = ctx.state.seen.get(user);
    ctx.state.seen.set(user, (seen ?? 0n) + (n ?? 1n));
    for (const element of ctx.state.all) element.n.toFixed();
    if (total > ctx.config.limit) ctx.emitTo("alerts", same);
    // @ts-expect-error: no such output
    ctx.emitTo("other", same);
    // @ts-expect-error: `total` is missing
    ctx.emit({ user });
    // @ts-expect-error: a value of another type
    ctx.state.spend.set("1");
    ctx.emit({ user, total }, { key: null });
  },
  onTimer(timer, ctx) {
    ctx.setEventTimer(timer.name, timer.timeMs + 1);
  },
});

new Harness(spend, { limit: 1 }).send({ key: "a", json: {} }).only().text?.length;

operator({
  reads: { n: integer, user: utf8 },
  columns(batch) {
    const numbers: Float64Array = batch.columns.n.values;
    const users: (string | undefined)[] = batch.columns.user.values;
    batch.emitValues(users.map((user, row) => `${user} ${numbers[row]}`));
  },
});

operator({ process: (record, ctx) => ctx.emit({ any: record.json<{ n: number }>().n }) });

aggregator({
  accumulator: json<{ n: number }>(),
  create: () => ({ n: 0 }),
  add(sum, record) {
    sum.n += record.json<number>();
  },
  merge(into, other) {
    into.n += other.n;
  },
  result: (sum, pane) => ({ user: pane.keyText(), n: sum.n }),
});
