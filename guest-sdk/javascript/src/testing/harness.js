/** Operators under test, in Node.js: no WebAssembly, no host. */

import { Column, EMPTY, NO_COLUMN, columnOf, i64Bytes, i64s, u32s, u32Bytes } from "../column.js";
import { descriptionOf, worldOf } from "../definition.js";
import { groupRecords } from "../frame.js";
import { install } from "../host.js";
import { Instance } from "../instance.js";
import { stringify } from "../json.js";
import { decodeLossy } from "../text.js";
import { Outcome, batchOf, emittedOf, failedOf } from "./records.js";
import { Simulated } from "./simulated.js";
import { decoded, encoded } from "./typed.js";

const SMALLEST = -(2n ** 63n);

/** Calls with a simulated host in place. */
export function hosted(simulated, call) {
  const before = install(simulated.parts);
  try {
    return call();
  } finally {
    install(before);
  }
}

/** What is common to all harnesses: the host that they simulate. */
export class Hosted {
  constructor(definition, world, states = []) {
    if (worldOf(definition) !== world) throw new TypeError(`this is no ${world}`);
    this.definition = definition;
    this.host = new Simulated(states);
  }

  /** Processing time, milliseconds. */
  get nowMs() {
    return this.host.nowMs;
  }

  set nowMs(nowMs) {
    this.host.nowMs = nowMs;
  }

  /** The log so far: `{ level, message }`. */
  get log() {
    return this.host.lines;
  }
}

/** An operator under test, with the state that it has built up. */
export class Harness extends Hosted {
  #instance;
  #timers = new Map();
  #description;

  /** `config` is any value that has JSON. Throws what the operator refuses the configuration with. */
  constructor(definition, config = {}) {
    const description = descriptionOf(definition);
    super(definition, "operator", description.states);
    this.#description = description;
    /** The event time that the input has reached; `undefined` while it is unknown. */
    this.watermarkMs = undefined;
    this.configure(config);
  }

  /** Replaces the operator by one with another configuration and keeps the state. */
  configure(config) {
    this.#instance = hosted(this.host, () => new Instance(this.definition, stringify(config)));
  }

  /** Processes records as one batch. */
  send(...records) {
    const batch = batchOf(records);
    if (this.#description.reads.length === 0) return this.#process(batch);
    const { columns, kept, failed } = decoded(this.definition, batch);
    const typed = batchOf(kept.map((row) => records[row]));
    const outcome = this.#process({ ...typed, values: this.definition.rawValues ? typed.values : NO_COLUMN, columns });
    for (const emitted of outcome.emitted) emitted.source = kept[emitted.source];
    const later = outcome.failed.map(({ record, reason }) => ({ record: kept[record], reason }));
    outcome.failed = [...failed, ...later].sort((one, other) => one.record - other.record);
    return outcome;
  }

  #process(batch) {
    const input = this.#input(batch);
    return this.#settle(input, this.#call(() => this.#instance.process(input)));
  }

  #call(call) {
    return hosted(this.host, call);
  }

  #input(batch) {
    const { groups, keys } = groupRecords(new Column(batch.keys));
    const prefetched = this.#prefetched();
    const states = prefetched.map((state) => this.host.readColumn(state, keys));
    const watermark = this.watermarkMs === undefined ? SMALLEST : BigInt(this.watermarkMs);
    // The host passes groups only along with prefetched state.
    if (states.length === 0) return { batch, groups: EMPTY, groupKeys: NO_COLUMN, states, watermark };
    return { batch, groups: u32Bytes(groups), groupKeys: keys, states, watermark };
  }

  #prefetched() {
    return this.#description.states.flatMap(({ prefetch }, index) => (prefetch ? [index] : []));
  }

  #store(groupKeys, changes) {
    const keys = new Column(groupKeys);
    const prefetched = this.#prefetched();
    for (const { state, groups, values } of changes) {
      this.host.writeColumn(prefetched[state], keys.gather(u32s(groups)), values);
    }
  }

  #settle({ groupKeys }, output) {
    this.#store(groupKeys, output.changes);
    for (const change of output.timers) this.#change(change);
    const { outputs } = this.#description;
    const emitted = output.outputs.flatMap((part) => {
      const { batch } = part;
      const values = batch.columns.length > 0 ? columnOf(encoded(this.definition, batch)) : batch.values;
      return emittedOf(outputs, { ...part, batch: { ...batch, values } });
    });
    return new Outcome(emitted, failedOf(output.failures));
  }

  #change({ domain, keys, names, times }) {
    const [keyColumn, nameColumn] = [new Column(keys), new Column(names)];
    i64s(times).forEach((time, row) => {
      const [key, name] = [Uint8Array.from(keyColumn.get(row)), decodeLossy(nameColumn.get(row))];
      const id = `${domain} ${Buffer.from(key).toString("hex")} ${name}`;
      if (time === SMALLEST) this.#timers.delete(id);
      else this.#timers.set(id, { domain, key, name, timeMs: Number(time) });
    });
  }

  /** Lets event time reach `watermarkMs`, and fires the timers that are due then, in order of time. */
  advanceWatermark(watermarkMs) {
    this.watermarkMs = Math.max(watermarkMs, this.watermarkMs ?? -Infinity);
    return this.#fire("event", watermarkMs);
  }

  /** Lets processing time reach `nowMs`, and fires the timers that are due then. */
  advanceNow(nowMs) {
    this.host.nowMs = Math.max(this.host.nowMs, nowMs);
    return this.#fire("processing", nowMs);
  }

  #fire(domain, upToMs) {
    const all = new Outcome();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.domain === domain && timer.timeMs <= upToMs);
      if (due.length === 0) return all;
      const next = Math.min(...due.map(([, { timeMs }]) => timeMs));
      const taken = due.filter(([, { timeMs }]) => timeMs === next);
      taken.forEach(([id]) => this.#timers.delete(id));
      const timers = taken.map(([, timer]) => timer);
      const input = this.#input(batchOf(timers.map(({ key }) => ({ key, timestampMs: next }))));
      const fired = {
        ...input,
        domain,
        keys: input.batch.keys,
        names: columnOf(timers.map(({ name }) => name)),
        times: i64Bytes(timers.map(() => next)),
      };
      const outcome = this.#settle(input, this.#call(() => this.#instance.onTimer(fired)));
      all.emitted.push(...outcome.emitted);
      all.failed.push(...outcome.failed);
    }
  }

  /** Looks at the state of a key, or changes it, as a record with that key would; returns what `visit(state)` does. */
  withState(key, visit) {
    const input = this.#input(batchOf([{ key }]));
    const { result, changes } = this.#call(() => this.#instance.visit(input, visit));
    this.#store(input.groupKeys, changes);
    return result;
  }

  /** Takes over the state that another operator has built up, as a swap to this one does. */
  adoptState(previous) {
    this.host.entries = previous.host.entries;
    this.host.nowMs = previous.host.nowMs;
    this.#timers = previous.#timers;
    return this;
  }

  /** Starts the random numbers again from a seed. */
  set seed(seed) {
    this.host.seed = BigInt(seed);
  }

  /** The lowest level of log lines that is kept; all are at first. */
  set logLevel(level) {
    this.host.logLevel = level;
  }

  counter(name) {
    return this.host.counters.get(name) ?? 0;
  }

  gauge(name) {
    return this.host.gauges.get(name);
  }

  histogram(name) {
    return this.host.histograms.get(name) ?? [];
  }

  /** State calls to the host so far: what is prefetched needs none. */
  get stateCalls() {
    return this.host.calls;
  }
}
