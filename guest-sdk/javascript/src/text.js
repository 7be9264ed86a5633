/** UTF-8, in the ways that cost least in an engine without a compiler: one native call for many characters. */

export const encoder = new TextEncoder();
// A byte order mark is a character of the text, and stays.
export const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text of bytes; throws a `TypeError` where they are not UTF-8. */
export function decode(bytes) {
  return decoder.decode(bytes);
}

/** The text of bytes with replacement characters for what is not UTF-8. */
export function decodeLossy(bytes) {
  return lossy.decode(bytes);
}

/** The bytes of a text. */
export function encode(text) {
  return encoder.encode(text);
}

/** Bytes of a text or of bytes; throws for anything else. `what` says what they are for. */
export function bytesOf(value, what) {
  if (typeof value === "string") return encoder.encode(value);
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${what} must be a text or a Uint8Array, and is ${nameOf(value)}`);
}

/** What a value is, for messages. */
export function nameOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  const type = typeof value;
  if (type === "object") return `an object (${value.constructor?.name ?? "without a prototype"})`;
  if (type === "string") return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}..` : value)}`;
  return type === "number" || type === "boolean" || type === "bigint" ? `${type} ${value}` : type;
}
