/** The sum by user over typed fields, record by record. */

import { float64, operator, utf8, value } from "millstream";

export default operator({
  state: { sum: value.float64() },
  reads: { user: utf8, amount: float64 },
  writes: { user: utf8, sum: float64 },
  process({ user, amount }, ctx) {
    ctx.emit({ user, sum: ctx.state.sum.update((sum = 0) => sum + amount) });
  },
});
