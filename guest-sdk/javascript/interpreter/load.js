/** What the interpreter does with a program: loads it, and says of which world it is. */

import * as millstream from "../src/index.js";
import { worldOf } from "../src/definition.js";
import { reasonOf } from "../src/errors.js";
import { decode } from "../src/text.js";
import { ProgramError } from "./errors.js";
import { Program, normalised } from "./modules.js";

/** The definition that a program exports. `files` as in `millstream:script/loader`. Throws a `ProgramError`. */
export function load(files, main) {
  const texts = new Map();
  for (const { path, content } of files) {
    try {
      texts.set(normalised(path), decode(content));
    } catch {
      // A file of another kind, which nothing may import.
      if (normalised(path) === normalised(main)) throw new ProgramError(`${path}: the file is not UTF-8`);
    }
  }
  const definition = new Program(texts, { millstream }).run(main);
  if (worldOf(definition) === undefined) {
    throw new ProgramError(`${normalised(main)}: what is exported by default must be made by operator({ .. }), aggregator({ .. }) or the like`);
  }
  return definition;
}

/** What is told of an error. */
export function told(error) {
  return error instanceof ProgramError ? error.message : reasonOf(error);
}
