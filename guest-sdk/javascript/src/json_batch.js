/** The values of a whole batch read as JSON by one call: two for each record cost more than the reading. */

import { Failure } from "./errors.js";
import { decode } from "./text.js";

const OPENING = 123;
const CLOSING = 125;
const MOST_BYTES = 4 << 20;
/** Stands between records. It has no characters that JSON escapes otherwise than by `\u00..`. */
const BETWEEN = "~millstream~";
const ESCAPED = "\\u00";
const BOUNDARY = "}{";
const WIDENED = `},"${BETWEEN}",{`;

/**
 * An array with the values of the records at even places; `undefined` where they cannot be read so: they must all be
 * objects without space around them, and valid.
 *
 * What is returned is what reading one by one would give. Between two records stands a text that no record holds. It is
 * there once for each two records, between them and nowhere else, and all of them are found again at the odd places of
 * the array: so there is one value between two of them, and it is of the record that is there.
 */
export function allJson({ offsets, data, validity, length }) {
  if (validity.length > 0 || data.length > MOST_BYTES || offsets[0] !== 0 || offsets[length] !== data.length) return undefined;
  if (data[0] !== OPENING || data[data.length - 1] !== CLOSING) return undefined;
  for (let row = 1; row < length; row++) {
    const start = offsets[row];
    if (data[start] !== OPENING || data[start - 1] !== CLOSING) return undefined;
  }
  let parsed;
  try {
    const text = decode(data);
    if (text.includes(BETWEEN) || text.includes(ESCAPED)) return undefined;
    const widened = text.replaceAll(BOUNDARY, WIDENED);
    if (widened.length - text.length !== (length - 1) * (WIDENED.length - BOUNDARY.length)) return undefined;
    parsed = JSON.parse(`[${widened}]`);
  } catch {
    return undefined;
  }
  if (parsed.length !== 2 * length - 1) return undefined;
  for (let at = 1; at < parsed.length; at += 2) if (parsed[at] !== BETWEEN) return undefined;
  return parsed;
}

/** `json()` of records: reads a whole batch ahead if most records of the batch before were read as JSON. */
export class JsonReader {
  constructor() {
    let frame;
    let ahead;
    let reads = 0;
    let count = 1;

    /** Goes to a batch. */
    this.begin = (next) => {
      const isLikely = 2 * reads >= count;
      frame = next;
      count = frame.count;
      reads = 0;
      ahead = isLikely && count > 1 ? allJson(frame.values) : undefined;
    };

    /** The value of the record in hand. */
    this.json = () => {
      reads += 1;
      if (ahead !== undefined) {
        const at = 2 * frame.row;
        const found = ahead[at];
        if (found !== undefined) {
          // Whoever reads it again gets another, since this one may be changed.
          ahead[at] = undefined;
          return found;
        }
      }
      return readJson(frame);
    };
  }
}

/** Reads the value of the record in hand. */
export function readJson(frame) {
  const value = frame.values.get(frame.row);
  if (value === null) throw tombstone();
  try {
    return JSON.parse(decode(value));
  } catch (error) {
    throw new Failure(`the value is not JSON: ${error.message}`);
  }
}

/** Fails a record that has no value. */
export function tombstone() {
  return new Failure("this record has no value: it is a tombstone");
}
