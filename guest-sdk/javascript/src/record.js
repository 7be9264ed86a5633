/** What an operator sees of one record. */

import { timeAt } from "./column.js";
import { Failure } from "./errors.js";
import { parseExact } from "./json.js";
import { readJson, tombstone } from "./json_batch.js";
import { decode } from "./text.js";

function textOf(bytes, what) {
  try {
    return decode(bytes);
  } catch {
    throw new Failure(`${what} is not UTF-8`);
  }
}

/** A key as text. */
export function keyText(key) {
  if (key === null) throw new Failure("the record has no key");
  return textOf(key, "the key");
}

/**
 * One record of the batch in hand. It is a place in the batch and moves on to the next record when the call is over:
 * take out of it what is to be kept. Bytes are pieces of the batch, and not copied.
 */
export class Record {
  constructor(frame) {
    this._frame = frame;
  }

  /** The key; `null` where there is none. */
  get key() {
    return this._frame.keys.get(this._frame.row);
  }

  /** The key as text; fails where there is none or it is not UTF-8. */
  keyText() {
    return keyText(this.key);
  }

  /** The value; `null` for a tombstone. */
  get value() {
    return this._frame.values.get(this._frame.row);
  }

  /** The value of a record that is no tombstone. */
  bytes() {
    const value = this._frame.values.get(this._frame.row);
    if (value === null) throw tombstone();
    return value;
  }

  /** The value as text. */
  text() {
    return textOf(this.bytes(), "the value");
  }

  /** The value read as JSON. Integers beyond 2^53 are rounded, as by `JSON.parse`. */
  json() {
    return readJson(this._frame);
  }

  /** The value read as JSON; integers that a `number` does not hold exactly are `bigint`. */
  jsonExact() {
    const text = this.text();
    try {
      return parseExact(text);
    } catch (error) {
      throw new Failure(`the value is not JSON: ${error.message}`);
    }
  }

  /** Event time in milliseconds since 1970-01-01T00:00:00Z. */
  get timestampMs() {
    return timeAt(this._frame.times, this._frame.row);
  }

  /** The headers in order: name and value. */
  headers() {
    return this._frame.headers(this._frame.row);
  }

  /** The value of the last header of this name; `undefined` where there is none. */
  header(name) {
    return this.headers().findLast(([found]) => found === name)?.[1];
  }

  /** The same as text. */
  headerText(name) {
    const value = this.header(name);
    return value === undefined || value === null ? value : textOf(value, `the header \`${name}\``);
  }
}

/** A timer that fired; a place in the batch, as a record is. */
export class Timer {
  constructor(frame, names, domain) {
    this._frame = frame;
    this._names = names;
    /** The clock that it followed: `event` or `processing`. */
    this.domain = domain;
  }

  get name() {
    return decode(this._names.get(this._frame.row));
  }

  /** The key that it was set for. */
  get key() {
    return this._frame.keys.get(this._frame.row);
  }

  keyText() {
    return keyText(this.key);
  }

  /** The time that it was set for, milliseconds. It fires then or later. */
  get timeMs() {
    return timeAt(this._frame.times, this._frame.row);
  }
}
