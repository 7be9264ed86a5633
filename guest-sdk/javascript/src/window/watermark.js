/** Watermark generators: how far event time has come in a partition of a source. */

import { EMPTY } from "../column.js";
import { configured, schemaOf } from "../config.js";
import { define } from "../definition.js";
import { durationMs } from "../duration.js";
import { DeclarationError } from "../errors.js";
import { Frame } from "../frame.js";
import { forgetLevels } from "../log.js";
import { Record } from "../record.js";
import { json } from "../types.js";
import { bigTimeOf } from "./pane.js";
import { decodeState, encodeState } from "./value.js";

/** Defines a watermark generator: `onRecord(record, partition)`, and with `every: "1s"` also `onTime(partition)`. */
export function watermarkGenerator(definition) {
  if ((definition?.every === undefined) !== (definition?.onTime === undefined)) {
    throw new DeclarationError("watermark-generator: it has both `every` and `onTime`, or neither");
  }
  return define("watermark-generator", definition);
}

export function describeGenerator(definition) {
  const every = definition.every;
  return {
    everyMs: every === undefined ? undefined : BigInt(durationMs(every, "`every` of a watermark generator")),
    configSchema: schemaOf(definition),
  };
}

/** A partition of a source, and what becomes of its event time. */
class Partition {
  constructor(state, nowMs, config) {
    /** What is remembered of it; a restart forgets it. */
    this.state = state;
    this.nowMs = nowMs;
    this.config = config;
    this._watermark = undefined;
    this._isIdle = false;
  }

  /** No record with this timestamp or an earlier one is expected any more. */
  advance(watermarkMs) {
    const watermark = bigTimeOf(watermarkMs);
    if (this._watermark === undefined || watermark > this._watermark) this._watermark = watermark;
  }

  /** The partition holds nobody back until the next record comes. */
  setIdle() {
    this._isIdle = true;
  }
}

const STORED = "the state of the partition";

export class GeneratorInstance {
  constructor(definition, text) {
    this.definition = definition;
    this.type = definition.state ?? json();
    this.config = configured(text, definition);
  }

  onRecords(state, records, now) {
    const frame = new Frame({ batch: records });
    const record = new Record(frame);
    const partition = this.partition(state, now);
    for (let row = 0; row < records.count; row++) {
      frame.row = row;
      partition._isIdle = false;
      this.definition.onRecord(record, partition);
    }
    return this.progress(partition);
  }

  onTime(state, now) {
    const partition = this.partition(state, now);
    this.definition.onTime?.(partition);
    return this.progress(partition);
  }

  partition(state, now) {
    forgetLevels();
    const remembered = state.length === 0 ? undefined : decodeState(this.type, state, STORED);
    return new Partition(remembered, Number(now), this.config);
  }

  progress(partition) {
    const { state } = partition;
    return {
      state: state === undefined || state === null ? EMPTY : encodeState(this.type, state, STORED),
      watermark: partition._watermark,
      idle: partition._isIdle,
    };
  }
}
