/** The types of typed fields, states and configurations. */

import { bytesIn, f64s, i64s, isWhole, wholeBytes, wholeNumbers } from "./column.js";
import { Failure } from "./errors.js";
import { stringify } from "./json.js";
import { decode, encode, nameOf } from "./text.js";

/** What `typeof` says of all values of a type, and of no others. */
const TYPEOF = { float64: "number", float32: "number", boolean: "boolean", utf8: "string", rawJson: "string" };

/** A type with how it is checked and stored. */
export class Type {
  #spec;

  constructor(spec, isOptional = false, path = undefined) {
    this.#spec = spec;
    this.name = spec.name;
    /** The column type that it has as a field; `undefined` where it is for states alone. */
    this.kind = spec.kind;
    this.isOptional = isOptional;
    this.path = path;
    this.expected = spec.expected;
    this.is = spec.is;
    /** Where `typeof` says whether a value is of the type, what it says: it saves a call for each value. */
    this.typeof = TYPEOF[spec.name];
    this.encode = spec.encode;
    this.decode = spec.decode;
    this.schema = spec.schema;
    /**
     * For types that a column of a state may be read and written as at once, of 8 bytes each: the array that they are
     * in, and how it is made of bytes (`undefined` where they do not fit) and bytes of it.
     */
    this.Values = spec.Values;
    this.viewed = spec.viewed;
    this.bytesOf = spec.bytesOf;
  }

  /** The same type, of a field that may be missing or null. */
  get optional() {
    return new Type(this.#spec, true, this.path);
  }

  /** The same type, of the field at this path, such as `/user/id`. */
  at(path) {
    return new Type(this.#spec, this.isOptional, path);
  }

  /** Throws where a value is not of the type. `what` is what should be. */
  check(value, what) {
    if (!this.is(value)) throw new Failure(`${what} must be ${this.expected}, and is ${nameOf(value)}`);
  }
}

function width(bytes, name, expected) {
  if (bytes.length !== expected) throw new Failure(`a ${name} takes ${expected} bytes, not ${bytes.length}`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A number of fixed width, stored little-endian. */
function fixed(name, bytes, method, is, expected, more = {}) {
  return new Type({
    name,
    expected,
    is,
    encode(value) {
      const stored = new Uint8Array(bytes);
      new DataView(stored.buffer)[`set${method}`](0, value, true);
      return stored;
    },
    decode: (stored) => width(stored, name, bytes)[`get${method}`](0, true),
    ...more,
  });
}

const between = (least, most) => (value) => Number.isInteger(value) && value >= least && value <= most;
const small = (bits, signed) =>
  signed ? between(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) : between(0, 2 ** bits - 1);
const isNumber = (value) => typeof value === "number";
const INTEGER = { type: "integer" };

/** A signed integer of 64 bits, as `bigint`. */
export const int64 = fixed(
  "int64",
  8,
  "BigInt64",
  (value) => typeof value === "bigint" && BigInt.asIntN(64, value) === value,
  "a bigint of 64 bits with a sign",
  { kind: "int64", schema: INTEGER, Values: BigInt64Array, viewed: i64s, bytesOf: bytesIn },
);

/** The same, as `number`: for what stays within 2^53. What does not fails the record instead of being rounded. */
export const integer = new Type({
  name: "integer",
  kind: "int64",
  expected: "an integer within 2^53",
  is: isWhole,
  encode: (value) => int64.encode(BigInt(value)),
  decode: (stored) => exact(int64.decode(stored)),
  schema: INTEGER,
  Values: Float64Array,
  viewed: wholeNumbers,
  bytesOf: wholeBytes,
});

/** A `bigint` as the `number` that it is. */
export function exact(value) {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Failure(`${value} is beyond 2^53: declare it as int64, not as integer`);
  return number;
}

/** A 64-bit float. */
export const float64 = fixed("float64", 8, "Float64", isNumber, "a number", {
  kind: "float64",
  schema: { type: "number" },
  Values: Float64Array,
  viewed: f64s,
  bytesOf: bytesIn,
});

/** `true` or `false`; stored as one byte. */
export const boolean = new Type({
  name: "boolean",
  kind: "boolean",
  expected: "true or false",
  is: (value) => typeof value === "boolean",
  encode: (value) => Uint8Array.of(value ? 1 : 0),
  decode(stored) {
    if (stored.length !== 1 || stored[0] > 1) throw new Failure("a boolean must be one byte, 0 or 1");
    return stored[0] === 1;
  },
  schema: { type: "boolean" },
});

/** Text. */
export const utf8 = new Type({
  name: "utf8",
  kind: "utf8",
  expected: "a text",
  is: (value) => typeof value === "string",
  encode: (value) => value,
  decode,
  schema: { type: "string" },
});

/** Bytes; as a field, the JSON text of whatever value is there. */
export const bytes = new Type({
  name: "bytes",
  kind: "bytes",
  expected: "a Uint8Array",
  is: (value) => value instanceof Uint8Array,
  encode: (value) => value,
  // What is stored is a piece of the batch.
  decode: (stored) => stored.slice(),
});

/** The JSON text of whatever value is there, as it stands: for what is handed on untouched. */
export const rawJson = new Type({
  name: "rawJson",
  kind: "bytes",
  expected: "a text of JSON",
  is: (value) => typeof value === "string",
  encode: (value) => value,
  decode,
});

const anyJson = new Type({
  name: "json",
  kind: "bytes",
  expected: "a value that has JSON",
  is: (value) => value !== undefined && typeof value !== "function" && typeof value !== "symbol",
  encode: stringify,
  decode: (stored) => JSON.parse(decode(stored)),
  schema: {},
});

/** Any value that has JSON; `json<T>()` in TypeScript. */
export const json = () => anyJson;

/** For states that operators in other languages keep in these widths. */
const isU64 = (value) => typeof value === "bigint" && BigInt.asUintN(64, value) === value;
export const uint64 = fixed("uint64", 8, "BigUint64", isU64, "a bigint of 64 bits without a sign");
export const float32 = fixed("float32", 4, "Float32", isNumber, "a number");
export const int32 = fixed("int32", 4, "Int32", small(32, true), "an integer of 32 bits with a sign");
export const uint32 = fixed("uint32", 4, "Uint32", small(32, false), "an integer of 32 bits without a sign");
export const int16 = fixed("int16", 2, "Int16", small(16, true), "an integer of 16 bits with a sign");
export const uint16 = fixed("uint16", 2, "Uint16", small(16, false), "an integer of 16 bits without a sign");
export const int8 = fixed("int8", 1, "Int8", small(8, true), "an integer of 8 bits with a sign");
export const uint8 = fixed("uint8", 1, "Uint8", small(8, false), "an integer of 8 bits without a sign");

/** Every type that is a value, by name. */
export const TYPES = {
  int64, integer, float64, boolean, utf8, bytes, rawJson,
  uint64, float32, int32, uint32, int16, uint16, int8, uint8,
};

/** Fields of maps: how each type is written so that bytes sort as values do. */
const FLIPPED = { int64: 8, integer: 8, int32: 4 };
const PLAIN = { uint64: 8, uint32: 4, uint16: 2 };

/** Whether a type may name the fields of a map. */
export function isFieldType(type) {
  return type.name === "utf8" || type.name === "bytes" || type.name in FLIPPED || type.name in PLAIN;
}

/** A field of a map as bytes: big-endian for integers, signed ones with the sign bit flipped. */
export function encodeField(type, field) {
  type.check(field, "a field");
  if (type.name === "utf8") return encode(field);
  if (type.name === "bytes") return field.slice();
  const stored = type.encode(field).reverse();
  if (type.name in FLIPPED) stored[0] ^= 0x80;
  return stored;
}

/** What `encodeField` wrote. */
export function decodeField(type, stored) {
  if (type.name === "utf8" || type.name === "bytes") return type.decode(stored);
  const bytes = FLIPPED[type.name] ?? PLAIN[type.name];
  if (stored.length !== bytes) throw new Failure(`a field of ${stored.length} bytes is no ${type.name}`);
  const copy = stored.slice();
  if (type.name in FLIPPED) copy[0] ^= 0x80;
  return type.decode(copy.reverse());
}
