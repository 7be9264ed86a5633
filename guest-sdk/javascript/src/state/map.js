/** A map for each key. */

import { Column, columnOf } from "../column.js";
import { Failure } from "../errors.js";
import { NO_GROUP, OUTSIDE, nameOfKey, noKey } from "../frame.js";
import { callState } from "../host.js";
import { bytesOf } from "../text.js";
import { decodeField, encodeField } from "../types.js";

/** Fields that one host call of a scan reads. */
const PAGE = 256;

/** Fields are read by host calls when they are first asked for; changes go to the host when the batch is done. */
export class MapState {
  constructor(name, declaration, index) {
    this.name = name;
    this.index = index;
    this.type = declaration.type;
    this.fieldType = declaration.fieldType;
    this.leave();
  }

  begin(frame) {
    this.frame = frame;
    /** By group: `{ cleared, fields }`, of which the latter has `{ field, value, changed }` by name. */
    this.groups = new Map();
    this.journal = [];
    this.undoRow = -1;
  }

  /** The value of a field; `undefined` where there is none. */
  get(field) {
    const known = this.known();
    const bytes = encodeField(this.fieldType, field);
    const name = nameOfKey(bytes);
    let entry = known.fields.get(name);
    if (entry === undefined) {
      entry = { field: bytes, value: known.cleared ? null : this.fetch(bytes), changed: false };
      known.fields.set(name, entry);
    }
    return entry.value === null ? undefined : this.decode(entry.value);
  }

  /** Whether there is such a field. */
  has(field) {
    return this.get(field) !== undefined;
  }

  /** Sets the value of a field. */
  set(field, value) {
    this.type.check(value, `a value of state \`${this.name}\``);
    const encoded = this.type.encode(value);
    this.replace(field, typeof encoded === "string" ? bytesOf(encoded, "") : encoded.slice());
  }

  /** Removes a field. */
  delete(field) {
    this.replace(field, null);
  }

  /** Removes every field of the key. */
  clear() {
    const known = this.known();
    this.record({ group: this.frame.group, before: known });
    this.groups.set(this.frame.group, { cleared: true, fields: new Map() });
  }

  /** Fields and values in ascending order. */
  [Symbol.iterator]() {
    return this.entries();
  }

  /**
   * Fields and values in ascending order, those with `from <= field < to`; without a bound from the first or to the
   * last one. Read from the host page by page as the iteration goes on.
   */
  *entries({ from, to } = {}) {
    this.known();
    let start = from === undefined ? new Uint8Array(0) : encodeField(this.fieldType, from);
    const end = to === undefined ? undefined : encodeField(this.fieldType, to);
    if (end !== undefined && compare(end, start) <= 0) return;
    while (start !== undefined) {
      const { entries, next } = this.page(start, end);
      for (const [field, value] of entries) yield [this.decodeField(field), this.decode(value)];
      start = next;
    }
  }

  /** Fields in ascending order, as `entries`. */
  *keys(range) {
    for (const [field] of this.entries(range)) yield field;
  }

  known() {
    const { group } = this.frame;
    if (group === NO_GROUP) throw noKey();
    let known = this.groups.get(group);
    if (known === undefined) this.groups.set(group, (known = { cleared: false, fields: new Map() }));
    return known;
  }

  replace(field, value) {
    const known = this.known();
    const bytes = encodeField(this.fieldType, field);
    const name = nameOfKey(bytes);
    this.record({ fields: known.fields, name, before: known.fields.get(name) });
    known.fields.set(name, { field: bytes, value, changed: true });
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
    for (const { group, fields, name, before } of this.journal.reverse()) {
      if (fields === undefined) this.groups.set(group, before);
      else if (before === undefined) fields.delete(name);
      else fields.set(name, before);
    }
    this.journal.length = 0;
    this.undoRow = -1;
  }

  fetch(field) {
    const keys = columnOf([this.frame.groupKey(this.frame.group)]);
    return new Column(callState(this.frame, this.name, "mapGetMany", this.index, keys, columnOf([field]))).get(0);
  }

  /** The next entries from `start` on: what the host has, with what the batch changed over it; and where to go on. */
  page(start, end) {
    const known = this.known();
    const merged = new Map();
    let next;
    if (!known.cleared) {
      const key = this.frame.groupKey(this.frame.group);
      const found = callState(this.frame, this.name, "mapScan", this.index, key, start, end, PAGE);
      const [fields, values] = [new Column(found.fields), new Column(found.values)];
      for (let row = 0; row < fields.length; row++) {
        merged.set(nameOfKey(fields.get(row)), [fields.get(row), values.get(row)]);
        if (found.more) next = after(fields.get(row));
      }
    }
    const until = next ?? end;
    for (const [name, { field, value }] of known.fields) {
      if (compare(field, start) < 0 || (until !== undefined && compare(field, until) >= 0)) continue;
      if (value === null) merged.delete(name);
      else merged.set(name, [field, value]);
    }
    return { entries: [...merged.values()].sort(([one], [other]) => compare(one, other)), next };
  }

  decode(bytes) {
    try {
      return this.type.decode(bytes);
    } catch (error) {
      throw new Failure(`state \`${this.name}\`: what is stored does not decode: ${error.message}`);
    }
  }

  decodeField(bytes) {
    try {
      return decodeField(this.fieldType, bytes);
    } catch (error) {
      throw new Failure(`state \`${this.name}\`: what is stored does not decode: ${error.message}`);
    }
  }

  finish() {
    const [cleared, keys, fields, values] = [[], [], [], []];
    for (const [group, known] of this.groups) {
      const key = this.frame.groupKey(group);
      if (known.cleared) cleared.push(key);
      for (const { field, value, changed } of known.fields.values()) {
        if (!changed) continue;
        keys.push(key);
        fields.push(field);
        values.push(value);
      }
    }
    if (cleared.length > 0) callState(this.frame, this.name, "mapClearMany", this.index, columnOf(cleared));
    if (keys.length > 0) {
      const columns = [columnOf(keys), columnOf(fields), columnOf(values)];
      callState(this.frame, this.name, "mapPutMany", this.index, ...columns);
    }
    return undefined;
  }

  leave() {
    this.frame = OUTSIDE;
    this.groups = new Map();
    this.journal = [];
  }
}

/** The smallest field greater than `field`. */
function after(field) {
  const next = new Uint8Array(field.length + 1);
  next.set(field);
  return next;
}

function compare(one, other) {
  const shared = Math.min(one.length, other.length);
  for (let at = 0; at < shared; at++) if (one[at] !== other[at]) return one[at] - other[at];
  return one.length - other.length;
}
