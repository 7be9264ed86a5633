// How programs are loaded from their source. $MILLSTREAM_LOADER is the bundled interpreter/load.js; `../test` sets it.
import assert from "node:assert/strict";
import { test } from "node:test";

const { MILLSTREAM_LOADER } = process.env;
const { load, told } = MILLSTREAM_LOADER ? await import(MILLSTREAM_LOADER) : {};
const options = { skip: MILLSTREAM_LOADER ? false : "run by ../test" };

const loaded = (files, main = Object.keys(files)[0]) => {
  const encoder = new TextEncoder();
  return load(Object.entries(files).map(([path, text]) => ({ path, content: encoder.encode(text) })), main);
};
const refused = (files, main) => {
  try {
    loaded(files, main);
  } catch (error) {
    return told(error);
  }
  return assert.fail("it was loaded");
};
/** What a program that exports `process` by its main file gives. */
const run = (files, main) => loaded(files, main).process();
const program = (expression, before = "") =>
  `import { operator } from "millstream";\n${before}\nexport default operator({ process: () => ${expression} });\n`;

test("files import each other in every way there is", options, () => {
  const files = {
    "operator.js": program(
      "[rates.eu, twice(2), Named.name, all.twice(3), all.default.name, table.x, again(1), counter(), counter(), count, deep, quoted]",
      `import rates, { twice, Named } from "./lib/rates.js";
       import * as all from "./lib/rates";
       import table from "./table.json" with { type: "json" };
       import { twice as again, count, counter, deep, "a b" as quoted } from "./lib/index.js";`,
    ),
    "lib/rates.js": `
      export default class Rates { static eu = 1 }
      export const twice = (n) => helper(n) * 2, other = 1;
      export class Named {}
      function helper(n) { return n }`,
    "lib/index.js": `
      export * from "./rates.js";
      export let count = 0;
      export function counter() { count++; [count] = [count]; for (count of [count]); return count; }
      const local = "d"; export { local as deep, local as "a b" };`,
    "table.json": '{"x": 7}',
  };
  assert.deepEqual(run(files), [1, 4, "Named", 6, "Rates", 7, 2, 1, 2, 2, "d", "d"]);
});

test("modules that import each other see functions at once, and variables when they are there", options, () => {
  const files = {
    "operator.js": program("[fromB, a()]", 'import { fromB } from "./b.js"; import { a } from "./a.js";'),
    "a.js": 'import { b } from "./b.js"; export function a() { return "a" + b; } export const early = a;',
    "b.js": 'import { a } from "./a.js"; export const b = "b"; export const fromB = a();',
  };
  assert.deepEqual(run(files), ["ab", "ab"]);
});

test("exports of every form", options, () => {
  const of = (text) => {
    const main = program("[typeof x, x?.name]", 'import x from "./x.js";');
    return run({ "operator.js": main, "x.js": text, "z.js": "export default (class Z {}); export const z = 1" });
  };
  assert.deepEqual(of("export default function () {}")[0], "function");
  assert.deepEqual(of("export default async function* named() {}"), ["function", "named"]);
  assert.deepEqual(of("export default class {}")[0], "function");
  assert.deepEqual(of("let y; export default y = 5\nexport { y }"), ["number", undefined]);
  assert.deepEqual(of('#!/usr/bin/env node\nexport { default } from "./z.js"; export * as ns from "./z.js"'), ["function", "Z"]);
  assert.deepEqual(of('import * as all from "./z.js"; export { all as default }'), ["object", undefined]);
  assert.deepEqual(of('export { y as default };\nvar y = import.meta.url'), ["string", undefined]);
});

test("TypeScript loses its types and keeps its lines", options, () => {
  const files = {
    "operator.ts": `
import { operator, type Record } from "millstream";
import { Level } from "./level.js";
interface Payment { amount: number }
enum Colour { Red, Green = "g" }
abstract class Base<T> { constructor(protected readonly n: T) {} }
class Sub extends Base<bigint> { declare x: string; get() { return this.n!; } }
function thrower(payment: Payment): never { throw new TypeError(\`\${payment.amount as unknown}\`) }
const inner = <T,>(value: T): T => value satisfies T;
export default operator({ process: (): unknown => {
  try { thrower({ amount: 1 }) } catch (error) { return [Colour.Green, Level.High, new Sub(2n).get(), inner(3), (error as Error).stack] }
} });`,
    "level.ts": "export const enum Level { Low, High }",
  };
  const [green, high, n, three, stack] = run(files);
  assert.deepEqual([green, high, n, three], ["g", 1, 2n, 3]);
  assert.match(stack, /operator\.ts:8:\d+/);
  assert.match(stack, /operator\.ts:11:\d+/);
});

test("mistakes are told with file, line and column", options, () => {
  assert.match(refused({ "operator.js": "let a = 1;\nlet b = ;" }), /^operator\.js:2:9: Unexpected token\n {2}let b = ;\n {10}\^$/);
  assert.match(refused({ "operator.ts": "let a: number = 1;\nlet b: = 2;" }), /^operator\.ts:2:\d+: /);
  assert.match(refused({ "operator.ts": "\nnamespace A {\n export const x = 1 }" }), /^operator\.ts:2:1: a `namespace` of TypeScript is not supported/);
  const throwing = { "operator.js": 'import "./x.js";', "x.js": "const f = () => {\n  null.x;\n};\nf();" };
  assert.match(refused(throwing), /^x\.js:2:\d+: TypeError: .*\n {4}at f \(x\.js:2:\d+\)\n {4}at (?:eval \()?x\.js:4/s);
  assert.match(refused({ "operator.js": 'import { a } from "./x.js"', "x.js": "" }), /^operator\.js:1:19: `\.\/x\.js` does not export `a`/);
  assert.match(refused({ "operator.js": 'import a from "./x.js"', "x.js": "" }), /has no default export/);
  assert.match(refused({ "operator.js": '\n import "./y.js"' }), /^operator\.js:2:9: there is no file `\.\/y\.js`/);
  assert.match(refused({ "operator.js": 'import { a } from "./x.js"; a = 1', "x.js": "export let a" }), /`a` is imported/);
  assert.match(refused({ "operator.js": "await 1" }), /^operator\.js:1:1: /);
  assert.match(refused({ "operator.js": 'import x from "./x.json"', "x.json": "{}" }), /with \{ type: "json" \}/);
  assert.match(refused({ "operator.js": "" }), /`export default operator\(\{ \.\. \}\)` is missing/);
  assert.match(refused({ "operator.js": "export default {}" }), /must be made by operator/);
  assert.match(refused({ "operator.js": "" }, "other.js"), /`other\.js` is not among the files: operator\.js/);
  assert.match(refused({ "operator.jsx": "" }), /JSX is not supported/);
  const declaration = 'import { operator } from "millstream";\nexport default operator({ porcess() {} });';
  assert.match(refused({ "operator.js": declaration }), /^operator\.js:2:\d+: DeclarationError: operator: there is no member `porcess`/);
});

test("what is not there is refused where it is used", options, () => {
  const place = (text) => refused({ "operator.js": text });
  assert.match(place('import fs from "node:fs"'), /^operator\.js:1:16: `node:fs` is a module of Node\.js; an operator runs in a sandbox/);
  assert.match(place('import { join } from "path"'), /`path` is a module of Node\.js/);
  assert.match(place('import _ from "lodash"'), /the package `lodash` is not there: .*plugin build/);
  assert.match(place('import { Harness } from "millstream/testing"'), /is for tests/);
  assert.match(place('\nconst fs = require("fs")'), /^operator\.js:2:12: `require` is of CommonJS/);
  assert.match(place("const at = () => process.env.HOME"), /^operator\.js:1:18: `process` is an API of Node\.js/);
  assert.match(place("Buffer.from('')"), /`Buffer` is an API of Node\.js; use Uint8Array/);
  assert.match(place("setTimeout(() => {}, 1)"), /set a timer of the key/);
  assert.match(place('const x = await1(); async function await1() { return import("./x.js") }'), /nothing is loaded while/);
});

test("names that are the program's own, or looked for, are not refused", options, () => {
  const own = "const process = { env: 1 }; function f(Buffer) { return Buffer; } const o = { require: 1, fetch() {} };";
  assert.deepEqual(run({ "operator.js": program("[process.env, f(2), o.require, typeof window]", own) }), [1, 2, 1, "undefined"]);
  const looked = 'const home = typeof process === "undefined" ? "none" : process.env.HOME;';
  assert.ok(run({ "operator.js": program("home", looked) }));
});
