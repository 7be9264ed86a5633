/** What parts of windows emit, and what they remember. */

import { BatchFailure, Failure } from "../errors.js";
import { stringify } from "../json.js";
import { bytesOf, nameOf } from "../text.js";

/** The value of an emitted record: text and bytes as they are, null for a tombstone, anything else as JSON. */
export function emittedValue(value) {
  if (value === null || typeof value === "string") return value;
  if (value instanceof Uint8Array) return value.slice();
  const text = stringify(value);
  if (text === undefined) throw new Failure(`${nameOf(value)} cannot be emitted: it has no JSON`);
  return text;
}

/** The stored form of what a part remembers, as bytes. */
export function encodeState(type, value, what) {
  type.check(value, what);
  const encoded = type.encode(value);
  return bytesOf(encoded, what);
}

/** Reads a stored form; what does not decode is no record's fault. */
export function decodeState(type, bytes, what) {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new BatchFailure(`${what} does not decode: ${error.message}`);
  }
}

/** What `call` returns; what it throws fails the batch. */
export function orBatch(call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof Failure) throw new BatchFailure(error.message);
    throw error;
  }
}
