/** A whole batch as columns: what `columns(batch, ctx)` of an operator sees. */

import { EMPTY, NO_COLUMN, bytesIn, columnOf, numbersTo, u32Bytes } from "./column.js";
import { BatchFailure } from "./errors.js";
import { NO_GROUP, noKey } from "./frame.js";
import { TypedColumn, typedColumns } from "./typed_input.js";
import { noRows, typedColumn } from "./typed_output.js";
import { nameOf } from "./text.js";

export class Batch {
  #frame;
  #writes;
  #names;
  #failed = new Map();
  #outputs = [];

  constructor(frame, { reads, writes, names }) {
    this.#frame = frame;
    this.#writes = writes;
    this.#names = names;
    /** The number of records. */
    this.length = frame.count;
    /** The declared fields by name, each a `TypedColumn`. */
    this.columns = {};
    typedColumns(reads, frame.batch).forEach((column, at) => {
      this.columns[reads[at].name] = column;
    });
  }

  /** Keys and values, with `get(row)` for the bytes of each. */
  get keys() {
    return this.#frame.keys;
  }

  get values() {
    return this.#frame.values;
  }

  /**
   * For each record the index of its key among the distinct keys of the batch, which `byGroup()` of a state goes by;
   * `NO_KEY` for a record without a key.
   */
  get groups() {
    return this.#frame.groups;
  }

  /** Fails a record: what is emitted of it is left out. */
  fail(row, reason) {
    if (!this.#failed.has(row)) this.#failed.set(row, String(reason));
  }

  /** Fails the records without a key, and says whether there are any. For what keeps state. */
  failKeyless() {
    const { groups } = this;
    if (!groups.includes(NO_GROUP)) return false;
    groups.forEach((group, row) => group === NO_GROUP && this.fail(row, noKey().message));
    return true;
  }

  /** Whether a record has failed. */
  hasFailed(row) {
    return this.#failed.has(row);
  }

  /**
   * Emits records by their typed fields, each a column of the batch, a typed array or an array, with an entry for each
   * record, or for each of `rows`: the records that they come of, ascending.
   */
  emit(fields, { rows, output } = {}) {
    const count = rows === undefined ? this.length : rows.length;
    if (this.#writes.length === 0) throw new BatchFailure("typed fields are emitted by operators that declare `writes`");
    const columns = this.#writes.map(({ name, path, type }) => {
      const given = fields[name];
      if (given === undefined || given === null) {
        if (!type.isOptional) throw new BatchFailure(`column \`${name}\` is missing in what is emitted, and not optional`);
        return { name: path, type, rows: new Array(count).fill(null) };
      }
      if (given.length !== count) throw new BatchFailure(`column \`${name}\` has ${given.length} rows, and ${count} are emitted`);
      return given instanceof TypedColumn && given.type.kind === type.kind && (type.isOptional || !given.hasNulls)
        ? { name: path, type, raw: given.raw, column: given }
        : { name: path, type, rows: given };
    });
    this.#push(output, rows, count, (kept) => ({
      values: NO_COLUMN,
      columns: columns.map((column) => finished(column, kept, count)),
    }));
  }

  /** Emits records by their values: texts, bytes or nulls. */
  emitValues(values, { rows, output } = {}) {
    const count = rows === undefined ? this.length : rows.length;
    if (values.length !== count) throw new BatchFailure(`${values.length} values for ${count} records`);
    this.#push(output, rows, count, (kept) => ({
      values: columnOf(kept === undefined ? Array.from(values) : kept.map((at) => values[at])),
      columns: [],
    }));
  }

  #push(name, rows, count, make) {
    const index = name === undefined ? 0 : this.#names.indexOf(name);
    if (index < 0) throw new BatchFailure(`output \`${name}\` is not declared`);
    if (this.#outputs.some((output) => output.index === index)) {
      throw new BatchFailure(`records were emitted to \`${this.#names[index]}\` before: a batch has one call for each output`);
    }
    this.#outputs.push({ index, rows, count, make });
  }

  /** What crosses back: outputs and failures. */
  finish() {
    return { outputs: this.#outputs.map((output) => this.#finished(output)), failures: failuresOf(this.#failed) };
  }

  #finished({ index, rows, count, make }) {
    const frame = this.#frame;
    const sources = rows === undefined ? numbersTo(count) : new Uint32Array(rows);
    let kept;
    if (this.#failed.size > 0) kept = [...sources.keys()].filter((at) => !this.#failed.has(sources[at]));
    const found = kept === undefined ? sources : sources.filter((source) => !this.#failed.has(source));
    const isWhole = rows === undefined && kept === undefined;
    const { keys, timestamps, headers } = frame.batch;
    const batch = isWhole ? { keys, timestamps, headers } : this.#gathered(found);
    return { output: index, sources: u32Bytes(found), batch: { count: found.length, ...batch, ...make(kept) } };
  }

  #gathered(rows) {
    const frame = this.#frame;
    const times = new Int32Array(2 * rows.length);
    const [offsets, names, values] = [[0], [], []];
    rows.forEach((source, row) => {
      times[2 * row] = frame.times[2 * source];
      times[2 * row + 1] = frame.times[2 * source + 1];
      for (const [name, value] of frame.headers(source)) {
        names.push(name);
        values.push(value);
      }
      offsets.push(names.length);
    });
    const headers =
      names.length === 0
        ? { offsets: EMPTY, names: NO_COLUMN, values: NO_COLUMN }
        : { offsets: u32Bytes(offsets), names: columnOf(names), values: columnOf(values) };
    return { keys: frame.keys.gather(rows), timestamps: bytesIn(times), headers };
  }
}

/** Failed records and their reasons, by row, as they cross. */
export function failuresOf(failed) {
  const rows = [...failed.keys()].sort((one, other) => one - other);
  return { records: u32Bytes(rows), reasons: columnOf(rows.map((row) => failed.get(row))) };
}

const ARRAYS = { float64: Float64Array, int64: BigInt64Array };

/** A column that is emitted, of the rows that are kept of it. */
function finished({ name, type, rows, raw, column }, kept, count) {
  if (raw !== undefined) {
    if (kept === undefined) return { ...raw, name };
    const values = kept.map((at) => (column.isNull(at) ? null : textual(type) ? column.bytes.get(at) : column.get(at)));
    return typedColumn(name, type, values);
  }
  if (count === 0) return noRows(name, type);
  const Numbers = ARRAYS[type.kind];
  if (kept === undefined && Numbers !== undefined && rows instanceof Numbers) {
    return { name, kind: type.kind, offsets: EMPTY, data: bytesIn(rows), validity: EMPTY };
  }
  const values = kept === undefined ? Array.from(rows) : kept.map((at) => rows[at]);
  return typedColumn(name, type, values.map((value) => checked(name, type, value)));
}

const textual = (type) => type.kind === "utf8" || type.kind === "bytes";

function checked(name, type, value) {
  if (value === undefined || value === null) {
    if (type.isOptional) return null;
    throw new BatchFailure(`column \`${name}\` has no value in a row, and is not optional`);
  }
  // A typed array of 0 and 1 is as good.
  const found = type.kind === "boolean" && typeof value === "number" ? value !== 0 : value;
  if (!type.is(found)) throw new BatchFailure(`column \`${name}\` must be ${type.expected}, and is ${nameOf(found)} in a row`);
  return type.name === "json" ? type.encode(found) : found;
}
