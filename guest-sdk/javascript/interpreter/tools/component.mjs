// Makes a component of a program: `node component.mjs ENTRY.js WIT_DIR WORLD NAME OUTPUT.wasm [ALIAS=PATH ..]`.
//
// The program is bundled with what it imports, then componentize-js runs it up to the first call and keeps the memory
// as it is then. Modules named `millstream:..` are the host's; ALIAS says where a package is.
import { mkdir, realpath, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { componentize } from "@bytecodealliance/componentize-js";
import { rolldown } from "rolldown";

const [entry, wit, world, name, output, ...aliases] = process.argv.slice(2);

const bundle = await rolldown({
  input: entry,
  external: /^millstream:/,
  platform: "neutral",
  resolve: {
    mainFields: ["module", "main"],
    alias: Object.fromEntries(aliases.map((alias) => alias.split(/=(.*)/s).slice(0, 2))),
  },
  onLog(level, log, handle) {
    if (log.code === "UNRESOLVED_IMPORT") throw new Error(log.message);
    handle(level, log);
  },
});

// What goes in has the same names wherever it is built: the engine keeps the path of the source and of what
// componentize-js writes beside it, which it names at random in the directory for temporary files.
const place = "/tmp/millstream-javascript";
await mkdir(dirname(output), { recursive: true });
process.env.TMPDIR = "/tmp";
Math.random = () => 0.5;

try {
  await mkdir(place);
} catch (error) {
  if (error.code === "EEXIST") throw new Error(`${place} is there: another build is running, or was killed; then remove it`);
  throw error;
}
try {
  const source = join(await realpath(place), name);
  await bundle.write({ file: source, format: "esm", minify: process.env.MILLSTREAM_MINIFY === "1" });
  process.chdir(place);
  const { component } = await componentize({
    sourcePath: source,
    witPath: wit,
    worldName: world,
    disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
  });
  await writeFile(output, component);
} finally {
  await rm(place, { recursive: true, force: true });
}
