/**
 * The records that a batch emits.
 *
 * Most operators hand on the key, the event time and often the value of what they are given. Nothing is kept of that
 * row by row: a column that only repeats the input is the input's, and what differs is written when the batch is done.
 */

import { EMPTY, NO_COLUMN, bytesIn, columnOf, i64Bytes, textsColumn, u32Bytes } from "./column.js";
import { Failure } from "./errors.js";
import { stringify } from "./json.js";
import { TypedRows } from "./typed_output.js";
import { bytesOf, nameOf } from "./text.js";

/** The input's value, untouched: `ctx.emit(same)`. */
export const same = Symbol("same");
/** A row whose value is in typed columns. */
const TYPED = Symbol("typed");
const OPTIONS = new Set(["key", "timestampMs", "headers", "keepHeaders"]);

/** Gathers the records of one output. */
export class Output {
  constructor(index, writes) {
    this.index = index;
    this.writes = writes;
    this.rows = 0;
    this.sources = [];
    this.values = [];
    /** Of what is rare, per row: `undefined` is as in the input. None at all until a row differs. */
    this.keys = undefined;
    this.times = undefined;
    this.headers = undefined;
    this.typed = writes.length > 0 ? new TypedRows(writes) : undefined;
    this.hasGaps = false;
    this.onlyTexts = true;
  }

  /** Appends a record that came of the record in hand. */
  push(frame, value, options) {
    const row = this.rows;
    const source = frame.row;
    let text = value;
    if (typeof value !== "string") {
      const typed = this.typed;
      if (typed === undefined) {
        text = (value?.constructor === Object ? stringify(value) : undefined) ?? this.valueOf(frame, value, row);
      } else {
        // Bytes and what else is no record of fields lack them.
        const isPlain = typeof value === "object" && value !== null && typed.setPlain(row, value);
        text = isPlain ? TYPED : this.valueOf(frame, value, row);
      }
      if (typeof text !== "string") this.onlyTexts = false;
    }
    if (options !== undefined) this.differ(row, options);
    else if (this.keys !== undefined || this.times !== undefined || this.headers !== undefined) this.inherit(row);
    this.values[row] = text;
    this.sources[row] = source;
    if (source !== row) this.hasGaps = true;
    this.rows = row + 1;
  }

  /** What is kept of a value until the batch is done: the text, bytes, or a sign. It is read now, not later. */
  valueOf(frame, value, row) {
    if (value === same || value === null) return value;
    if (value instanceof Uint8Array) {
      return value.buffer === frame.batch.values.data.buffer ? value : value.slice();
    }
    if (this.writes.length > 0 && typeof value === "object") {
      this.typed.set(row, value);
      return TYPED;
    }
    const text = stringify(value);
    if (text === undefined) throw new Failure(`${nameOf(value)} cannot be emitted: it has no JSON`);
    return text;
  }

  inherit(row) {
    if (this.keys !== undefined) this.keys[row] = undefined;
    if (this.times !== undefined) this.times[row] = undefined;
    if (this.headers !== undefined) this.headers[row] = undefined;
  }

  differ(row, options) {
    for (const name in options) {
      if (!OPTIONS.has(name)) throw new Failure(`\`${name}\` is no option of an emitted record: ${[...OPTIONS].join(", ")}`);
    }
    const { key, timestampMs, headers, keepHeaders = true } = options;
    const keyBytes = key === undefined || key === null ? key : bytesOf(key, "the key of an emitted record");
    const own = headers === undefined ? [] : headersOf(headers);
    this.inherit(row);
    if (key !== undefined) (this.keys ??= [])[row] = keyBytes;
    if (timestampMs !== undefined) (this.times ??= [])[row] = timeOf(timestampMs);
    if (own.length > 0 || !keepHeaders) (this.headers ??= [])[row] = { own, keepHeaders };
  }

  /** Takes back what came of record `source`, which must be the last one. */
  undo(source) {
    while (this.rows > 0 && this.sources[this.rows - 1] === source) this.rows -= 1;
  }

  /** The finished records. */
  finish(frame) {
    const { rows, sources } = this;
    sources.length = rows;
    const isWhole = !this.hasGaps && rows === frame.count;
    const batch = { count: rows, columns: [] };
    batch.keys = this.inherited(this.keys, frame.keys, isWhole);
    batch.values = this.valueColumn(frame, isWhole, batch);
    batch.timestamps = this.timestamps(frame, isWhole);
    batch.headers = this.headerColumn(frame, isWhole);
    return { output: this.index, sources: u32Bytes(sources), batch };
  }

  inherited(own, column, isWhole) {
    if (own === undefined && isWhole) return column.raw;
    const rows = this.sources.map((source, row) => (own?.[row] === undefined ? column.get(source) : own[row]));
    return columnOf(rows);
  }

  valueColumn(frame, isWhole, batch) {
    const { values, rows } = this;
    values.length = rows;
    if (this.onlyTexts) return textsColumn(values);
    if (this.typed !== undefined) {
      if (isAll(values, TYPED)) {
        batch.columns = this.typed.columns(rows);
        return NO_COLUMN;
      }
      // Typed rows among others: written here as the host would.
      for (let row = 0; row < rows; row++) if (values[row] === TYPED) values[row] = this.typed.json(row);
    }
    if (isWhole && isAll(values, same)) return frame.batch.values;
    for (let row = 0; row < rows; row++) if (values[row] === same) values[row] = frame.values.get(this.sources[row]);
    return columnOf(values);
  }

  timestamps(frame, isWhole) {
    const input = frame.batch.timestamps;
    if (this.times === undefined && isWhole) return input;
    const words = frame.times;
    const found = new Int32Array(2 * this.rows);
    for (let row = 0; row < this.rows; row++) {
      const source = this.sources[row];
      found[2 * row] = words[2 * source];
      found[2 * row + 1] = words[2 * source + 1];
    }
    const bytes = bytesIn(found);
    this.times?.forEach((time, row) => {
      if (time !== undefined && row < this.rows) bytes.set(i64Bytes([time]), 8 * row);
    });
    return bytes;
  }

  headerColumn(frame, isWhole) {
    const input = frame.batch.headers;
    const none = { offsets: EMPTY, names: NO_COLUMN, values: NO_COLUMN };
    if (this.headers === undefined && (isWhole || input.offsets.length === 0)) return input.offsets.length ? input : none;
    const [offsets, names, values] = [[0], [], []];
    for (let row = 0; row < this.rows; row++) {
      const { own, keepHeaders } = this.headers?.[row] ?? { own: [], keepHeaders: true };
      for (const [name, value] of [...(keepHeaders ? frame.headers(this.sources[row]) : []), ...own]) {
        names.push(name);
        values.push(value);
      }
      offsets.push(names.length);
    }
    if (names.length === 0) return none;
    return { offsets: u32Bytes(offsets), names: columnOf(names), values: columnOf(values) };
  }
}

function isAll(values, one) {
  for (let row = 0; row < values.length; row++) if (values[row] !== one) return false;
  return true;
}

function timeOf(timestampMs) {
  if (typeof timestampMs === "bigint" || Number.isSafeInteger(timestampMs)) return timestampMs;
  throw new Failure(`the time of an emitted record must be whole milliseconds, and is ${nameOf(timestampMs)}`);
}

/** Headers as pairs, whether they come as pairs or as an object. */
function headersOf(headers) {
  const pairs = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  return pairs.map(([name, value]) => [String(name), value === null ? null : bytesOf(value, `the header \`${name}\``)]);
}

