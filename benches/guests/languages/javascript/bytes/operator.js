/** The sum by user of JSON values, parsed and written here. */

import { operator, value } from "millstream";

export default operator({
  state: { sum: value.float64() },
  process(record, ctx) {
    const { user, amount } = record.json();
    ctx.emit({ user, sum: ctx.state.sum.update((sum = 0) => sum + amount) });
  },
});
