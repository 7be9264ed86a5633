// Stands in for wizer, which runs a component up to its first call: gives it the same time, the same randomness and the
// same paths whenever and wherever it is built, so that the memory that is kept is the same, too. Arguments are wizer's,
// its input the last.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

import wizer from "@bytecodealliance/wizer";
import binaryen from "binaryen";

const { i32, i64 } = binaryen;
// 2020-01-01.
const TIME_NS = 1_577_836_800n * 1_000_000_000n;
/** What the engine takes the directory of the build for; it keeps the paths of what it reads. */
const SEEN = "/tmp/millstream-javascript";

const bodies = {
  random_get: (module) => [
    binaryen.createType([i32, i32]),
    module.block(null, [
      module.memory.fill(module.local.get(0, i32), module.i32.const(0x2a), module.local.get(1, i32)),
      module.i32.const(0),
    ], i32),
  ],
  clock_time_get: (module) => [
    binaryen.createType([i32, i64, i32]),
    module.block(null, [
      module.i64.store(0, 8, module.local.get(2, i32), module.i64.const(TIME_NS)),
      module.i32.const(0),
    ], i32),
  ],
};

/** The same module, with a clock and randomness that stand still. */
function steady(wasm) {
  const module = binaryen.readBinary(wasm);
  module.setFeatures(binaryen.Features.All);
  const functions = Array.from({ length: module.getNumFunctions() }, (_, at) => module.getFunctionByIndex(at));
  for (const { name, module: from, base } of functions.map((one) => binaryen.getFunctionInfo(one))) {
    if (from !== "wasi_snapshot_preview1" || !Object.hasOwn(bodies, base)) continue;
    const [parameters, body] = bodies[base](module);
    module.removeFunction(name);
    module.addFunction(name, parameters, i32, [], body);
  }
  return module.emitBinary();
}

/** Runs wizer for this process; `place` is the directory of the build. */
export function wizen(place) {
  const seen = (text) => text.replaceAll(place, SEEN);
  const input = `${process.argv.at(-1)}.steady.wasm`;
  writeFileSync(input, steady(readFileSync(process.argv.at(-1))));
  const options = process.argv.slice(2, -1).map((option) => {
    const directory = /^--dir=(.*)$/.exec(option)?.[1];
    return directory === undefined ? option : `--mapdir=${seen(directory)}::${directory}`;
  });
  const stdin = seen(readFileSync(0, "utf8"));
  const { status } = spawnSync(wizer, [...options, input], { input: stdin, stdio: ["pipe", "inherit", "inherit"] });
  process.exit(status ?? 1);
}
