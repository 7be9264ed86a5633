/** One value for each key. */

import { Column, EMPTY, bitmapOf, bytesIn, columnOf, numbersTo, offsetsOfEights, u32Bytes } from "../column.js";
import { BatchFailure, Failure } from "../errors.js";
import { NO_GROUP, OUTSIDE, noKey } from "../frame.js";
import { callState } from "../host.js";

/** What is known of the value of a key, in an order: those from `READ` on have one. */
const UNREAD = 0;
const NONE = 1;
const REMOVED = 2;
const READ = 3;
const CHANGED = 4;

const NO_MARKS = new Uint8Array(0);
/** What `typeof` says of types that it does not say enough of. */
const BOUNDED = { int64: "bigint", integer: "number" };
/** Arrays that `byGroup` gives. */
const ARRAYS = { float64: Float64Array, int64: BigInt64Array };

/**
 * Prefetched values travel with the batch: reading one costs no call to the host, and what changed is written back
 * once. Others are read by a host call when they are first asked for.
 *
 * Of types that are objects it is the stored text that is kept, so that an object which is changed and not set changes
 * nothing, and a record that fails is undone.
 *
 * It is one function with others in it, and not a class: in an engine without a compiler a variable costs a fifth of
 * what a property does.
 */
export function valueState(name, declaration, index) {
  const { type, prefetch } = declaration;
  const isObject = type.name === "json" || type.name === "bytes";
  const kind = type.typeof ?? BOUNDED[type.name];
  const isBounded = type.typeof === undefined;
  let frame = OUTSIDE;
  /** By group, as `marks`: an array of the type's own where it is of numbers of 8 bytes. */
  let values = [];
  let marks = NO_MARKS;
  let isLoaded = false;
  let stored;
  let view;
  let grouped;
  let undoRow = -1;
  let undoValue;
  let undoMark = UNREAD;

  function begin(next, prefetched) {
    frame = next;
    values = [];
    marks = new Uint8Array(frame.groupCount);
    isLoaded = false;
    grouped = undefined;
    undoRow = -1;
    view = undefined;
    if (!prefetch) return;
    stored = new Column(prefetched);
    if (stored.length !== marks.length) throw new BatchFailure(`the host did not pass the values of state \`${name}\``);
    // Numbers of 8 bytes, or nothing: they need not be decoded one by one.
    if (type.viewed !== undefined && areEights(stored)) view = type.viewed(stored.data);
  }

  /** Takes the numbers of all keys: where one is asked for, most are, and a call for each costs more. */
  function load() {
    isLoaded = true;
    if (view === undefined) {
      if (type.viewed !== undefined) values = new type.Values(marks.length);
    } else if (view.length === marks.length) {
      values = view.slice();
      marks.fill(READ);
    } else {
      const { offsets } = stored;
      values = new type.Values(marks.length);
      for (let group = 0, at = 0; group < marks.length; group++) {
        if (offsets[group + 1] === offsets[group]) {
          marks[group] = NONE;
        } else {
          values[group] = view[at++];
          marks[group] = READ;
        }
      }
    }
  }

  /** Reads the value of a group, and says what is known of it then. */
  function read(group) {
    if (!isLoaded) load();
    if (marks[group] !== UNREAD) return marks[group];
    const bytes = prefetch ? stored.get(group) : fetch(group);
    if (bytes === null) return (marks[group] = NONE);
    try {
      // What is an object is decoded anew whenever it is asked for.
      values[group] = isObject ? (type.decode(bytes), bytes) : type.decode(bytes);
    } catch (error) {
      throw new Failure(`state \`${name}\`: what is stored does not decode: ${error.message}`);
    }
    return (marks[group] = READ);
  }

  function fetch(group) {
    const keys = columnOf([frame.groupKey(group)]);
    return new Column(callState(frame, name, "getMany", index, keys)).get(0);
  }

  /** The value of the key; `undefined` where there is none. */
  function get() {
    const { group } = frame;
    if (group === NO_GROUP) throw noKey();
    let mark = marks[group];
    if (mark === UNREAD) mark = read(group);
    if (mark < READ) return undefined;
    return isObject ? type.decode(values[group]) : values[group];
  }

  /** Sets the value of the key. */
  function set(value) {
    if (typeof value !== type.typeof && !type.is(value)) type.check(value, `state \`${name}\``);
    replace(isObject ? storedBytes(type.encode(value)) : value, CHANGED);
  }

  /** Removes the value of the key. */
  function remove() {
    replace(undefined, REMOVED);
  }

  function replace(value, mark) {
    const { group, row } = frame;
    if (group === NO_GROUP) throw noKey();
    if (!isLoaded) load();
    if (undoRow !== row) {
      undoRow = row;
      undoValue = values[group];
      undoMark = marks[group];
    }
    if (mark === CHANGED) values[group] = value;
    marks[group] = mark;
  }

  /** Sets what a function makes of the value, and returns it. */
  function update(change) {
    const { group } = frame;
    // Without a key there is no mark.
    const mark = marks[group];
    if (kind === undefined || !(mark > UNREAD)) return updated(change);
    const value = change(mark >= READ ? values[group] : undefined);
    if (typeof value !== kind || (isBounded && !type.is(value))) {
      set(value);
      return value;
    }
    // As `replace` does, without the call.
    const { row } = frame;
    if (undoRow !== row) {
      undoRow = row;
      undoValue = values[group];
      undoMark = marks[group];
    }
    values[group] = value;
    marks[group] = CHANGED;
    return value;
  }

  function updated(change) {
    const value = change(get());
    set(value);
    return value;
  }

  /** Undoes what the record in hand changed. */
  function undo() {
    if (undoRow !== frame.row) return;
    const { group } = frame;
    if (undoMark >= READ) values[group] = undoValue;
    marks[group] = undoMark;
    undoRow = -1;
  }

  /**
   * For whole batches: `values` by the index of the key among the distinct keys, with 0 or `undefined` where nothing is
   * stored, and `changed`, in which a 1 has a value written back.
   */
  function byGroup() {
    const Values = ARRAYS[type.name];
    if (Values !== undefined && view !== undefined && !isLoaded) {
      load();
      grouped = { values: values.slice(), changed: new Uint8Array(marks.length) };
      return grouped;
    }
    const found = new (Values ?? Array)(marks.length);
    const before = frame.group;
    for (let group = 0; group < marks.length; group++) {
      frame.group = group;
      const value = get();
      if (value !== undefined) found[group] = value;
    }
    frame.group = before;
    grouped = { values: found, changed: new Uint8Array(marks.length) };
    return grouped;
  }

  /** Takes over what was changed in `byGroup`. */
  function settle() {
    const { values: found, changed } = grouped;
    const isNumeric = ArrayBuffer.isView(found);
    for (let group = 0; group < changed.length; group++) {
      if (changed[group] === 0) continue;
      if (isNumeric) {
        values[group] = found[group];
        marks[group] = CHANGED;
        continue;
      }
      frame.group = group;
      if (found[group] === undefined) remove();
      else set(found[group]);
    }
    grouped = undefined;
  }

  /** What the batch changed, for prefetched state: `undefined` if nothing. Other state is written by a call. */
  function finish() {
    if (grouped !== undefined) {
      if (prefetch && ARRAYS[type.name] !== undefined && isAll(grouped.changed, [0])) return wholeColumn(grouped.values);
      settle();
    }
    if (!isLoaded) return undefined;
    if (prefetch && type.viewed !== undefined && isAll(marks, [UNREAD, NONE, REMOVED, READ])) return wholeColumn(values);
    const groups = [];
    const rows = [];
    for (let group = 0; group < marks.length; group++) {
      const mark = marks[group];
      if (mark !== CHANGED && mark !== REMOVED) continue;
      groups.push(group);
      if (mark === REMOVED) rows.push(null);
      else rows.push(isObject || type.viewed !== undefined ? values[group] : type.encode(values[group]));
    }
    if (groups.length === 0) return undefined;
    const column = type.viewed === undefined ? columnOf(rows) : numbersColumn(type, rows);
    if (prefetch) return { groups: u32Bytes(groups), values: column };
    const keys = columnOf(groups.map((group) => frame.groupKey(group)));
    callState(frame, name, "putMany", index, keys, column);
    return undefined;
  }

  /** Where every value was changed at once: what goes back, without looking at one. */
  function wholeColumn(numbers) {
    const column = { offsets: offsetsOfEights(numbers.length), data: type.bytesOf(numbers), validity: EMPTY };
    return { groups: bytesIn(numbersTo(numbers.length)), values: column };
  }

  function leave() {
    frame = OUTSIDE;
    stored = undefined;
    view = undefined;
    values = [];
    marks = NO_MARKS;
    grouped = undefined;
    undoRow = -1;
    undoValue = undefined;
  }

  return { name, declaration, begin, get, set, update, delete: remove, byGroup, undo, finish, leave };
}

/** Whether marks are there, and all of others than these. */
function isAll(marks, others) {
  return marks.length > 0 && !others.some((other) => marks.includes(other));
}

/** Whether all values that are there have 8 bytes. */
function areEights({ offsets }) {
  for (let row = 1, end = 0; row < offsets.length; row++) {
    const next = offsets[row];
    if (next !== end && next !== end + 8) return false;
    end = next;
  }
  return offsets.length > 1;
}

/** Bytes of a value that the operator may change later. */
function storedBytes(encoded) {
  return typeof encoded === "string" ? new TextEncoder().encode(encoded) : encoded.slice();
}

/** Numbers of 8 bytes, and nulls, as a column of byte strings. */
function numbersColumn(type, rows) {
  const present = rows.includes(null) ? rows.filter((row) => row !== null) : rows;
  const data = type.bytesOf(new type.Values(present));
  if (present === rows) return { offsets: offsetsOfEights(rows.length), data, validity: EMPTY };
  const offsets = new Uint32Array(rows.length + 1);
  for (let row = 0, end = 0; row < rows.length; row++) {
    if (rows[row] !== null) end += 8;
    offsets[row + 1] = end;
  }
  return { offsets: bytesIn(offsets), data, validity: bitmapOf(rows, (row) => row !== null) };
}
