/** Windows, and panes: a window of a key. */

import { Column, i64s, i64Bytes } from "../column.js";
import { BatchFailure } from "../errors.js";
import { keyText } from "../record.js";

/** The start of a window that has always been there, and the end of one that has no end. */
const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 63n - 1n;

/** A time as a number; an infinite one for the smallest and the largest there is. */
export function timeOf(time) {
  return time === LARGEST ? Infinity : time === SMALLEST ? -Infinity : Number(time);
}

/** The same the other way round. */
export function bigTimeOf(timeMs) {
  if (timeMs === Infinity) return LARGEST;
  if (timeMs === -Infinity) return SMALLEST;
  if (typeof timeMs === "bigint") return timeMs;
  if (!Number.isSafeInteger(timeMs)) throw new BatchFailure(`${timeMs} is no time: whole milliseconds, or Infinity`);
  return BigInt(timeMs);
}

/** A window in event time, from its start to its end, the end not included. */
export class Window {
  constructor(startMs, endMs) {
    this.startMs = startMs;
    this.endMs = endMs;
    Object.freeze(this);
  }

  /** Its last millisecond: the watermark that it is complete with. */
  get lastMs() {
    return this.endMs - 1;
  }

  equals(other) {
    return this.startMs === other.startMs && this.endMs === other.endMs;
  }
}

/** The windows of a column. */
export function readWindows({ starts, ends }) {
  const [from, to] = [i64s(starts), i64s(ends)];
  return Array.from(from, (start, row) => new Window(timeOf(start), timeOf(to[row])));
}

/** Windows as a column. */
export function windowColumn(windows) {
  return {
    starts: i64Bytes(windows.map(({ startMs }) => bigTimeOf(startMs))),
    ends: i64Bytes(windows.map(({ endMs }) => bigTimeOf(endMs))),
  };
}

/** A window of a key. */
export class Pane {
  constructor(key, window) {
    this.key = key;
    this.window = window;
  }

  /** The key as text; fails where it is not UTF-8. */
  keyText() {
    return keyText(this.key);
  }
}

/** The panes of two columns. */
export function readPanes(keys, windows) {
  const column = new Column(keys);
  return readWindows(windows).map((window, row) => new Pane(column.get(row), window));
}
