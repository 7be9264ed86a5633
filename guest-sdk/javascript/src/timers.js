/** Timers set and deleted during a batch. */

import { columnOf, i64Bytes } from "./column.js";
import { Failure } from "./errors.js";
import { nameOf } from "./text.js";

/** The time that deletes a timer. */
const DELETED = -(2n ** 63n);

export class TimerChanges {
  constructor() {
    this.rows = { event: [], processing: [] };
  }

  /** Sets a timer of the key in hand, or deletes it: `undefined`. */
  push(frame, domain, name, timeMs) {
    const key = frame.keys.get(frame.row);
    if (key === null) throw new Failure("this record has no key, and timers belong to a key");
    if (typeof name !== "string") throw new Failure(`the name of a timer must be a text, and is ${nameOf(name)}`);
    if (timeMs !== undefined && typeof timeMs !== "bigint" && !Number.isSafeInteger(timeMs)) {
      throw new Failure(`the time of a timer must be whole milliseconds, and is ${nameOf(timeMs)}`);
    }
    if (timeMs === DELETED) throw new Failure("a timer cannot be set for the smallest time there is");
    if (BigInt.asIntN(64, BigInt(timeMs ?? 0)) !== BigInt(timeMs ?? 0)) throw new Failure(`${timeMs} is beyond all times`);
    this.rows[domain].push({ row: frame.row, key, name, timeMs: timeMs ?? DELETED });
  }

  /** Takes back what a record set, which must be the last one. */
  undo(row) {
    for (const rows of Object.values(this.rows)) while (rows.length > 0 && rows.at(-1).row === row) rows.pop();
  }

  finish() {
    const changes = [];
    for (const [domain, rows] of Object.entries(this.rows)) {
      if (rows.length === 0) continue;
      changes.push({
        domain,
        keys: columnOf(rows.map(({ key }) => key)),
        names: columnOf(rows.map(({ name }) => name)),
        times: i64Bytes(rows.map(({ timeMs }) => timeMs)),
      });
    }
    return changes;
  }
}
