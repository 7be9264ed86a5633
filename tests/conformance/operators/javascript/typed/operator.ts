/** Typed fields by single records, in TypeScript: the operator `typed` of the conformance suite. */

import { boolean, bytes, float64, int64, operator, utf8, value } from "millstream";

export default operator({
  state: { total: value.float64() },
  reads: {
    user: utf8,
    amount: float64,
    n: int64.optional,
    flag: boolean.optional,
    extra: bytes.optional,
  },
  writes: {
    user: utf8,
    total: float64,
    n: int64.optional.at("/next/n"),
    flag: boolean.optional.at("/next/flag"),
    label: utf8.optional,
    extra: bytes.optional,
  },
  process(record, ctx) {
    const { n, flag } = record;
    const total: number = ctx.state.total.update((sum = 0) => sum + record.amount);
    ctx.emit({
      user: record.user,
      total,
      n: n === undefined ? undefined : n + 1n,
      flag: flag === undefined ? undefined : !flag,
      label: n === undefined ? undefined : `n=${n}`,
      extra: record.extra,
    });
  },
});
