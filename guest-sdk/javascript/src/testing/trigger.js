/** Triggers under test, in Node.js. */

import { Column, columnOf, i64Bytes, i64s, u32Bytes } from "../column.js";
import { Failure } from "../errors.js";
import { stringify } from "../json.js";
import { bytesOf } from "../text.js";
import { windowColumn } from "../window/pane.js";
import { TriggerInstance } from "../window/trigger.js";
import { Hosted, hosted } from "./harness.js";
import { batchOf, failedOf } from "./records.js";

const SMALLEST = -(2n ** 63n);
const NEVER = 2n ** 63n - 1n;

/** A trigger under test, with what it remembers of each pane. */
export class TriggerHarness extends Hosted {
  #instance;
  #panes = new Map();

  constructor(definition, config = {}) {
    super(definition, "trigger");
    this.watermarkMs = undefined;
    this.#instance = hosted(this.host, () => new TriggerInstance(definition, stringify(config)));
  }

  /** Lets a record come into a window of its key, and returns the verdict; throws where the record fails. */
  send(record, window) {
    const pane = this.#pane(record.key, window);
    const elements = {
      batch: batchOf([record]),
      rows: u32Bytes([0]),
      panes: u32Bytes([0]),
      windows: windowColumn([window]),
    };
    const answer = hosted(this.host, () => this.#instance.onElements(this.#columns([pane]), elements));
    const [failure] = failedOf(answer.failures);
    if (failure !== undefined) throw new Failure(failure.reason);
    return this.#keep([pane], answer)[0];
  }

  /** Lets event time go on, and asks about panes whose time has come: `[{ key, window, timeMs, verdict }]`. */
  advanceWatermark(watermarkMs) {
    this.watermarkMs = Math.max(watermarkMs, this.watermarkMs ?? -Infinity);
    return this.#ask("event", watermarkMs);
  }

  /** The same for processing time. */
  advanceNow(nowMs) {
    this.nowMs = Math.max(this.nowMs, nowMs);
    return this.#ask("processing", nowMs);
  }

  /** Lets windows of a key become one, and returns the verdict. */
  merge(key, windows, into) {
    const from = windows.map((window) => this.#pane(key, window));
    const groups = u32Bytes(from.map(() => 0));
    const answer = hosted(this.host, () => this.#instance.onMerge(this.#columns(from), groups, windowColumn([into])));
    for (const window of windows) this.#panes.delete(idOf(key, window));
    return this.#keep([this.#pane(key, into)], answer)[0];
  }

  /** What the trigger remembers of a pane; `undefined` for nothing. */
  state(key, window) {
    const stored = this.#panes.get(idOf(key, window))?.state ?? null;
    return this.#instance.decode(stored);
  }

  #ask(domain, upToMs) {
    const asked = [];
    for (;;) {
      const due = [...this.#panes.values()].filter((pane) => pane[domain] !== NEVER && Number(pane[domain]) <= upToMs);
      if (due.length === 0) return asked;
      const next = due.map((pane) => pane[domain]).reduce((one, other) => (other < one ? other : one));
      const now = due.filter((pane) => pane[domain] === next);
      const times = i64Bytes(now.map(() => next));
      const answer = hosted(this.host, () => this.#instance.onTime(this.#columns(now), domain, times));
      const verdicts = this.#keep(now, answer);
      now.forEach(({ key, window }, at) => asked.push({ key, window, timeMs: Number(next), verdict: verdicts[at] }));
    }
  }

  #pane(key, window) {
    const id = idOf(key, window);
    if (!this.#panes.has(id)) this.#panes.set(id, { key, window, state: null, event: NEVER, processing: NEVER });
    return this.#panes.get(id);
  }

  #columns(panes) {
    return {
      keys: columnOf(panes.map(({ key }) => bytesOf(key, "a key"))),
      windows: windowColumn(panes.map(({ window }) => window)),
      states: columnOf(panes.map(({ state }) => state)),
      eventTimes: i64Bytes(panes.map(({ event }) => event)),
      processingTimes: i64Bytes(panes.map(({ processing }) => processing)),
      now: BigInt(this.nowMs),
      watermark: this.watermarkMs === undefined ? SMALLEST : BigInt(this.watermarkMs),
    };
  }

  #keep(panes, { verdicts, states, eventTimes, processingTimes }) {
    const [column, event, processing] = [new Column(states), i64s(eventTimes), i64s(processingTimes)];
    panes.forEach((pane, at) => {
      const state = column.get(at);
      Object.assign(pane, { state: state && Uint8Array.from(state), event: event[at], processing: processing[at] });
    });
    return [...verdicts];
  }
}

const idOf = (key, { startMs, endMs }) => `${Buffer.from(bytesOf(key, "a key")).toString("hex")} ${startMs} ${endMs}`;
