/** Typed fields that the host decoded from the records. */

import { Column, f64s, i64s, isValid, textsIn, wholeNumbers } from "./column.js";
import { DeclarationError } from "./errors.js";
import { Record } from "./record.js";
import { exact } from "./types.js";

/** Makes of a property that is read for the first time one that needs no call. */
function settled(object, name, value) {
  Object.defineProperty(object, name, { value });
  return value;
}

/** A typed column of the batch in hand. */
export class TypedColumn {
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
    // One that is too great must not fail the others.
    if (this.type.name === "integer") return exact(this.wide[row]);
    return this.type.kind === "utf8" || this.type.kind === "bytes"
      ? this.type.decode(this.bytes.get(row))
      : plain(this.values[row], this.type);
  }

  /** Text, and JSON, as the bytes that they are. */
  get bytes() {
    return settled(this, "bytes", new Column(this.raw));
  }

  /** Integers of 64 bits. */
  get wide() {
    return settled(this, "wide", i64s(this.raw.data));
  }

  /**
   * All values: a `Float64Array` of `float64` and `integer`, a `BigInt64Array` of `int64`, a `Uint8Array` of 0 and 1 of
   * `boolean`, each with zeros for nulls, and an array of everything else. Arrays of numbers may be written to.
   */
  get values() {
    return settled(this, "values", VALUES[this.type.name]?.(this) ?? this.each());
  }

  /** The value of each row. */
  each() {
    const values = new Array(this.length);
    for (let row = 0; row < this.length; row++) values[row] = this.get(row);
    return values;
  }

  /**
   * What records have as the property of this field, row by row; `undefined` where a row may fail, or is costly enough
   * to be read when it is asked for.
   */
  properties() {
    const { type, hasNulls } = this;
    if (type.name === "utf8" || (!hasNulls && (type.name === "float64" || type.name === "int64"))) return this.values;
    if (type.name === "integer" && !hasNulls) return wholeNumbers(this.raw.data);
    return type.kind === "bytes" || type.name === "integer" ? undefined : this.each();
  }
}

const plain = (value, type) => (type.name === "boolean" ? value === 1 : value);

const VALUES = {
  float64: ({ raw }) => f64s(raw.data),
  int64: ({ raw }) => i64s(raw.data),
  integer(column) {
    const { length } = column;
    if (!column.hasNulls) {
      const values = wholeNumbers(column.raw.data);
      if (values !== undefined) return values;
    }
    const { wide } = column;
    const values = new Float64Array(length);
    for (let row = 0; row < length; row++) if (!column.isNull(row)) values[row] = exact(wide[row]);
    return values;
  },
  utf8: (column) => textsIn(column.bytes),
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

/**
 * A class of records that have the declared fields as properties.
 *
 * Most fields are read for the whole batch at once, and whoever goes from record to record sets `_fields` from
 * `_properties`: in an engine without a compiler to set a property costs much less than to call a getter. Others have
 * getters.
 */
export function typedRecord(fields) {
  class TypedRecord extends Record {
    _columns = [];
    _fields = [];
    _properties = [];

    /** Goes to a batch. */
    _enter(frame) {
      this._frame = frame;
      this._columns = typedColumns(fields, frame.batch);
      this._fields = [];
      this._properties = [];
      this._columns.forEach((column, at) => {
        const { name } = fields[at];
        const values = column.properties();
        if (values === undefined) {
          delete this[name];
          return;
        }
        this._fields.push(name);
        this._properties.push(values);
        if (!Object.hasOwn(this, name)) {
          Object.defineProperty(this, name, { value: undefined, writable: true, enumerable: true, configurable: true });
        }
      });
    }
  }
  fields.forEach(({ name }, at) => {
    if (name in Record.prototype) {
      throw new DeclarationError(`operator: reads: records have a \`${name}\` of their own; name the field differently and add .at("/${name}")`);
    }
    function get() {
      return this._columns[at].get(this._frame.row);
    }
    Object.defineProperty(TypedRecord.prototype, name, { get, enumerable: true });
  });
  return TypedRecord;
}
