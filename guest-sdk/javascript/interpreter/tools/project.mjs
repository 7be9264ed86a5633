// Makes a component of a project with packages: `node project.mjs MAIN SDK_DIR WIT_DIR OUTPUT.wasm`, where the SDK is
// this package and the contract has `millstream:operator` in it and `millstream:window` in `deps/window`.
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { bundled, component } from "./component.mjs";

const [main, sdk, wit, output] = process.argv.slice(2).map((path) => resolve(path));

/** The interface of each world, and what the host offers to it. */
const PARTS = ["clock", "log", "metrics", "state"];
const WORLDS = {
  operator: ["processor", "operator", PARTS],
  aggregator: ["aggregation", "window", ["log"]],
  "window-assigner": ["assignment", "window", ["log"]],
  trigger: ["firing", "window", ["log"]],
  "process-window": ["windowFunction", "window", ["log"]],
  "watermark-generator": ["watermarks", "window", ["log"]],
};

const alias = { "millstream/component": join(sdk, "src/component/exports.js"), millstream: join(sdk, "src/index.js") };
const work = await mkdtemp(join(tmpdir(), "millstream-"));
try {
  // It is run here once, to see of which world it is.
  const look = join(work, "look.mjs");
  await bundled(main, look, { alias, platform: "node" });
  const { default: definition } = await import(pathToFileURL(look));
  const world = definition?.[Symbol.for("millstream.definition")];
  if (!Object.hasOwn(WORLDS, world)) {
    throw new Error(`${main}: \`export default operator({ .. })\` is missing: the main file exports what it defines`);
  }
  const [name, from, parts] = WORLDS[world];
  const entry = join(work, "entry.js");
  await writeFile(
    entry,
    [
      ...parts.map((part) => `import * as ${part} from "millstream:operator/${part}@0.1.0";`),
      `import * as component from "millstream/component";`,
      `import definition from ${JSON.stringify(main)};`,
      `component.begin({ ${parts.join(", ")} }, globalThis);`,
      `export const ${name} = component.${name}(() => definition);`,
    ].join("\n"),
  );
  const contract = join(work, "wit");
  await mkdir(join(contract, "deps"), { recursive: true });
  const onlyFiles = { recursive: true, filter: (path) => path === wit || path.endsWith(".wit") };
  await cp(wit, join(contract, "deps/operator"), onlyFiles);
  await cp(join(wit, "deps/window"), join(contract, "deps/window"), { recursive: true });
  await writeFile(
    join(contract, "program.wit"),
    `package millstream:program;\nworld program {\n  include millstream:${from}/${world}@0.1.0;\n}\n`,
  );
  await component({ entry, wit: contract, world: "program", name: "operator.js", output, alias });
} finally {
  await rm(work, { recursive: true, force: true });
}
