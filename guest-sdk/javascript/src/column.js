/**
 * Columns as they cross from the host: offsets, data and a bitmap of what is not null, little-endian, as Arrow lays
 * them out.
 */

import { decoder, encoder } from "./text.js";

export const EMPTY = new Uint8Array(0);

/** A column without rows that says so by three empty lists. */
export const NO_COLUMN = Object.freeze({ offsets: EMPTY, data: EMPTY, validity: EMPTY });

/** Bytes as an array of numbers of `width` bytes; without a copy where they are aligned. */
function view(Kind, bytes) {
  const width = Kind.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return new Kind(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / width));
}

export const u32s = (bytes) => view(Uint32Array, bytes);
export const i32s = (bytes) => view(Int32Array, bytes);
export const i64s = (bytes) => view(BigInt64Array, bytes);
export const f64s = (bytes) => view(Float64Array, bytes);

/** The bytes of a typed array. */
export function bytesIn(array) {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Unsigned 32-bit numbers as bytes. */
export function u32Bytes(numbers) {
  return bytesIn(new Uint32Array(numbers));
}

let counted = new Uint32Array(0);
let eights = new Uint32Array(0);

/** The numbers from 0 to `count`, the last one not included. Shared: to be read. */
export function numbersTo(count) {
  if (counted.length < count) counted = new Uint32Array(2 * count).map((_, at) => at);
  return counted.subarray(0, count);
}

/** The offsets of `count` values of 8 bytes each. Shared: to be read. */
export function offsetsOfEights(count) {
  if (eights.length <= count) eights = new Uint32Array(2 * count + 1).map((_, at) => 8 * at);
  return bytesIn(eights.subarray(0, count + 1));
}

/** Signed 64-bit numbers, given as `bigint` or `number`, as bytes. */
export function i64Bytes(numbers) {
  const array = new BigInt64Array(numbers.length);
  for (let row = 0; row < numbers.length; row++) array[row] = BigInt(numbers[row]);
  return bytesIn(array);
}

/** A signed 64-bit integer as a number: exact up to 2^53, which is the year 287396 for times. */
export function timeAt(words, row) {
  // Two words of an `Int32Array`: a `bigint` would be made only to be thrown away.
  return (words[2 * row] >>> 0) + words[2 * row + 1] * 4294967296;
}

/** Integers of 64 bits as numbers, without a `bigint` for each; `undefined` where one is beyond 2^53. */
export function wholeNumbers(bytes) {
  const words = i32s(bytes);
  const numbers = new Float64Array(words.length >> 1);
  for (let row = 0; row < numbers.length; row++) {
    const number = (words[2 * row] >>> 0) + words[2 * row + 1] * 4294967296;
    if (number > 9007199254740991 || number < -9007199254740991) return undefined;
    numbers[row] = number;
  }
  return numbers;
}

/** Whether a value is a whole number within 2^53: `Number.isSafeInteger`, at half of its cost, which is two calls. */
export function isWhole(value) {
  return typeof value === "number" && value % 1 === 0 && value <= 9007199254740991 && value >= -9007199254740991;
}

/** Whole numbers within 2^53 as bytes of integers of 64 bits. */
export function wholeBytes(numbers) {
  const words = new Int32Array(2 * numbers.length);
  for (let row = 0; row < numbers.length; row++) {
    const number = numbers[row];
    // An array of 32-bit integers keeps the lower half of what it is given.
    words[2 * row] = number;
    words[2 * row + 1] = (number - (number >>> 0)) / 4294967296;
  }
  return bytesIn(words);
}

/** A bit of a bitmap; an empty one has all bits set. */
export function isValid(validity, row) {
  return validity.length === 0 || ((validity[row >> 3] >> (row & 7)) & 1) === 1;
}

/** What crosses is made in a realm of its own, with a `Uint8Array` of its own. */
function native(bytes) {
  return bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads a column of byte strings. */
export class Column {
  constructor(column) {
    this.raw = column;
    this.offsets = u32s(column.offsets);
    this.data = native(column.data);
    this.validity = column.validity;
  }

  get length() {
    return Math.max(0, this.offsets.length - 1);
  }

  isNull(row) {
    return this.validity.length !== 0 && !isValid(this.validity, row);
  }

  /** The bytes of a row, without a copy; `null` where it has none. */
  get(row) {
    if (this.validity.length !== 0 && !isValid(this.validity, row)) return null;
    const { offsets } = this;
    return row + 1 < offsets.length ? this.data.subarray(offsets[row], offsets[row + 1]) : null;
  }

  /** Copies the rows of these indices into a column. */
  gather(rows) {
    return columnOf(Array.from(rows, (row) => this.get(row)));
  }

  *[Symbol.iterator]() {
    for (let row = 0; row < this.length; row++) yield this.get(row);
  }
}

/** The texts of a column that is UTF-8, `undefined` for nulls. */
export function textsIn(column) {
  const { offsets, data, validity, length } = column;
  const { buffer, byteOffset } = data;
  const texts = new Array(length);
  let start = length > 0 ? offsets[0] : 0;
  for (let row = 0; row < length; row++) {
    const end = offsets[row + 1];
    if (validity.length === 0 || isValid(validity, row)) {
      // `substring` of all of them would be four calls: the engine has it in JavaScript.
      texts[row] = start === end ? "" : decoder.decode(new Uint8Array(buffer, byteOffset + start, end - start));
    }
    start = end;
  }
  return texts;
}

/**
 * A column of texts, byte strings and nulls. Where all rows are texts of ASCII, which nearly all are, it takes one
 * native call for all of them.
 */
export function columnOf(parts) {
  const validity = parts.includes(null) ? bitmapOf(parts, (part) => part !== null) : EMPTY;
  if (areTexts(parts)) return ofTexts(parts, validity);
  const sizes = parts.map((part) => (part === null ? 0 : typeof part === "string" ? 3 * part.length : part.length));
  const data = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const offsets = new Uint32Array(parts.length + 1);
  let end = 0;
  for (let row = 0; row < parts.length; row++) {
    const part = parts[row];
    if (typeof part === "string") {
      end += encoder.encodeInto(part, data.subarray(end)).written;
    } else if (part !== null) {
      data.set(part, end);
      end += part.length;
    }
    offsets[row + 1] = end;
  }
  return { offsets: bytesIn(offsets), data: data.subarray(0, end), validity };
}

// Loops, since in an engine without a compiler functions of arrays cost a call for each element.
function areTexts(parts) {
  for (let row = 0; row < parts.length; row++) {
    const part = parts[row];
    if (typeof part !== "string" && part !== null) return false;
  }
  return true;
}

/** A column of texts and nulls with a bitmap that is known. */
function ofTexts(parts, validity) {
  // `join` writes nothing for null.
  const joined = parts.join("");
  const offsets = new Uint32Array(parts.length + 1);
  let data = new Uint8Array(joined.length);
  const { read, written } = encoder.encodeInto(joined, data);
  let end = 0;
  if (read === joined.length && written === read) {
    for (let row = 0; row < parts.length; row++) {
      const part = parts[row];
      if (part !== null) end += part.length;
      offsets[row + 1] = end;
    }
  } else {
    data = new Uint8Array(3 * joined.length);
    for (let row = 0; row < parts.length; row++) {
      if (parts[row] !== null) end += encoder.encodeInto(parts[row], data.subarray(end)).written;
      offsets[row + 1] = end;
    }
  }
  return { offsets: bytesIn(offsets), data: data.subarray(0, end), validity };
}

/** Texts without nulls as a column. */
export function textsColumn(texts) {
  return ofTexts(texts, EMPTY);
}

/** A bit for each row for which `isSet` says so; empty where all have it. */
export function bitmapOf(rows, isSet) {
  let bitmap = EMPTY;
  for (let row = 0; row < rows.length; row++) {
    if (isSet(rows[row])) continue;
    if (bitmap.length === 0) bitmap = new Uint8Array((rows.length + 7) >> 3).fill(255);
    bitmap[row >> 3] &= ~(1 << (row & 7));
  }
  return bitmap;
}
