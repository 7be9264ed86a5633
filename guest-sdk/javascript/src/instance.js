/** Runs an operator over batches: splits them into records, carries state, gathers what is emitted. */

import { Batch, failuresOf } from "./batch.js";
import { EMPTY, Column, NO_COLUMN } from "./column.js";
import { configured } from "./config.js";
import { Context } from "./context.js";
import { descriptionOf, fieldsOf } from "./definition.js";
import { BatchFailure, Failure, reasonOf } from "./errors.js";
import { Frame } from "./frame.js";
import { JsonReader } from "./json_batch.js";
import { forgetLevels } from "./log.js";
import { Metrics } from "./metrics.js";
import { output } from "./outputs.js";
import { Record, Timer } from "./record.js";
import { States } from "./state/index.js";
import { TimerChanges } from "./timers.js";
import { typedRecord } from "./typed_input.js";

export class Instance {
  #definition;
  #states;
  #metrics = new Metrics();
  #context;
  #record;
  #reads;
  #writes;
  #names;
  #outputs;
  #json = new JsonReader();

  /** `text` is the configuration as JSON. Throws a `Failure` with the reason where it is refused. */
  constructor(definition, text) {
    this.#definition = definition;
    this.#reads = fieldsOf(definition.reads);
    this.#writes = fieldsOf(definition.writes);
    this.#names = descriptionOf(definition).outputs;
    this.#states = new States(definition.state ?? {});
    this.#outputs = this.#names.map((_, index) => output(index, this.#writes));
    const isWhole = definition.columns !== undefined;
    this.#context = new Context({
      config: configured(text, definition),
      states: this.#states,
      metrics: this.#metrics,
      names: this.#names,
      pushes: this.#outputs.map(({ push }) => (isWhole ? noSingleRecords : push)),
      setsTimers: definition.onTimer !== undefined,
    });
    this.#record = this.#reads.length > 0 ? new (typedRecord(this.#reads))() : new Record();
    this.#record.json = this.#json.json;
  }

  /** What `batch-output` is made of. Throws where the batch fails as a whole. */
  process(input) {
    if (this.#definition.columns !== undefined) return this.#wholeBatch(input);
    const record = this.#record;
    return this.#run("process", input, (frame) => {
      if (record._enter === undefined) record._frame = frame;
      else record._enter(frame);
      this.#json.begin(frame);
      return record;
    });
  }

  /** The same for timers that fired. */
  onTimer(fired) {
    const { domain, keys, names, times, groups, groupKeys, states, watermark } = fired;
    const count = times.length / 8;
    // A timer is to what it emits as a record is that has its key, its time and no value.
    const values = { offsets: new Uint8Array(4 * (count + 1)), data: EMPTY, validity: new Uint8Array((count + 7) >> 3) };
    const headers = { offsets: EMPTY, names: NO_COLUMN, values: NO_COLUMN };
    const batch = { count, keys, values, headers, timestamps: times, columns: [] };
    const input = { batch, groups, groupKeys, states, watermark };
    return this.#run("onTimer", input, (frame) => new Timer(frame, new Column(names), domain));
  }

  /** Goes to the state of one key, as a record with that key would, and returns what is changed there. */
  visit(input, visit) {
    return this.#within(input, (frame) => {
      frame.seek(0);
      const result = visit(this.#states.handles);
      return { result, changes: this.#states.finish() };
    });
  }

  #within(input, body) {
    const states = this.#states;
    const frame = new Frame(input, !states.isEmpty);
    forgetLevels();
    this.#context._frame = frame;
    try {
      states.begin(frame, input.states ?? []);
      return body(frame);
    } catch (error) {
      this.#metrics.clear();
      throw error;
    } finally {
      states.leave();
      this.#context._frame = undefined;
    }
  }

  /** Calls a function of the operator for each row; `enter` makes of the batch what it is called with. */
  #run(call, input, enter) {
    return this.#within(input, (frame) => {
      const context = this.#context;
      const outputs = this.#outputs;
      for (const { begin } of outputs) begin(frame);
      const timers = new TimerChanges();
      const failed = new Map();
      context._timers = timers;
      const definition = this.#definition;
      const item = enter(frame);
      const { count, groups } = frame;
      const { _fields: names = [], _properties: properties = [] } = item;
      const width = names.length;
      const [name0, name1, name2] = names;
      const [column0, column1, column2] = properties;
      for (let row = 0; row < count; row++) {
        frame.row = row;
        if (groups !== undefined) frame.group = groups[row];
        if (width > 0) {
          item[name0] = column0[row];
          if (width > 1) item[name1] = column1[row];
          if (width > 2) item[name2] = column2[row];
          for (let at = 3; at < width; at++) item[names[at]] = properties[at][row];
        }
        try {
          const returned = definition[call](item, context);
          if (returned !== undefined) refuseReturned(returned);
        } catch (error) {
          if (error instanceof BatchFailure) throw error;
          this.#states.undo();
          timers.undo(row);
          for (const { undo } of outputs) undo(row);
          failed.set(row, reasonOf(error));
        }
      }
      if (frame.broken !== undefined) throw frame.broken;
      const changes = this.#states.finish();
      this.#metrics.send();
      return {
        outputs: outputs.map(({ finish }) => finish()).filter((made) => made !== undefined),
        changes,
        failures: failuresOf(failed),
        timers: timers.finish(),
      };
    });
  }

  #wholeBatch(input) {
    return this.#within(input, (frame) => {
      const batch = new Batch(frame, { reads: this.#reads, writes: this.#writes, names: this.#names });
      const timers = new TimerChanges();
      this.#context._timers = timers;
      const returned = this.#definition.columns(batch, this.#context);
      if (returned !== undefined) refuseReturned(returned);
      if (frame.broken !== undefined) throw frame.broken;
      const changes = this.#states.finish();
      this.#metrics.send();
      return { ...batch.finish(), changes, timers: timers.finish() };
    });
  }
}

/** Emits where there are no single records. */
function noSingleRecords() {
  throw new BatchFailure("`columns` emits by `batch.emit(..)`, for all records at once");
}

function refuseReturned(returned) {
  if (typeof returned?.then === "function") {
    throw new Failure("a promise was returned: an operator waits for nothing, and must not be async");
  }
}

