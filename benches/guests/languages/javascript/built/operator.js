/** The sum by user of JSON values, in a component of its own since it has a package of somebody else. */

import isNumber from "is-number";
import { fail, operator, value } from "millstream";

export default operator({
  state: { sum: value.float64() },
  process(record, ctx) {
    const { user, amount } = record.json();
    if (!isNumber(amount)) fail("the amount is no number");
    ctx.emit({ user, sum: ctx.state.sum.update((sum = 0) => sum + amount) });
  },
});
