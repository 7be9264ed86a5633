/** The values of a whole batch read as JSON by one call: two for each record cost more than the reading. */

import { decode } from "./text.js";

const OPENING = 123;
const CLOSING = 125;
const MOST_BYTES = 4 << 20;
/** Stands between records. It has no characters that JSON escapes otherwise than by `\u00..`. */
const BETWEEN = "~millstream~";
const ESCAPED = "\\u00";

/**
 * An array with the values of the records at even places, each in an array of its own; `undefined` where they cannot
 * be read so: they must all be objects without space around them, and valid.
 *
 * What is returned is what reading one by one would give. Each record is wrapped into `[..]`, and between two stands a
 * text that no record holds: had a record swallowed the text after it, or passed itself for two, then the texts would
 * not be at all odd places, with arrays of one element between them.
 */
export function allJson({ offsets, data, validity, length }) {
  if (validity.length > 0 || data.length > MOST_BYTES || data[0] !== OPENING || data[data.length - 1] !== CLOSING) {
    return undefined;
  }
  for (let row = 1; row < length; row++) {
    const start = offsets[row];
    if (data[start] !== OPENING || data[start - 1] !== CLOSING) return undefined;
  }
  let parsed;
  try {
    const text = decode(data);
    if (text.includes(BETWEEN) || text.includes(ESCAPED)) return undefined;
    parsed = JSON.parse(`[[${text.replaceAll("}{", `}],"${BETWEEN}",[{`)}]]`);
  } catch {
    return undefined;
  }
  if (parsed.length !== 2 * length - 1) return undefined;
  for (let at = 0; at < parsed.length; at += 2) {
    const one = parsed[at];
    if (!Array.isArray(one) || one.length !== 1 || (at > 0 && parsed[at - 1] !== BETWEEN)) return undefined;
  }
  return parsed;
}
