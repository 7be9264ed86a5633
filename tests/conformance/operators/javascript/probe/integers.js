/** Decimal integers of 64 bits. */

import { fail, int64 } from "millstream";

/** Reads one; `undefined` for anything else. */
export function integerIn(text) {
  const number = /^[-+]?\d+$/.test(text) ? BigInt(text.replace("+", "")) : undefined;
  return number !== undefined && int64.is(number) ? number : undefined;
}

/** Reads one, or fails the record. */
export function parseInteger(text) {
  return integerIn(text) ?? fail(`not an integer: \`${text}\``);
}
