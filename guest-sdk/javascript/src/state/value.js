/** One value for each key. */

import { Column, EMPTY, bitmapOf, bytesIn, columnOf, numbersTo, offsetsOfEights, u32Bytes } from "../column.js";
import { BatchFailure, Failure } from "../errors.js";
import { NO_GROUP, OUTSIDE, noKey } from "../frame.js";
import { callState } from "../host.js";

const UNREAD = 0;
const READ = 1;
const CHANGED = 2;

/**
 * Prefetched values travel with the batch: reading one costs no call to the host, and what changed is written back
 * once. Others are read by a host call when they are first asked for.
 *
 * Of types that are objects it is the stored text that is kept, so that an object which is changed and not set changes
 * nothing, and a record that fails is undone.
 */
export class ValueState {
  constructor(name, declaration, index) {
    this.name = name;
    this.index = index;
    this.declaration = declaration;
    this.type = declaration.type;
    this.isObject = this.type.name === "json" || this.type.name === "bytes";
    this.typeof = this.type.typeof;
    this.leave();
  }

  begin(frame, prefetched) {
    this.frame = frame;
    this.values = [];
    this.marks = new Uint8Array(frame.groupCount);
    this.grouped = undefined;
    this.undoRow = -1;
    this.view = undefined;
    if (!this.declaration.prefetch) return;
    this.stored = new Column(prefetched);
    const { data, offsets } = this.stored;
    // Numbers of 8 bytes, or nothing: they need not be decoded one by one.
    if (this.type.viewed !== undefined && areEights(offsets)) {
      this.view = this.type.viewed(data);
      this.isWhole = this.view.length === this.marks.length;
    }
    if (this.stored.length !== frame.groupCount) {
      throw new BatchFailure(`the host did not pass the values of state \`${this.name}\``);
    }
  }

  /** The value of the key; `undefined` where there is none. */
  get() {
    const group = this.frame.group;
    if (group === NO_GROUP) throw noKey();
    const value = this.marks[group] === UNREAD ? this.read(group) : this.values[group];
    return this.isObject && value !== undefined ? this.type.decode(value) : value;
  }

  /** Sets the value of the key. */
  set(value) {
    const { type } = this;
    if (typeof value !== type.typeof && !type.is(value)) type.check(value, `state \`${this.name}\``);
    this.replace(this.isObject ? stored(type.encode(value)) : value);
  }

  /** Removes the value of the key. */
  delete() {
    this.replace(undefined);
  }

  /** Sets what a function makes of the value, and returns it. */
  update(change) {
    const frame = this.frame;
    const group = frame.group;
    const isShort = this.typeof !== undefined && group !== NO_GROUP;
    const value = change(isShort && this.marks[group] !== UNREAD ? this.values[group] : this.get());
    if (!isShort || typeof value !== this.typeof) {
      this.set(value);
      return value;
    }
    // As `set` does, without its calls: they cost more than all the rest.
    const values = this.values;
    const marks = this.marks;
    if (this.undoRow !== frame.row) {
      this.undoRow = frame.row;
      this.undoValue = values[group];
      this.undoMark = marks[group];
    }
    values[group] = value;
    marks[group] = CHANGED;
    return value;
  }

  /**
   * For whole batches: `values` by the index of the key among the distinct keys, with 0 or `undefined` where nothing is
   * stored, and `changed`, in which a 1 has a value written back.
   */
  byGroup() {
    const count = this.marks.length;
    if (this.view !== undefined && this.values.length === 0) {
      this.grouped = { values: this.isWhole ? this.view.slice() : this.spread(), changed: new Uint8Array(count) };
      return this.grouped;
    }
    const { type } = this;
    const values =
      type.name === "float64" ? new Float64Array(count) : type.name === "int64" ? new BigInt64Array(count) : new Array(count);
    const before = this.frame.group;
    for (let group = 0; group < count; group++) {
      this.frame.group = group;
      const value = this.get();
      if (value !== undefined) values[group] = value;
    }
    this.frame.group = before;
    this.grouped = { values, changed: new Uint8Array(count) };
    return this.grouped;
  }

  /** The numbers that are stored, with 0 where nothing is. */
  spread() {
    const { view } = this;
    const { offsets } = this.stored;
    const values = new view.constructor(this.marks.length);
    for (let group = 0, at = 0; at < view.length; group++) {
      if (offsets[group + 1] !== offsets[group]) values[group] = view[at++];
    }
    return values;
  }

  /** Takes over what was changed in `byGroup`. */
  settle() {
    const { values, changed } = this.grouped;
    const { frame, marks } = this;
    if (ArrayBuffer.isView(values)) {
      for (let group = 0; group < changed.length; group++) {
        if (changed[group] === 0) continue;
        this.values[group] = values[group];
        marks[group] = CHANGED;
      }
      this.grouped = undefined;
      return;
    }
    for (let group = 0; group < changed.length; group++) {
      if (changed[group] === 0) continue;
      frame.group = group;
      if (values[group] === undefined) this.delete();
      else this.set(values[group]);
    }
    this.grouped = undefined;
  }

  replace(value) {
    const { frame } = this;
    const { group } = frame;
    if (group === NO_GROUP) throw noKey();
    if (this.undoRow !== frame.row) {
      this.undoRow = frame.row;
      this.undoValue = this.values[group];
      this.undoMark = this.marks[group];
    }
    this.values[group] = value;
    this.marks[group] = CHANGED;
  }

  /** Undoes what the record in hand changed. */
  undo() {
    const { frame } = this;
    if (this.undoRow !== frame.row) return;
    this.values[frame.group] = this.undoValue;
    this.marks[frame.group] = this.undoMark;
    this.undoRow = -1;
  }

  read(group) {
    if (this.view !== undefined) {
      this.readAll();
      return this.values[group];
    }
    const bytes = this.declaration.prefetch ? this.stored.get(group) : this.fetch(group);
    let value;
    if (bytes !== null) {
      try {
        // What is an object is decoded anew whenever it is asked for.
        value = this.isObject ? (this.type.decode(bytes), bytes) : this.type.decode(bytes);
      } catch (error) {
        throw new Failure(`state \`${this.name}\`: what is stored does not decode: ${error.message}`);
      }
    }
    this.values[group] = value;
    this.marks[group] = READ;
    return value;
  }

  /** Reads the numbers of all keys: where one is asked for, most are, and a call for each costs more than the reading. */
  readAll() {
    const { view, marks, values } = this;
    const { offsets } = this.stored;
    let end = 0;
    for (let group = 0; group < marks.length; group++) {
      const start = end;
      end = offsets[group + 1];
      if (marks[group] !== UNREAD) continue;
      values[group] = start === end ? undefined : view[start >> 3];
      marks[group] = READ;
    }
  }

  fetch(group) {
    const keys = columnOf([this.frame.groupKey(group)]);
    return new Column(callState(this.frame, this.name, "getMany", this.index, keys)).get(0);
  }

  /** What the batch changed, for prefetched state: `undefined` if nothing. Other state is written by a call. */
  finish() {
    const whole = this.wholeColumn();
    if (whole !== undefined) return whole;
    if (this.grouped !== undefined) this.settle();
    const { marks, values, type, isObject } = this;
    const groups = [];
    const rows = [];
    for (let group = 0; group < marks.length; group++) {
      if (marks[group] !== CHANGED) continue;
      groups.push(group);
      const value = values[group];
      rows.push(value === undefined ? null : isObject || type.viewed !== undefined ? value : type.encode(value));
    }
    if (groups.length === 0) return undefined;
    const column = type.viewed === undefined ? columnOf(rows) : numbersColumn(type, rows);
    if (this.declaration.prefetch) return { groups: u32Bytes(groups), values: column };
    const keys = columnOf(groups.map((group) => this.frame.groupKey(group)));
    callState(this.frame, this.name, "putMany", this.index, keys, column);
    return undefined;
  }

  /** Where every value was changed at once, as numbers: what goes back, without looking at one. */
  wholeColumn() {
    if (!this.declaration.prefetch || this.type.viewed === undefined) return undefined;
    const numbers = this.grouped === undefined ? this.wholeValues() : this.wholeGrouped();
    if (numbers === undefined) return undefined;
    const column = { offsets: offsetsOfEights(numbers.length), data: bytesIn(numbers), validity: EMPTY };
    return { groups: bytesIn(numbersTo(numbers.length)), values: column };
  }

  wholeGrouped() {
    const { values, changed } = this.grouped;
    return changed.length > 0 && !changed.includes(0) ? values : undefined;
  }

  wholeValues() {
    const { values, marks, type } = this;
    if (marks.length === 0 || values.length !== marks.length || marks.includes(UNREAD) || marks.includes(READ)) return undefined;
    if (values.includes(undefined)) return undefined;
    return type.name === "float64" ? new Float64Array(values) : new BigInt64Array(values);
  }

  leave() {
    this.frame = OUTSIDE;
    this.stored = undefined;
    this.values = [];
    this.marks = new Uint8Array(0);
    this.undoRow = -1;
    this.undoValue = undefined;
  }
}

/** Whether all values that are there have 8 bytes. */
function areEights(offsets) {
  for (let row = 1, end = 0; row < offsets.length; row++) {
    const next = offsets[row];
    if (next !== end && next !== end + 8) return false;
    end = next;
  }
  return offsets.length > 1;
}

/** Bytes of a value that the operator may change later. */
function stored(encoded) {
  return typeof encoded === "string" ? new TextEncoder().encode(encoded) : encoded.slice();
}

/** Numbers of 8 bytes, and nulls, as a column of byte strings. */
function numbersColumn(type, rows) {
  const present = rows.includes(null) ? rows.filter((row) => row !== null) : rows;
  const numbers = type.name === "float64" ? new Float64Array(present) : new BigInt64Array(present);
  if (present === rows) return { offsets: offsetsOfEights(rows.length), data: bytesIn(numbers), validity: EMPTY };
  const offsets = new Uint32Array(rows.length + 1);
  for (let row = 0, end = 0; row < rows.length; row++) {
    if (rows[row] !== null) end += 8;
    offsets[row + 1] = end;
  }
  return { offsets: bytesIn(offsets), data: bytesIn(numbers), validity: bitmapOf(rows, (row) => row !== null) };
}
