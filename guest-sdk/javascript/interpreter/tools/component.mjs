// Makes components of programs: bundles them with what they import, runs them up to the first call, and keeps the memory
// as it is then. Modules named `millstream:..` are the host's.
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";
import { rolldown } from "rolldown";

/** Bundles a program into one file; `alias` says where packages are. */
export async function bundled(entry, file, { alias = {}, minify = false, platform = "neutral" } = {}) {
  const bundle = await rolldown({
    input: entry,
    external: /^millstream:/,
    platform,
    resolve: { mainFields: ["module", "main"], alias },
    onLog(level, log, handle) {
      if (log.code === "UNRESOLVED_IMPORT") throw new Error(log.message);
      handle(level, log);
    },
  });
  await bundle.write({ file, format: "esm", minify });
}

/** Writes the component of a program, called `name` in it, of a world of the contract in the directory `wit`. */
export async function component({ entry, wit, world, name, output, alias, minify }) {
  // Whatever is written on the way is in a directory of this build, which the engine sees under another name.
  const place = await realpath(await mkdtemp(join(tmpdir(), "millstream-javascript-")));
  process.env.TMPDIR = place;
  Math.random = () => 0.5;
  // What is left of clocks in the component stands still, at this time.
  Date.now = () => 0;
  process.hrtime.bigint = () => 0n;
  await mkdir(dirname(output), { recursive: true });
  try {
    const source = join(place, name);
    await bundled(entry, source, { alias, minify });
    process.chdir(place);
    const wizerBin = join(place, "wizer.mjs");
    const steady = JSON.stringify(fileURLToPath(new URL("wizer.mjs", import.meta.url)));
    const script = `#!${process.execPath}\nimport { wizen } from ${steady};\nwizen(${JSON.stringify(place)});\n`;
    await writeFile(wizerBin, script, { mode: 0o755 });
    const made = await componentize({
      sourcePath: source,
      witPath: wit,
      worldName: world,
      wizerBin,
      disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
    });
    await writeFile(output, made.component);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
