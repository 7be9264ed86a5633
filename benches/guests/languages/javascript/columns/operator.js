/** The sum by user over whole columns. */

import { float64, operator, utf8, value } from "millstream";

export default operator({
  state: { sum: value.float64() },
  reads: { user: utf8, amount: float64 },
  writes: { user: utf8, sum: float64 },
  columns(batch, ctx) {
    const { user, amount } = batch.columns;
    const { values: sumOf, changed } = ctx.state.sum.byGroup();
    const { groups, length } = batch;
    const { values: amounts } = amount;
    const sums = new Float64Array(length);
    for (let row = 0; row < length; row++) sums[row] = sumOf[groups[row]] += amounts[row];
    // Each key has a record at least.
    changed.fill(1);
    batch.emit({ user, sum: sums });
  },
});
