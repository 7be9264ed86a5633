/** Records that go into what is tested, and that come out. */

import { Column, EMPTY, NO_COLUMN, columnOf, i64Bytes, i64s, u32Bytes, u32s } from "../column.js";
import { parseExact, stringify } from "../json.js";
import { bytesOf, decodeLossy } from "../text.js";

const ofRecord = (value) => (value === null || value === undefined ? null : bytesOf(value, "a record's part"));

/**
 * A record to push: `{ value, json, key, timestampMs, headers }`, of which `value` is text or bytes and `json` anything
 * that has JSON; neither is a tombstone. A text stands for a record with this value.
 */
function input(given) {
  const { value, json, key, timestampMs = 0, headers = [] } =
    typeof given === "string" || given instanceof Uint8Array ? { value: given } : given;
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return {
    value: json === undefined ? ofRecord(value) : bytesOf(stringify(json), "a record's JSON"),
    key: ofRecord(key),
    timestampMs,
    headers: pairs.map(([name, content]) => [name, ofRecord(content)]),
  };
}

/** Records as columns. */
export function batchOf(given) {
  const records = given.map(input);
  const all = records.flatMap(({ headers }) => headers);
  let end = 0;
  const bounds = [0, ...records.map(({ headers }) => (end += headers.length))];
  const headers =
    all.length === 0
      ? { offsets: EMPTY, names: NO_COLUMN, values: NO_COLUMN }
      : {
          offsets: u32Bytes(bounds),
          names: columnOf(all.map(([name]) => name)),
          values: columnOf(all.map(([, value]) => value)),
        };
  return {
    count: records.length,
    keys: columnOf(records.map(({ key }) => key)),
    values: columnOf(records.map(({ value }) => value)),
    headers,
    timestamps: i64Bytes(records.map(({ timestampMs }) => timestampMs)),
    columns: [],
  };
}

/** A record that was emitted. */
export class Emitted {
  constructor(parts) {
    /** The name of the output. */
    this.output = parts.output;
    /** The input record that it came of, counted from 0 within the batch. */
    this.source = parts.source;
    /** Key and value as bytes; `null` for none. */
    this.key = parts.key;
    this.value = parts.value;
    this.timestampMs = parts.timestampMs;
    /** Name and value of each. */
    this.headers = parts.headers;
  }

  /** The key as text. */
  get keyText() {
    return this.key === null ? null : decodeLossy(this.key);
  }

  /** The value as text. */
  get text() {
    return this.value === null ? null : decodeLossy(this.value);
  }

  /** The value read as JSON, exact for every integer. */
  json() {
    return parseExact(this.text ?? "null");
  }
}

/** What came of a batch. */
export class Outcome {
  constructor(emitted = [], failed = []) {
    /** The emitted records, output by output, in order. */
    this.emitted = emitted;
    /** The failed records, in order: `{ record, reason }`. */
    this.failed = failed;
  }

  /** The records of one output. */
  of(output) {
    return this.emitted.filter((emitted) => emitted.output === output);
  }

  /** The only emitted record; throws where there is not exactly one, or a record failed. */
  only() {
    if (this.emitted.length === 1 && this.failed.length === 0) return this.emitted[0];
    const texts = this.emitted.map(({ text }) => text);
    throw new Error(`expected one emitted record and no failure, got ${JSON.stringify({ emitted: texts, failed: this.failed })}`);
  }
}

/** Failed records from a column of theirs. */
export function failedOf({ records, reasons }) {
  const column = new Column(reasons);
  return Array.from(u32s(records), (record, row) => ({ record, reason: decodeLossy(column.get(row)) }));
}

/** The records of an output batch. */
export function emittedOf(names, { output, sources, batch }) {
  const [keys, values, times] = [new Column(batch.keys), new Column(batch.values), i64s(batch.timestamps)];
  const { offsets } = batch.headers;
  const bounds = offsets.length > 0 ? u32s(offsets) : new Uint32Array(batch.count + 1);
  const [headerNames, headerValues] = [new Column(batch.headers.names), new Column(batch.headers.values)];
  return Array.from(u32s(sources), (source, row) => {
    const headers = [];
    for (let at = bounds[row]; at < bounds[row + 1]; at++) {
      headers.push([decodeLossy(headerNames.get(at)), copied(headerValues.get(at))]);
    }
    return new Emitted({
      output: names[output],
      source,
      key: copied(keys.get(row)),
      value: copied(values.get(row)),
      timestampMs: Number(times[row]),
      headers,
    });
  });
}

const copied = (bytes) => (bytes === null ? null : Uint8Array.from(bytes));
