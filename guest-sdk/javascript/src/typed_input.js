/** Typed fields that the host decoded from the records. */

import { Column, f64s, i64s, isValid } from "./column.js";
import { DeclarationError } from "./errors.js";
import { Record } from "./record.js";
import { exact } from "./types.js";

/** A typed column of the batch in hand. */
export class TypedColumn {
  #bytes;
  #values;

  /** `raw` is the column as it crossed, `length` the number of rows. */
  constructor(raw, type, length) {
    this.raw = raw;
    this.type = type;
    this.length = length;
    this.hasNulls = raw.validity.length > 0;
  }

  /** Whether the field of a row is missing or null. */
  isNull(row) {
    return this.hasNulls && !isValid(this.raw.validity, row);
  }

  /** The value of a row; `undefined` where it is null. */
  get(row) {
    if (this.isNull(row)) return undefined;
    return this.type.kind === "utf8" || this.type.kind === "bytes"
      ? this.type.decode(this.bytes.get(row))
      : plain(this.values[row], this.type);
  }

  /** Text, and JSON, as the bytes that they are. */
  get bytes() {
    return (this.#bytes ??= new Column(this.raw));
  }

  /**
   * All values: a `Float64Array` of `float64` and `integer`, a `BigInt64Array` of `int64`, a `Uint8Array` of 0 and 1 of
   * `boolean`, each with zeros for nulls, and an array of everything else. Arrays of numbers may be written to.
   */
  get values() {
    return (this.#values ??= VALUES[this.type.name]?.(this) ?? Array.from({ length: this.length }, (_, row) => this.get(row)));
  }
}

const plain = (value, type) => (type.name === "boolean" ? value === 1 : value);

const VALUES = {
  float64: ({ raw }) => f64s(raw.data),
  int64: ({ raw }) => i64s(raw.data),
  integer(column) {
    const wide = i64s(column.raw.data);
    return Float64Array.from(wide, (value, row) => (column.isNull(row) ? 0 : exact(value)));
  },
  boolean({ raw, length }) {
    const values = new Uint8Array(length);
    for (let row = 0; row < length; row++) values[row] = (raw.data[row >> 3] >> (row & 7)) & 1;
    return values;
  },
};

/** The typed columns of a batch, in order of declaration. */
export function typedColumns(fields, batch) {
  return fields.map(({ path, type }, at) => {
    const raw = batch.columns[at];
    if (raw === undefined) throw new DeclarationError(`the host did not pass the column \`${path}\``);
    return new TypedColumn(raw, type, batch.count);
  });
}

/** A class of records that have the declared fields as properties. */
export function typedRecord(fields) {
  class TypedRecord extends Record {
    _columns = [];

    /** Goes to a batch. */
    _enter(frame) {
      this._frame = frame;
      this._columns = typedColumns(fields, frame.batch).map((column) => (isBare(column.type) ? column.values : column));
    }
  }
  fields.forEach(({ name, type }, at) => {
    if (name in Record.prototype) {
      throw new DeclarationError(`operator: reads: records have a \`${name}\` of their own; name the field differently and add .at("/${name}")`);
    }
    const get = isBare(type)
      ? function get() {
          return this._columns[at][this._frame.row];
        }
      : function get() {
          return this._columns[at].get(this._frame.row);
        };
    Object.defineProperty(TypedRecord.prototype, name, { get, enumerable: true });
  });
  return TypedRecord;
}

/** Whether a column is no more than its array. */
function isBare(type) {
  return !type.isOptional && (type.name === "float64" || type.name === "int64");
}
