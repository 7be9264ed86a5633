// Makes components of programs: bundles them with what they import, runs them up to the first call, and keeps the memory
// as it is then. Modules named `millstream:..` are the host's.
import { mkdir, realpath, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";
import { rolldown } from "rolldown";

// The engine keeps the path of the source and of what componentize-js writes beside it, at random in the directory for
// temporary files; so both are the same wherever a component is built.
const PLACE = "/tmp/millstream-javascript";

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
  process.env.TMPDIR = "/tmp";
  Math.random = () => 0.5;
  // What is left of clocks in the component stands still, at this time.
  Date.now = () => 0;
  process.hrtime.bigint = () => 0n;
  await mkdir(dirname(output), { recursive: true });
  await mkdir(PLACE).catch((error) => {
    if (error.code !== "EEXIST") throw error;
    throw new Error(`${PLACE} is there: another build is running, or was killed; in that case remove it`);
  });
  try {
    const source = join(await realpath(PLACE), name);
    await bundled(entry, source, { alias, minify });
    process.chdir(PLACE);
    const wizerBin = join(PLACE, "wizer.mjs");
    const steady = fileURLToPath(new URL("wizer.mjs", import.meta.url));
    await writeFile(wizerBin, `#!${process.execPath}\nimport ${JSON.stringify(steady)};\n`, { mode: 0o755 });
    const made = await componentize({
      sourcePath: source,
      witPath: wit,
      worldName: world,
      wizerBin,
      disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
    });
    await writeFile(output, made.component);
  } finally {
    await rm(PLACE, { recursive: true, force: true });
  }
}
