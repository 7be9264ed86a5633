/** What is wrong with a program, with file and line. */

import { frames, headline } from "../src/errors.js";

export class ProgramError extends Error {
  name = "ProgramError";
}

/** An error at a place of a file: where, what, and the line itself. `column` counts from 0. */
export function at(path, source, line, column, reason) {
  const text = source.split("\n")[line - 1]?.trimEnd() ?? "";
  const shown = text.length === 0 || text.length > 160 ? "" : `\n  ${text}\n  ${" ".repeat(column)}^`;
  return new ProgramError(`${path}:${line}:${column + 1}: ${reason}${shown}`);
}

/** What a file threw while it was run. */
export function thrown(path, error) {
  if (error instanceof ProgramError) return error;
  const stack = error instanceof Error ? frames(error.stack ?? "") : [];
  const place = /\(?([^\s()]+:\d+:\d+)\)?$/.exec(stack[0] ?? "")?.[1] ?? path;
  return new ProgramError([`${place}: ${headline(error)}`, ...stack].join("\n"));
}
