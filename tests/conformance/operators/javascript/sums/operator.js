/** The aggregator of the conformance suite: sums of decimal integers. */

import { aggregator, fail, int64 } from "millstream";

/** The integer that a record's value is. */
function integer(record) {
  const text = record.text();
  const number = /^[-+]?\d+$/.test(text) ? BigInt(text.replace("+", "")) : undefined;
  return int64.is(number) ? number : fail(`not an integer: \`${text}\``);
}

export default aggregator({
  accumulator: int64,
  add: (sum, record) => sum + integer(record),
  merge: (into, other) => into + other,
  retract: (sum, record) => sum - integer(record),
  result: (sum) => `${sum}`,
});
