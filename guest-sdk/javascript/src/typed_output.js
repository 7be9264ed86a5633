/** Typed fields that an operator writes, row by row. */

import { EMPTY, NO_COLUMN, bitmapOf, bytesIn, columnOf, isWhole, textsColumn, wholeBytes } from "./column.js";
import { Failure } from "./errors.js";
import { formatFloat, stringify } from "./json.js";
import { nameOf } from "./text.js";

/** The rows of an output as columns of the declared fields. A field is `{ name, path, type }`. */
export class TypedRows {
  constructor(fields) {
    this.fields = fields;
    this.names = fields.map(({ name }) => name);
    /** What `typeof` must say of each field, and whether it must be a whole number. Of others nothing that it says. */
    this.kinds = fields.map(({ type }) => (type.name === "integer" ? "number" : (type.typeof ?? "none")));
    this.wholes = fields.map(({ type }) => type.name === "integer");
    this.begin();
  }

  /** Begins a batch: an empty array of each field, by row. */
  begin() {
    this.values = this.fields.map(() => []);
    return this.values;
  }

  /** Sets the fields of a row if all are there and of types that need no closer look; says whether they are. */
  setPlain(row, record) {
    const { names, kinds, wholes, values } = this;
    const count = names.length;
    for (let at = 0; at < count; at++) {
      const value = record[names[at]];
      if (typeof value !== kinds[at] || (wholes[at] && !isWhole(value))) return false;
      values[at][row] = value;
    }
    return true;
  }

  /** Sets the fields of a row; fails where one is missing or of another type. */
  set(row, record) {
    const { fields, values } = this;
    for (let at = 0; at < fields.length; at++) {
      const { name, type } = fields[at];
      const value = record[name];
      if (value === undefined || value === null) {
        if (!type.isOptional) throw new Failure(`field \`${name}\` is missing in what is emitted, and not optional`);
        values[at][row] = null;
      } else {
        if (!type.is(value)) throw new Failure(`field \`${name}\` must be ${type.expected}, and is ${nameOf(value)}`);
        // What may change until the batch is done is written now.
        values[at][row] = type.name === "json" ? stringify(value) : type.name === "bytes" ? value.slice() : value;
      }
    }
  }

  /** The columns of the first `count` rows. */
  columns(count) {
    return this.fields.map(({ path, type }, at) => {
      const rows = this.values[at];
      rows.length = count;
      return isText(type) ? { name: path, kind: type.kind, ...textsColumn(rows) } : typedColumn(path, type, rows);
    });
  }

  /** A row as the host writes it: nested by path, in order of declaration, without nulls. */
  json(row) {
    const root = new Map();
    this.fields.forEach(({ path, type }, at) => {
      const value = this.values[at][row];
      if (value === null) return;
      const names = path.slice(1).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
      const last = names.pop();
      let object = root;
      for (const name of names) {
        if (!object.has(name)) object.set(name, new Map());
        object = object.get(name);
      }
      object.set(last, textOf(type, value));
    });
    return nested(root);
  }
}

function nested(object) {
  const members = [...object].map(
    ([name, value]) => `${JSON.stringify(name)}:${value instanceof Map ? nested(value) : value}`,
  );
  return `{${members.join(",")}}`;
}

function textOf(type, value) {
  switch (type.kind) {
    case "float64":
      return formatFloat(value);
    case "utf8":
      return JSON.stringify(value);
    case "bytes":
      return typeof value === "string" ? value : new TextDecoder().decode(value);
    default:
      return String(value);
  }
}

/** Whether all rows of a field are texts. */
function isText(type) {
  return !type.isOptional && type.typeof === "string";
}

/** Values, or nulls, as a typed column. */
export function typedColumn(name, type, rows) {
  const { kind } = type;
  if (kind === "utf8" || kind === "bytes") {
    const { offsets, data, validity } = columnOf(rows);
    return { name, kind, offsets, data, validity };
  }
  const validity = type.isOptional && rows.includes(null) ? bitmapOf(rows, (value) => value !== null) : EMPTY;
  return { name, kind, offsets: EMPTY, data: NUMBERS[kind](rows, type), validity };
}

const NUMBERS = {
  // Null becomes 0.
  float64: (rows) => bytesIn(new Float64Array(rows)),
  int64(rows, type) {
    if (type.name === "integer") return wholeBytes(rows);
    const numbers = new BigInt64Array(rows.length);
    for (let row = 0; row < rows.length; row++) if (rows[row] !== null) numbers[row] = BigInt(rows[row]);
    return bytesIn(numbers);
  },
  boolean(rows) {
    const bits = new Uint8Array((rows.length + 7) >> 3);
    for (let row = 0; row < rows.length; row++) if (rows[row] === true) bits[row >> 3] |= 1 << (row & 7);
    return bits;
  },
};

/** A column of no rows of a type. */
export function noRows(name, type) {
  const { offsets, data, validity } = NO_COLUMN;
  return { name, kind: type.kind, offsets, data, validity };
}
