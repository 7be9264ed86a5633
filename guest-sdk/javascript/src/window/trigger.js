/** Triggers: when windows fire. */

import { Column, columnOf, i64Bytes, i64s, u32s } from "../column.js";
import { configured, schemaOf } from "../config.js";
import { failuresOf } from "../batch.js";
import { define } from "../definition.js";
import { BatchFailure, reasonOf } from "../errors.js";
import { Frame } from "../frame.js";
import { forgetLevels } from "../log.js";
import { Record } from "../record.js";
import { json } from "../types.js";
import { Pane, bigTimeOf, readPanes, readWindows, timeOf } from "./pane.js";
import { decodeState, encodeState, orBatch } from "./value.js";

/** What becomes of a pane: nothing, it fires, what it has is forgotten, or both. Nothing is also `undefined`. */
export const Verdict = Object.freeze({ CONTINUE: 0, FIRE: 1, PURGE: 2, FIRE_AND_PURGE: 3 });

/** Defines a trigger. */
export const trigger = (definition) => define("trigger", definition);

export function describeTrigger(definition) {
  return { schemaVersion: definition.version ?? 1, configSchema: schemaOf(definition) };
}

/** A window of a key that a trigger is asked about, with what it remembers of it. */
class TriggerPane extends Pane {
  constructor({ key, window }, state, times, clocks) {
    super(key, window);
    /** What is remembered of the pane; `undefined` for nothing. */
    this.state = state;
    /** When `onEventTime` will be called: set it, or `undefined` for never. */
    this.eventTimeMs = times.event;
    /** The same for `onProcessingTime`, by the host's clock. */
    this.processingTimeMs = times.processing;
    this.nowMs = clocks.nowMs;
    this.watermarkMs = clocks.watermarkMs;
    this.config = clocks.config;
  }
}

const STORED = "the trigger's state that is stored";

export class TriggerInstance {
  constructor(definition, text) {
    this.definition = definition;
    this.type = definition.state ?? json();
    this.config = configured(text, definition);
  }

  onElements(panes, { batch, rows, panes: panesOf, windows }) {
    const frame = new Frame({ batch });
    const record = new Record(frame);
    const asked = this.read(panes);
    const [rowOf, paneOf, windowOf] = [u32s(rows), u32s(panesOf), readWindows(windows)];
    const failed = new Map();
    const verdicts = Array.from(rowOf, (row, at) => {
      const pane = asked[paneOf[at]];
      if (pane === undefined) throw noSuchPane();
      const { eventTimeMs, processingTimeMs } = pane;
      // The state as it is stored: an object may be changed in place.
      const before = this.encode(pane);
      pane.window = windowOf[at];
      frame.row = row;
      try {
        return byteOf(this.definition.onElement(record, pane));
      } catch (error) {
        if (error instanceof BatchFailure) throw error;
        Object.assign(pane, { eventTimeMs, processingTimeMs, state: this.decode(before) });
        if (!failed.has(row)) failed.set(row, reasonOf(error));
        return Verdict.CONTINUE;
      }
    });
    return this.answer(asked, verdicts, failed);
  }

  onTime(panes, domain, times) {
    const asked = this.read(panes);
    const timeAt = i64s(times);
    const [member, call] =
      domain === "event" ? ["eventTimeMs", "onEventTime"] : ["processingTimeMs", "onProcessingTime"];
    const verdicts = asked.map((pane, at) => {
      const timeMs = timeOf(timeAt[at]);
      pane[member] = undefined;
      const verdict = byteOf(orBatch(() => this.definition[call]?.(timeMs, pane)));
      // It would be asked for ever.
      if (pane[member] <= timeMs) {
        throw new BatchFailure(
          `the trigger is asked at ${timeMs}, and wants to be asked again at ${pane[member]}, which is not later`,
        );
      }
      return verdict;
    });
    return this.answer(asked, verdicts, new Map());
  }

  onMerge(panes, groups, merged) {
    if (this.definition.onMerge === undefined) {
      throw new BatchFailure("the trigger has no `onMerge`, which windows that merge need");
    }
    const windows = readWindows(merged);
    const from = windows.map(() => []);
    const groupOf = u32s(groups);
    this.read(panes).forEach((pane, at) => (from[groupOf[at]] ?? fails(noSuchPane())).push(pane));
    const into = windows.map((window, at) => {
      const [first] = from[at];
      if (first === undefined) throw noSuchPane();
      return new TriggerPane({ key: first.key, window }, undefined, {}, first);
    });
    const verdicts = into.map((pane, at) => byteOf(orBatch(() => this.definition.onMerge(from[at], pane))));
    return this.answer(into, verdicts, new Map());
  }

  read({ keys, windows, states, eventTimes, processingTimes, now, watermark }) {
    forgetLevels();
    const known = timeOf(watermark);
    const clocks = {
      nowMs: Number(now),
      watermarkMs: known === -Infinity ? undefined : known,
      config: this.config,
    };
    const stored = new Column(states);
    const [event, processing] = [i64s(eventTimes), i64s(processingTimes)];
    return readPanes(keys, windows).map((pane, at) => {
      const times = { event: setTime(event[at]), processing: setTime(processing[at]) };
      return new TriggerPane(pane, this.decode(stored.get(at)), times, clocks);
    });
  }

  decode(bytes) {
    return bytes === null ? undefined : decodeState(this.type, bytes, STORED);
  }

  encode({ state }) {
    return state === undefined || state === null ? null : encodeState(this.type, state, "the trigger's state");
  }

  answer(panes, verdicts, failed) {
    return {
      verdicts: Uint8Array.from(verdicts),
      states: columnOf(panes.map((pane) => this.encode(pane))),
      eventTimes: i64Bytes(panes.map(({ eventTimeMs }) => bigTimeOf(eventTimeMs ?? Infinity))),
      processingTimes: i64Bytes(panes.map(({ processingTimeMs }) => bigTimeOf(processingTimeMs ?? Infinity))),
      failures: failuresOf(failed),
    };
  }
}

/** A time that is set; `undefined` for never. */
function setTime(time) {
  const timeMs = timeOf(time);
  return timeMs === Infinity ? undefined : timeMs;
}

function byteOf(verdict = Verdict.CONTINUE) {
  if (verdict !== 0 && verdict !== 1 && verdict !== 2 && verdict !== 3) {
    throw new BatchFailure(`a verdict is Verdict.CONTINUE, FIRE, PURGE or FIRE_AND_PURGE, and not ${verdict}`);
  }
  return verdict;
}

function fails(error) {
  throw error;
}

function noSuchPane() {
  return new BatchFailure("the host asks about a pane that it did not pass");
}
