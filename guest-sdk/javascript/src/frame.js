/** The batch in hand and the place in it. */

import { Column, NO_COLUMN, columnOf, i32s, u32s } from "./column.js";
import { Failure } from "./errors.js";
import { host } from "./host.js";
import { decode } from "./text.js";

/** The group of a record without a key. */
export const NO_GROUP = 0xffffffff;
const SMALLEST = -(2n ** 63n);

/** The batch in hand with the place of the record that is being processed. */
export class Frame {
  /**
   * `input` is what crossed: `batch`, and for operators `groups`, `groupKeys` and `watermark`. `isGrouped`: there are
   * states, so that records must be grouped by key, by the host or here.
   */
  constructor(input, isGrouped = false) {
    const { batch } = input;
    this.keys = new Column(batch.keys);
    this.values = new Column(batch.values);
    this._times = undefined;
    this._groupKeys = undefined;
    this._nowMs = undefined;
    this.batch = batch;
    this.count = batch.count;
    this.watermark = input.watermark ?? SMALLEST;
    this.row = 0;
    /** The group of the record in hand. */
    this.group = NO_GROUP;
    this.groups = undefined;
    /** Why the batch cannot stand, even if the operator swallows the error that it is given. */
    this.broken = undefined;
    if (!isGrouped) return;
    if (input.groups.length > 0) {
      this.groups = u32s(input.groups);
      this._groupKeys = new Column(input.groupKeys);
    } else {
      const { groups, keys } = groupRecords(this.keys);
      this.groups = groups;
      this._groupKeys = new Column(keys);
    }
  }

  /** Event times, two 32-bit words each. */
  get times() {
    return (this._times ??= i32s(this.batch.timestamps));
  }

  /** Goes to a record. */
  seek(row) {
    this.row = row;
    this.group = this.groups === undefined ? NO_GROUP : this.groups[row];
  }

  /** The number of distinct keys. */
  get groupCount() {
    return this._groupKeys === undefined ? 0 : this._groupKeys.length;
  }

  /** The key of a group. */
  groupKey(group) {
    return this._groupKeys.get(group);
  }

  /** The same batch at a place where it stays. */
  at(row) {
    void this.times;
    const fixed = Object.create(this);
    fixed.row = row;
    return fixed;
  }

  /** The headers of a record: name and value of each. */
  headers(row) {
    const { offsets, names, values } = this.batch.headers;
    if (offsets.length === 0) return [];
    const bounds = u32s(offsets);
    const [nameColumn, valueColumn] = [new Column(names), new Column(values)];
    const found = [];
    for (let at = bounds[row]; at < bounds[row + 1]; at++) found.push([decode(nameColumn.get(at)), valueColumn.get(at)]);
    return found;
  }

  /** The event time that the input has reached; `undefined` where it is unknown. */
  get watermarkMs() {
    return this.watermark === SMALLEST ? undefined : Number(this.watermark);
  }

  /** Processing time, asked for once a batch. */
  get nowMs() {
    return (this._nowMs ??= Number(host.clock.nowMs()));
  }

  breakOff(error) {
    this.broken ??= error;
    return error;
  }
}

/** In the place of a frame where there is no batch. */
export const OUTSIDE = Object.freeze({
  get group() {
    throw new Failure("state is reached outside of a batch");
  },
});

/** Fails a record that touches state without a key. */
export function noKey() {
  return new Failure("this record has no key, and state is kept by key");
}

/** Numbers the distinct keys in order of first appearance. */
export function groupRecords(keys) {
  const numbers = new Map();
  const groups = new Uint32Array(keys.length);
  const distinct = [];
  for (let row = 0; row < keys.length; row++) {
    const key = keys.get(row);
    if (key === null) {
      groups[row] = NO_GROUP;
      continue;
    }
    const name = nameOfKey(key);
    let group = numbers.get(name);
    if (group === undefined) {
      group = distinct.push(key) - 1;
      numbers.set(name, group);
    }
    groups[row] = group;
  }
  return { groups, keys: distinct.length === 0 ? NO_COLUMN : columnOf(distinct) };
}

/** A text that stands for bytes, a different one for each. */
export function nameOfKey(bytes) {
  try {
    return `t${decode(bytes)}`;
  } catch {
    return `b${bytes.join(",")}`;
  }
}
