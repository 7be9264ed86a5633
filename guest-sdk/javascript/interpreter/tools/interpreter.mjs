// Makes the interpreter: `node interpreter.mjs ENTRY.js WIT_DIR OUTPUT.wasm`; or, for tests in Node.js, one file of a
// part of it: `node interpreter.mjs --bundle ENTRY.js OUTPUT.mjs`.
import { fileURLToPath } from "node:url";

import { bundled, component } from "./component.mjs";

const packages = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
// They are not beside the source, which is in a repository without packages.
const alias = { acorn: packages("acorn/dist/acorn.mjs"), sucrase: packages("sucrase/dist/esm/index.js") };
if (process.argv[2] === "--bundle") {
  const [entry, output] = process.argv.slice(3);
  await bundled(entry, output, { alias });
} else {
  const [entry, wit, output] = process.argv.slice(2);
  await component({ entry, wit, world: "interpreter", name: "millstream-sdk.js", output, alias, minify: true });
}
