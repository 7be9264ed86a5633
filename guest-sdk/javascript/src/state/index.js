/** The states of an operator, and what a batch does to them. */

import { ListState } from "./list.js";
import { MapState } from "./map.js";
import { valueState } from "./value.js";

const KINDS = {
  value: valueState,
  map: (...declared) => new MapState(...declared),
  list: (...declared) => new ListState(...declared),
};

export class States {
  /** `declared`: name and declaration of each. */
  constructor(declared) {
    this.all = Object.entries(declared).map(([name, declaration], index) => {
      return KINDS[declaration.kind](name, declaration, index);
    });
    this.prefetched = this.all.filter((state) => state.declaration?.prefetch === true);
    /** What the operator sees. */
    this.handles = Object.freeze(Object.fromEntries(this.all.map((state) => [state.name, state])));
  }

  get isEmpty() {
    return this.all.length === 0;
  }

  begin(frame, columns) {
    for (const state of this.all) state.begin(frame, columns[this.prefetched.indexOf(state)]);
  }

  /** Undoes what the record in hand changed. */
  undo() {
    for (const state of this.all) state.undo();
  }

  /** Writes what the batch changed, and returns the changes of prefetched states that go back with it. */
  finish() {
    const changes = [];
    for (const state of this.all) {
      const change = state.finish();
      if (change !== undefined) changes.push({ state: this.prefetched.indexOf(state), ...change });
    }
    return changes;
  }

  leave() {
    for (const state of this.all) state.leave();
  }
}
