/** Window assigners: which windows a record is in. */

import { u32Bytes } from "../column.js";
import { configured, schemaOf } from "../config.js";
import { failuresOf } from "../batch.js";
import { define } from "../definition.js";
import { BatchFailure, Failure, reasonOf } from "../errors.js";
import { Frame } from "../frame.js";
import { forgetLevels } from "../log.js";
import { Record } from "../record.js";
import { Window, windowColumn } from "./pane.js";

/** Defines a window assigner, whose `assign(record, ctx)` returns a window, several or none. */
export const windowAssigner = (definition) => define("window-assigner", definition);

export function describeAssigner(definition) {
  return { merges: definition.merges ?? false, configSchema: schemaOf(definition) };
}

export class AssignerInstance {
  constructor(definition, text) {
    this.definition = definition;
    this.config = configured(text, definition);
  }

  assign(batch, now) {
    forgetLevels();
    const frame = new Frame({ batch });
    const record = new Record(frame);
    const self = { config: this.config, nowMs: Number(now) };
    const [rows, windows, failed] = [[], [], new Map()];
    for (let row = 0; row < batch.count; row++) {
      frame.row = row;
      try {
        const assigned = distinct(this.definition.assign(record, self));
        for (const window of assigned) {
          rows.push(row);
          windows.push(window);
        }
      } catch (error) {
        if (error instanceof BatchFailure) throw error;
        failed.set(row, reasonOf(error));
      }
    }
    return { rows: u32Bytes(rows), windows: windowColumn(windows), failures: failuresOf(failed) };
  }
}

/** The windows that were returned, each once. */
function distinct(returned) {
  const all = returned === undefined || returned === null ? [] : returned instanceof Window ? [returned] : [...returned];
  const found = [];
  for (const window of all) {
    if (!(window instanceof Window)) throw new Failure("`assign` must return windows: new Window(startMs, endMs)");
    if (!(window.startMs < window.endMs)) {
      throw new Failure(`a window that starts at ${window.startMs} and ends at ${window.endMs}`);
    }
    if (!found.some((known) => known.equals(window))) found.push(window);
  }
  return found;
}
