/** A host for native tests: state in maps, time and randomness as the test sets them. */

import { Column, columnOf } from "../column.js";
import { LEVELS } from "../log.js";

const compare = (one, other) => Buffer.compare(one, other);
const nameOf = (bytes) => Buffer.from(bytes).toString("latin1");

/** Time, randomness, state, log and metrics of a test. */
export class Simulated {
  constructor(states = []) {
    this.states = states;
    this.nowMs = 0;
    this.seed = 0n;
    this.logLevel = "trace";
    this.lines = [];
    this.counters = new Map();
    this.gauges = new Map();
    this.histograms = new Map();
    /** State calls so far. */
    this.calls = 0;
    /** By state and key: what is stored by field; of a list by its index, of a value under none. */
    this.entries = new Map();
  }

  /** The host's interfaces. */
  get parts() {
    return {
      clock: { nowMs: () => BigInt(this.nowMs), randomU64: () => this.randomU64() },
      log: {
        enabled: (level) => LEVELS.indexOf(level) >= LEVELS.indexOf(this.logLevel),
        write: (level, message) => void this.lines.push({ level, message }),
      },
      metrics: {
        counterAdd: (name, delta) => void this.counters.set(name, (this.counters.get(name) ?? 0) + Number(delta)),
        gaugeSet: (name, value) => void this.gauges.set(name, value),
        histogramRecord: (name, value) => void this.histograms.set(name, [...(this.histograms.get(name) ?? []), value]),
      },
      state: this.stateCalls(),
    };
  }

  /** SplitMix64: every seed gives a different, repeatable sequence. */
  randomU64() {
    const wrap = (number) => BigInt.asUintN(64, number);
    this.seed = wrap(this.seed + 0x9e3779b97f4a7c15n);
    let number = this.seed;
    number = wrap((number ^ (number >> 30n)) * 0xbf58476d1ce4e5b9n);
    number = wrap((number ^ (number >> 27n)) * 0x94d049bb133111ebn);
    return number ^ (number >> 31n);
  }

  stateCalls() {
    const calls = {
      getMany: (state, keys) => this.readColumn(state, keys),
      putMany: (state, keys, values) => this.writeColumn(state, keys, values),
      deleteMany: (state, keys) => this.clear(state, keys),
      mapGetMany: (state, keys, fields) => {
        const fieldColumn = new Column(fields);
        return columnOf([...new Column(keys)].map((key, row) => this.live(state, key, nameOf(fieldColumn.get(row)))));
      },
      mapPutMany: (state, keys, fields, values) => {
        const [fieldColumn, valueColumn] = [new Column(fields), new Column(values)];
        [...new Column(keys)].forEach((key, row) => this.write(state, key, nameOf(fieldColumn.get(row)), valueColumn.get(row)));
      },
      mapScan: (state, key, start, end, limit) => {
        const found = this.under(state, key)
          .map(([field, value]) => [Buffer.from(field, "latin1"), value])
          .filter(([field]) => compare(field, start) >= 0 && (end === undefined || compare(field, end) < 0))
          .sort(([one], [other]) => compare(one, other));
        const page = found.slice(0, limit);
        return {
          fields: columnOf(page.map(([field]) => field)),
          values: columnOf(page.map(([, value]) => value)),
          more: found.length > page.length,
        };
      },
      mapClearMany: (state, keys) => this.clear(state, keys),
      listAppendMany: (state, keys, values) => {
        const column = new Column(values);
        [...new Column(keys)].forEach((key, row) => {
          this.write(state, key, String(this.under(state, key).length).padStart(12, "0"), column.get(row));
        });
      },
      listRead: (state, key, start, limit) => {
        const from = Number(start);
        return columnOf(this.under(state, key).slice(from, from + limit).map(([, value]) => value));
      },
      listLength: (state, key) => BigInt(this.under(state, key).length),
      listClearMany: (state, keys) => this.clear(state, keys),
    };
    const counted = (call) => (state, ...values) => {
      this.calls += 1;
      if (this.states[state] === undefined) throw { payload: { tag: "wrong-state", val: `no state ${state} is declared` } };
      return call(state, ...values);
    };
    return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, counted(call)]));
  }

  /** What a prefetched state passes with a batch. */
  readColumn(state, keys) {
    return columnOf([...new Column(keys)].map((key) => this.live(state, key, "")));
  }

  writeColumn(state, keys, values) {
    const column = new Column(values);
    [...new Column(keys)].forEach((key, row) => this.write(state, key, "", column.get(row)));
  }

  address(state, key) {
    return `${this.states[state].name} ${nameOf(key)}`;
  }

  live(state, key, field) {
    return this.under(state, key).find(([found]) => found === field)?.[1] ?? null;
  }

  /** Live entries of a key. */
  under(state, key) {
    const stored = [...(this.entries.get(this.address(state, key)) ?? [])];
    return stored.filter(([, { expiresMs }]) => expiresMs > this.nowMs).map(([field, { value }]) => [field, value]);
  }

  write(state, key, field, value) {
    const address = this.address(state, key);
    if (!this.entries.has(address)) this.entries.set(address, new Map());
    const fields = this.entries.get(address);
    const { ttlMs } = this.states[state];
    const expiresMs = ttlMs === undefined ? Infinity : this.nowMs + Number(ttlMs);
    if (value === null) fields.delete(field);
    else fields.set(field, { value: Uint8Array.from(value), expiresMs });
  }

  clear(state, keys) {
    for (const key of new Column(keys)) this.entries.delete(this.address(state, key));
  }
}
