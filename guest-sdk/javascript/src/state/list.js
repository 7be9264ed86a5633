/** A list for each key. */

import { Column, columnOf } from "../column.js";
import { Failure } from "../errors.js";
import { NO_GROUP, OUTSIDE, noKey } from "../frame.js";
import { callState } from "../host.js";
import { encode } from "../text.js";

/** Elements that one host call reads. */
const PAGE = 256;

/** Elements are read by host calls; what a batch appends goes to the host in one call when the batch is done. */
export class ListState {
  constructor(name, declaration, index) {
    this.name = name;
    this.index = index;
    this.type = declaration.type;
    this.leave();
  }

  begin(frame) {
    this.frame = frame;
    /** By group: `{ cleared, appended, stored }`, the last of which is asked for when it is needed. */
    this.groups = new Map();
    this.journal = [];
    this.undoRow = -1;
  }

  /** Appends an element. */
  push(element) {
    this.type.check(element, `an element of state \`${this.name}\``);
    const known = this.known();
    const encoded = this.type.encode(element);
    known.appended.push(typeof encoded === "string" ? encode(encoded) : encoded.slice());
    this.record({ appended: known.appended });
  }

  /** The number of elements. */
  get length() {
    const known = this.known();
    return this.storedLength(known) + known.appended.length;
  }

  /** The elements in the order of appending, read from the host page by page as the iteration goes on. */
  [Symbol.iterator]() {
    return this.values();
  }

  /** The elements from index `from` on. */
  *values(from = 0) {
    for (;;) {
      const known = this.known();
      const stored = this.storedLength(known);
      const page = from < stored ? this.read(from, stored) : known.appended.slice(from - stored, from - stored + PAGE);
      if (page.length === 0) return;
      for (const element of page) {
        from += 1;
        yield this.decode(element);
      }
    }
  }

  /** Removes every element. */
  clear() {
    const known = this.known();
    this.record({ group: this.frame.group, before: known });
    this.groups.set(this.frame.group, { cleared: true, appended: [], stored: 0 });
  }

  known() {
    const { group } = this.frame;
    if (group === NO_GROUP) throw noKey();
    let known = this.groups.get(group);
    if (known === undefined) this.groups.set(group, (known = { cleared: false, appended: [], stored: undefined }));
    return known;
  }

  storedLength(known) {
    if (known.stored === undefined) {
      const key = this.frame.groupKey(this.frame.group);
      known.stored = Number(callState(this.frame, this.name, "listLength", this.index, key));
    }
    return known.stored;
  }

  read(from, stored) {
    const limit = Math.min(PAGE, stored - from);
    const key = this.frame.groupKey(this.frame.group);
    return [...new Column(callState(this.frame, this.name, "listRead", this.index, key, BigInt(from), limit))];
  }

  decode(bytes) {
    try {
      return this.type.decode(bytes);
    } catch (error) {
      throw new Failure(`state \`${this.name}\`: what is stored does not decode: ${error.message}`);
    }
  }

  record(step) {
    if (this.undoRow !== this.frame.row) {
      this.undoRow = this.frame.row;
      this.journal.length = 0;
    }
    this.journal.push(step);
  }

  /** Undoes what the record in hand changed. */
  undo() {
    if (this.undoRow !== this.frame.row) return;
    for (const { group, before, appended } of this.journal.reverse()) {
      if (appended === undefined) this.groups.set(group, before);
      else appended.pop();
    }
    this.journal.length = 0;
    this.undoRow = -1;
  }

  finish() {
    const [cleared, keys, elements] = [[], [], []];
    for (const [group, known] of this.groups) {
      const key = this.frame.groupKey(group);
      if (known.cleared) cleared.push(key);
      for (const element of known.appended) {
        keys.push(key);
        elements.push(element);
      }
    }
    if (cleared.length > 0) callState(this.frame, this.name, "listClearMany", this.index, columnOf(cleared));
    if (keys.length > 0) {
      callState(this.frame, this.name, "listAppendMany", this.index, columnOf(keys), columnOf(elements));
    }
    return undefined;
  }

  leave() {
    this.frame = OUTSIDE;
    this.groups = new Map();
    this.journal = [];
  }
}
