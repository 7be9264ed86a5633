/** Typed fields by whole columns: the operator `typed-columns` of the conformance suite. */

import { NO_KEY, boolean, bytes, float64, int64, operator, utf8, value } from "millstream";

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
  columns(batch, ctx) {
    const { user, amount, n, flag, extra } = batch.columns;
    const { groups, length } = batch;
    batch.failKeyless();
    const totals = ctx.state.total.byGroup();
    const total = new Float64Array(length);
    const amounts = amount.values;
    for (let row = 0; row < length; row++) {
      const group = groups[row];
      if (group === NO_KEY) continue;
      total[row] = totals.values[group] += amounts[row];
      totals.changed[group] = 1;
    }
    const rows = Array.from({ length }, (_, row) => row);
    batch.emit({
      user,
      total,
      n: rows.map((row) => (n.isNull(row) ? null : n.values[row] + 1n)),
      flag: rows.map((row) => (flag.isNull(row) ? null : flag.values[row] === 0)),
      label: rows.map((row) => (n.isNull(row) ? null : `n=${n.values[row]}`)),
      extra,
    });
  },
});
