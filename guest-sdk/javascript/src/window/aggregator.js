/** Aggregators: what becomes of the records of a window, one after another. */

import { Column, columnOf, u32s } from "../column.js";
import { configured, schemaOf } from "../config.js";
import { define } from "../definition.js";
import { failuresOf } from "../batch.js";
import { BatchFailure, DeclarationError, reasonOf } from "../errors.js";
import { Frame } from "../frame.js";
import { forgetLevels } from "../log.js";
import { Record } from "../record.js";
import { Type } from "../types.js";
import { readPanes } from "./pane.js";
import { decodeState, emittedValue, encodeState } from "./value.js";

/** Defines an aggregator: `export default aggregator({ accumulator: json(), add(sum, record) { .. }, .. })`. */
export function aggregator(definition) {
  if (!(definition?.accumulator instanceof Type)) {
    throw new DeclarationError("aggregator: `accumulator` must be a type such as int64 or json()");
  }
  return define("aggregator", definition);
}

export function describeAggregator(definition) {
  return {
    schemaVersion: definition.version ?? 1,
    retracts: definition.retract !== undefined,
    configSchema: schemaOf(definition),
  };
}

/** Accumulators of these types do not change in place. */
const MUTABLE = new Set(["json", "bytes"]);
const STORED = "the accumulator that is stored";

export class AggregatorInstance {
  constructor(definition, text) {
    this.definition = definition;
    this.type = definition.accumulator;
    this.self = { config: configured(text, definition) };
  }

  create() {
    return this.definition.create?.(this.self) ?? defaultOf(this.type);
  }

  add(additions, accumulators) {
    return new Changes(this, "add", additions, accumulators).run();
  }

  retract(additions, accumulators) {
    if (this.definition.retract === undefined) throw new BatchFailure("the aggregator has no `retract`");
    return new Changes(this, "retract", additions, accumulators).run();
  }

  merge(accumulators, groups, count) {
    const stored = new Column(accumulators);
    const groupOf = u32s(groups);
    // What stands alone is never decoded.
    const merged = new Array(count).fill(null);
    for (let row = 0; row < stored.length; row++) {
      const bytes = stored.get(row);
      const group = groupOf[row];
      if (bytes === null || !(group < count)) throw new BatchFailure("accumulators to merge are null, or go nowhere");
      const into = merged[group];
      if (into === null) {
        merged[group] = { bytes };
      } else {
        into.value ??= this.decode(into.bytes);
        into.value = this.definition.merge(into.value, this.decode(bytes), this.self) ?? into.value;
      }
    }
    return columnOf(merged.map((into) => (into === null ? null : "value" in into ? this.encode(into.value) : into.bytes)));
  }

  results(accumulators, { keys, windows }) {
    const stored = new Column(accumulators);
    const panes = readPanes(keys, windows);
    return columnOf(
      panes.map((pane, row) => emittedValue(this.definition.result(this.decode(stored.get(row)), pane, this.self) ?? null)),
    );
  }

  decode(bytes) {
    return decodeState(this.type, bytes, STORED);
  }

  encode(value) {
    return encodeState(this.type, value, "an accumulator");
  }
}

/** What nothing was added to, where there is no `create`. */
export function defaultOf(type) {
  if (type.name === "utf8" || type.name === "rawJson") return "";
  if (type.name === "boolean") return false;
  if (type.name === "bytes") return new Uint8Array(0);
  if (type.name === "json") return {};
  return type.name.endsWith("int64") ? 0n : 0;
}

/** Records that are added to accumulators, or taken out of them. */
class Changes {
  constructor(instance, change, { batch, rows, targets }, accumulators) {
    forgetLevels();
    this.instance = instance;
    this.change = change;
    this.frame = new Frame({ batch });
    this.record = new Record(this.frame);
    this.rows = u32s(rows);
    this.targets = u32s(targets);
    this.stored = new Column(accumulators);
    this.isMutable = MUTABLE.has(instance.type.name);
    /** `value`: now; `base`: bytes at place `from`, from which it is made again when a record fails. */
    this.slots = Array.from({ length: this.stored.length }, () => ({ from: 0 }));
    this.failed = new Map();
  }

  run() {
    // Accumulators that a record went into before it failed at another one: begun again without it.
    let again = this.pass(undefined);
    while (again.size > 0) {
      for (const target of again) this.slots[target] = { from: 0 };
      again = this.pass(again);
    }
    const accumulators = this.slots.map((slot, target) =>
      "value" in slot ? this.instance.encode(slot.value) : (slot.base ?? this.stored.get(target)),
    );
    return { accumulators: columnOf(accumulators), failures: failuresOf(this.failed) };
  }

  /** Goes through rows, and returns the targets that a record has gone into which has failed by now. */
  pass(only) {
    const again = new Set();
    for (let at = 0; at < this.rows.length; at++) {
      const row = this.rows[at];
      const target = this.targets[at];
      if (this.failed.has(row) || (only !== undefined && !only.has(target))) continue;
      try {
        this.apply(row, target);
      } catch (error) {
        if (error instanceof BatchFailure) throw error;
        this.failed.set(row, reasonOf(error));
        if (this.isMutable) this.rewind(target, at);
        for (let before = 0; before < at; before++) {
          if (this.rows[before] === row && this.targets[before] !== target) again.add(this.targets[before]);
        }
      }
    }
    return again;
  }

  apply(row, target) {
    const slot = this.slots[target];
    if (slot === undefined) throw new BatchFailure("the host names an accumulator that it did not pass");
    const { instance } = this;
    let value = slot.value;
    if (!("value" in slot)) {
      const bytes = slot.base ?? this.stored.get(target);
      value = bytes === null ? instance.create() : instance.decode(bytes);
    }
    this.frame.row = row;
    const changed = instance.definition[this.change](value, this.record, instance.self) ?? value;
    if (!instance.type.is(changed)) instance.type.check(changed, "an accumulator");
    slot.value = changed;
  }

  /** Makes an accumulator what it was before the row at place `at`, which has failed. */
  rewind(target, at) {
    const slot = this.slots[target];
    const from = slot.from;
    delete slot.value;
    for (let place = from; place < at; place++) {
      if (this.targets[place] !== target || this.failed.has(this.rows[place])) continue;
      try {
        this.apply(this.rows[place], target);
      } catch (error) {
        throw new BatchFailure(`a record that could be added fails when it is added again: ${reasonOf(error)}`);
      }
    }
    slot.from = at + 1;
    // What was added up to here is not added a third time when the next record fails.
    if ("value" in slot) slot.base = this.instance.encode(slot.value);
  }
}
