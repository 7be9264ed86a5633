/** Durations as they are written: `250ms`, `90s`, `5m`, `2h`, `7d`, or a number of milliseconds. */

import { DeclarationError } from "./errors.js";

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a duration. `what` is what it is of. */
export function durationMs(duration, what) {
  const match = typeof duration === "string" ? /^(\d+)\s*(ms|s|m|h|d)$/.exec(duration.trim()) : null;
  const ms = match === null ? duration : Number(match[1]) * UNITS_MS[match[2]];
  if (!Number.isSafeInteger(ms) || ms <= 0) {
    throw new DeclarationError(`${what}: \`${duration}\` is no duration; write 250ms, 90s, 5m, 2h, 7d, or milliseconds`);
  }
  return ms;
}
