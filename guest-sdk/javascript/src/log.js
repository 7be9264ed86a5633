/**
 * The operator's log. Lines go to the host, which limits their rate and says how many it dropped. A line of a level
 * that is not kept is not formatted: give a function where that costs something.
 */

import { host } from "./host.js";

export const LEVELS = ["trace", "debug", "info", "warn", "error"];
/** Which levels the host keeps, asked for once a batch. */
let kept = {};

/** Asks the host again which levels it keeps. */
export function forgetLevels() {
  kept = {};
}

/** Whether lines of this level are kept. */
function enabled(level) {
  if (host.log === undefined) return false;
  return (kept[level] ??= host.log.enabled(level));
}

/** Writes a line: a text, or a function that makes it. */
export function write(level, message) {
  if (enabled(level)) host.log.write(level, String(typeof message === "function" ? message() : message));
}

export const log = Object.freeze({
  enabled,
  trace: (message) => write("trace", message),
  debug: (message) => write("debug", message),
  info: (message) => write("info", message),
  warn: (message) => write("warn", message),
  error: (message) => write("error", message),
});
