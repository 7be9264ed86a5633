// Makes the interpreter: `node interpreter.mjs ENTRY.js WIT_DIR OUTPUT.wasm`.
import { fileURLToPath } from "node:url";

import { component } from "./component.mjs";

const [entry, wit, output] = process.argv.slice(2);
const packages = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
// They are not beside the source, which is in a repository without packages.
const alias = { acorn: packages("acorn/dist/acorn.mjs"), sucrase: packages("sucrase/dist/esm/index.js") };
await component({ entry, wit, world: "interpreter", name: "millstream-sdk.js", output, alias, minify: true });
