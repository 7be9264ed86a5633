/** Parts of windows under test, in Node.js. */

import { Column, columnOf, i64s, u32Bytes, u32s } from "../column.js";
import { bytesOf } from "../text.js";
import { stringify } from "../json.js";
import { AggregatorInstance } from "../window/aggregator.js";
import { AssignerInstance } from "../window/assigner.js";
import { FunctionInstance } from "../window/function.js";
import { readWindows, windowColumn } from "../window/pane.js";
import { GeneratorInstance, describeGenerator } from "../window/watermark.js";
import { Hosted, hosted } from "./harness.js";
import { Emitted, batchOf, failedOf } from "./records.js";

const SMALLEST = -(2n ** 63n);
const keyBytes = (key) => Uint8Array.from(bytesOf(key, "a key"));
const idOf = (key) => Buffer.from(bytesOf(key, "a key")).toString("hex");
const copy = (bytes) => (bytes === null ? null : Uint8Array.from(bytes));
const bigOr = (ms, none) => (ms === undefined ? none : BigInt(ms));

/** A record that a window emitted. */
function told(key, window, value) {
  const parts = { output: "main", source: 0, key: keyBytes(key), value: copy(value), headers: [] };
  return new Emitted({ ...parts, timestampMs: window.lastMs });
}

/** An aggregator under test, with an accumulator for each key, stored as the host stores it. */
export class AggregatorHarness extends Hosted {
  #instance;
  #stored = new Map();

  constructor(definition, config = {}) {
    super(definition, "aggregator");
    this.#instance = hosted(this.host, () => new AggregatorInstance(definition, stringify(config)));
  }

  /** Adds records, in one batch, each to the accumulator of its key; returns the failures. */
  add(...records) {
    return this.#change("add", records.map((record) => [[record.key], record]));
  }

  /** Adds records, each to the accumulators of several keys, as the host does with overlapping windows. */
  addEach(...pairs) {
    return this.#change("add", pairs);
  }

  /** Takes records out of the accumulators of their keys; returns the failures. */
  retract(...records) {
    return this.#change("retract", records.map((record) => [[record.key], record]));
  }

  #change(call, pairs) {
    const [names, rows, targets] = [[], [], []];
    pairs.forEach(([keys], row) => {
      for (const key of keys) {
        const name = idOf(key);
        if (!names.includes(name)) names.push(name);
        rows.push(row);
        targets.push(names.indexOf(name));
      }
    });
    const additions = { batch: batchOf(pairs.map(([, record]) => record)), rows: u32Bytes(rows), targets: u32Bytes(targets) };
    const stored = columnOf(names.map((name) => this.#stored.get(name) ?? null));
    const added = hosted(this.host, () => this.#instance[call](additions, stored));
    names.forEach((name, at) => this.#keep(name, new Column(added.accumulators).get(at)));
    return failedOf(added.failures);
  }

  #keep(name, bytes) {
    if (bytes === null) this.#stored.delete(name);
    else this.#stored.set(name, copy(bytes));
  }

  /** Merges the accumulators of `from` into the one of `into`, in this order, and forgets them. */
  merge(into, from) {
    const names = [into, ...from].map(idOf).filter((name) => this.#stored.has(name));
    const stored = columnOf(names.map((name) => this.#stored.get(name)));
    names.forEach((name) => this.#stored.delete(name));
    const groups = u32Bytes(names.map(() => 0));
    const merged = hosted(this.host, () => this.#instance.merge(stored, groups, 1));
    this.#keep(idOf(into), new Column(merged).get(0));
  }

  /** The record that tells what the accumulator of a key has, for a window that fires. */
  result(key, window) {
    const bytes = this.#stored.get(idOf(key)) ?? this.#instance.encode(this.#instance.create());
    const panes = { keys: columnOf([keyBytes(key)]), windows: windowColumn([window]) };
    const values = hosted(this.host, () => this.#instance.results(columnOf([bytes]), panes));
    return told(key, window, new Column(values).get(0));
  }

  /** The accumulator of a key; `undefined` where nothing was added to it. */
  accumulator(key) {
    const bytes = this.#stored.get(idOf(key));
    return bytes === undefined ? undefined : this.#instance.decode(bytes);
  }
}

/** A window assigner under test. */
export class AssignerHarness extends Hosted {
  #instance;

  constructor(definition, config = {}) {
    super(definition, "window-assigner");
    this.#instance = hosted(this.host, () => new AssignerInstance(definition, stringify(config)));
  }

  /** The windows that each record of a batch is in: `{ windows, failed }`. */
  assign(...records) {
    const assigned = hosted(this.host, () => this.#instance.assign(batchOf(records), BigInt(this.nowMs)));
    const windows = records.map(() => []);
    const all = readWindows(assigned.windows);
    u32s(assigned.rows).forEach((row, at) => windows[row].push(all[at]));
    return { windows, failed: failedOf(assigned.failures) };
  }
}

/** A window function under test. */
export class WindowFunctionHarness extends Hosted {
  #instance;

  constructor(definition, config = {}) {
    super(definition, "process-window");
    this.watermarkMs = undefined;
    this.#instance = hosted(this.host, () => new FunctionInstance(definition, stringify(config)));
  }

  /** Lets a pane with these records fire, and returns what is emitted. The records are passed two at a time. */
  fire(key, window, records) {
    const { starts, ends } = windowColumn([window]);
    const pane = {
      key: keyBytes(key),
      start: i64s(starts)[0],
      end: i64s(ends)[0],
      elements: BigInt(records.length),
      now: BigInt(this.nowMs),
      watermark: bigOr(this.watermarkMs, SMALLEST),
    };
    return hosted(this.host, () => {
      this.#instance.begin(pane);
      const columns = [];
      for (let from = 0; from < records.length; from += 2) {
        columns.push(this.#instance.elements(batchOf(records.slice(from, from + 2))));
      }
      columns.push(this.#instance.end());
      return columns.flatMap((column) => [...new Column(column)].map((value) => told(key, window, value)));
    });
  }
}

/** A watermark generator under test, with the partitions that it has seen records of. */
export class WatermarkHarness extends Hosted {
  #instance;
  #partitions = new Map();
  #toldMs = 0;

  constructor(definition, config = {}) {
    super(definition, "watermark-generator");
    this.#instance = hosted(this.host, () => new GeneratorInstance(definition, stringify(config)));
  }

  /** Reads records from a partition, in one batch. */
  read(partition, ...records) {
    const known = this.#partitions.get(partition) ?? { state: new Uint8Array(0), watermarkMs: undefined, isIdle: false };
    this.#partitions.set(partition, known);
    known.isIdle = false;
    this.#follow(known, () => this.#instance.onRecords(known.state, batchOf(records), BigInt(this.nowMs)));
  }

  /** Lets processing time reach `nowMs`, and tells the generator where it wants to be told by then. */
  advanceNow(nowMs) {
    this.nowMs = Math.max(this.nowMs, nowMs);
    const { everyMs } = describeGenerator(this.definition);
    if (everyMs === undefined || this.nowMs - this.#toldMs < Number(everyMs)) return;
    this.#toldMs = this.nowMs;
    for (const known of this.#partitions.values()) {
      this.#follow(known, () => this.#instance.onTime(known.state, BigInt(this.nowMs)));
    }
  }

  #follow(known, call) {
    const { state, watermark, idle } = hosted(this.host, call);
    known.state = copy(state);
    if (watermark !== undefined) known.watermarkMs = Math.max(Number(watermark), known.watermarkMs ?? -Infinity);
    known.isIdle ||= idle;
  }

  /** How far event time has come in a partition; `undefined` where that is not known. */
  watermarkMs(partition) {
    return this.#partitions.get(partition)?.watermarkMs;
  }

  /** Whether a partition holds nobody back. */
  isIdle(partition) {
    return this.#partitions.get(partition)?.isIdle ?? false;
  }

  /** Forgets what is remembered of the partitions, as a restart does; watermarks stay. */
  restart() {
    for (const known of this.#partitions.values()) known.state = new Uint8Array(0);
  }
}

