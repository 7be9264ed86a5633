/** JSON beyond what `JSON` does: integers of any size, and numbers that are written as floats. */

const rawJSON = JSON.rawJSON;

/** Set while `toJSON` of `Float` is to leave numbers to the replacer, in engines without `JSON.rawJSON`. */
let marking = false;

class NeedsMarks extends Error {}

/** A number that is written as other languages write floats: `1.0`, not `1`. See `float`. */
class Float {
  constructor(value) {
    this.value = value;
  }

  valueOf() {
    return this.value;
  }

  toJSON() {
    if (rawJSON !== undefined) return rawJSON(formatFloat(this.value));
    if (marking) return this;
    throw new NeedsMarks();
  }
}

/**
 * A number that is written into JSON as a float, whatever its value: `float(1)` is `1.0`, the shortest text that is
 * read as the same number. For outputs that must equal those of operators in other languages to the byte.
 */
export function float(value) {
  return new Float(value);
}

/** The shortest text of a 64-bit float that is read as the same number and shows that it is a float. */
export function formatFloat(value) {
  if (!Number.isFinite(value)) return "null";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-5 || size >= 1e16)) return value.toExponential();
  const text = Object.is(value, -0) ? "-0" : String(value);
  return Number.isInteger(value) ? `${text}.0` : text;
}

/** A value as JSON. A `bigint` is written as the integer that it is. `undefined` for what has no JSON. */
export function stringify(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof NeedsMarks) && !(error instanceof TypeError && /BigInt/.test(error.message))) throw error;
  }
  const textOf = (found) =>
    typeof found === "bigint" ? `${found}` : found instanceof Float ? formatFloat(found.value) : undefined;
  if (rawJSON !== undefined) {
    return JSON.stringify(value, (_, found) => {
      const text = textOf(found);
      return text === undefined ? found : rawJSON(text);
    });
  }
  return stringifyMarked(value, textOf);
}

/** Writes marked texts in place of numbers, and takes the marks out again. */
function stringifyMarked(value, textOf) {
  for (let attempt = 0; ; attempt++) {
    const mark = `\u0001${attempt}:`;
    let marked = 0;
    marking = true;
    let text;
    try {
      text = JSON.stringify(value, (_, found) => {
        const number = textOf(found);
        if (number === undefined) return found;
        marked += 1;
        return mark + number;
      });
    } finally {
      marking = false;
    }
    let found = 0;
    const unmarked = text.replace(new RegExp(`"\\\\u0001${attempt}:([^"]*)"`, "g"), (_, number) => {
      found += 1;
      return number;
    });
    // More than were marked: the value has such a text of its own.
    if (found === marked) return unmarked;
  }
}

/** Texts and numbers of a JSON text. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const BIG_INTEGER = /^-?[1-9]\d{15,}$/;

/** Reads JSON; integers that a `number` cannot hold exactly become `bigint`. */
export function parseExact(text) {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  for (let attempt = 0; ; attempt++) {
    const mark = `\u0001${attempt}:`;
    let marked = 0;
    const rewritten = text.replace(TOKENS, (token) => {
      if (!BIG_INTEGER.test(token) || Number.isSafeInteger(Number(token))) return token;
      marked += 1;
      return `"\\u0001${attempt}:${token}"`;
    });
    if (marked === 0) return JSON.parse(text);
    let found = 0;
    const value = JSON.parse(rewritten, (_, member) => {
      if (typeof member !== "string" || !member.startsWith(mark)) return member;
      found += 1;
      return /^-?\d+$/.test(member.slice(mark.length)) ? BigInt(member.slice(mark.length)) : member;
    });
    if (found === marked) return value;
  }
}
