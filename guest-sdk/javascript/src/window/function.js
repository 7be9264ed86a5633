/** Window functions: what becomes of all records of a window at once. */

import { columnOf } from "../column.js";
import { configured, schemaOf } from "../config.js";
import { define } from "../definition.js";
import { BatchFailure } from "../errors.js";
import { Frame } from "../frame.js";
import { forgetLevels } from "../log.js";
import { Record } from "../record.js";
import { Pane, Window, timeOf } from "./pane.js";
import { emittedValue } from "./value.js";

/** Defines a window function: `begin(pane)` returns what `element(gathered, record, pane)` and `end(..)` get. */
export const windowFunction = (definition) => define("process-window", definition);

export function describeFunction(definition) {
  return { configSchema: schemaOf(definition) };
}

/** A window of a key that has fired, and what is emitted of it. */
class FiredPane extends Pane {
  constructor({ key, start, end, elements, now, watermark }, config) {
    super(key, new Window(timeOf(start), timeOf(end)));
    /** What `configure` made of the step's configuration. */
    this.config = config;
    /** How many records it has. */
    this.elements = Number(elements);
    this.nowMs = Number(now);
    const watermarkMs = timeOf(watermark);
    this.watermarkMs = watermarkMs === -Infinity ? undefined : watermarkMs;
    this._values = [];
  }

  /** Emits a record with this value. Its key is the pane's, its timestamp the last moment of the window. */
  emit(value) {
    this._values.push(emittedValue(value));
  }

  _take() {
    const values = this._values;
    this._values = [];
    return columnOf(values);
  }
}

export class FunctionInstance {
  constructor(definition, text) {
    this.definition = definition;
    this.config = configured(text, definition);
    this.inHand = undefined;
  }

  begin(raw) {
    forgetLevels();
    this.inHand = undefined;
    const pane = new FiredPane(raw, this.config);
    this.inHand = { pane, gathered: this.definition.begin?.(pane) };
  }

  elements(page) {
    const { pane, gathered } = this.held();
    const frame = new Frame({ batch: page });
    // Each record stands for itself: they are there to be gathered.
    for (let row = 0; row < page.count; row++) this.definition.element(gathered, new Record(frame.at(row)), pane);
    return pane._take();
  }

  end() {
    const { pane, gathered } = this.held();
    this.inHand = undefined;
    this.definition.end?.(gathered, pane);
    return pane._take();
  }

  held() {
    if (this.inHand === undefined) throw new BatchFailure("the host has not begun a pane");
    return this.inHand;
  }
}
