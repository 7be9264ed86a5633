/** What a program must not use since it is not there: said when it is loaded, with the place. */

import { declaredAnywhere, isReference, topLevelAwait, walk } from "./syntax.js";
import { at } from "./errors.js";

const SANDBOX = "an operator runs in a sandbox without a system under it";

/** Names that programs for other places expect. */
const FOREIGN = {
  process: `\`process\` is an API of Node.js; ${SANDBOX}`,
  Buffer: "`Buffer` is an API of Node.js; use Uint8Array, TextEncoder and TextDecoder",
  require: "`require` is of CommonJS; write `import`",
  module: "`module` is of CommonJS; write `export default`",
  exports: "`exports` is of CommonJS; write `export`",
  __dirname: `\`__dirname\` is an API of Node.js; ${SANDBOX}`,
  __filename: `\`__filename\` is an API of Node.js; ${SANDBOX}`,
  global: "`global` is of Node.js; write `globalThis`",
  setImmediate: "`setImmediate` is an API of Node.js; nothing waits in an operator",
  setTimeout: "`setTimeout` does nothing in an operator; set a timer of the key by ctx.setProcessingTimer",
  setInterval: "`setInterval` does nothing in an operator; set a timer of the key by ctx.setProcessingTimer",
  fetch: "`fetch` needs a network, and an operator has none",
  XMLHttpRequest: "`XMLHttpRequest` needs a network, and an operator has none",
  WebSocket: "`WebSocket` needs a network, and an operator has none",
  window: "`window` is of browsers; write `globalThis`",
  document: "`document` is of browsers, and not here",
  Deno: `\`Deno\` is an API of another runtime; ${SANDBOX}`,
  Bun: `\`Bun\` is an API of another runtime; ${SANDBOX}`,
};

const NODE_MODULES = new Set(
  (
    "assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain events fs " +
    "http http2 https inspector module net os path perf_hooks process punycode querystring readline repl stream " +
    "string_decoder sys timers tls tty url util v8 vm wasi worker_threads zlib"
  ).split(" "),
);

/** Refuses what a program uses that is not there. A name that the file looks for by `typeof` is its own matter. */
export function refuseForeign(path, source, program) {
  const declared = declaredAnywhere(program);
  const looked = new Set();
  const used = [];
  walk(program, (node, parent, key) => {
    if (node.type === "ImportExpression") {
      throw at(path, source, node.loc.start.line, node.loc.start.column, "`import(..)` is not there: nothing is loaded while an operator runs");
    }
    for (const specifier of node.type === "ImportDeclaration" ? node.specifiers : []) declared.add(specifier.local.name);
    if (node.type !== "Identifier" || !Object.hasOwn(FOREIGN, node.name) || !isReference(parent, key)) return;
    if (parent.type === "UnaryExpression" && parent.operator === "typeof") looked.add(node.name);
    else used.push(node);
  });
  const waits = topLevelAwait(program);
  if (waits !== undefined) {
    throw at(path, source, waits.loc.start.line, waits.loc.start.column, "`await` outside of a function: nothing waits while a program is loaded");
  }
  const first = used.find(({ name }) => !declared.has(name) && !looked.has(name));
  if (first !== undefined) throw at(path, source, first.loc.start.line, first.loc.start.column, FOREIGN[first.name]);
}

/** Why a module that is no file of the program cannot be imported. */
export function whyNotThere(specifier) {
  const name = specifier.replace(/^node:/, "").split("/")[0];
  if (specifier.startsWith("node:") || NODE_MODULES.has(name)) {
    return `\`${specifier}\` is a module of Node.js; ${SANDBOX}`;
  }
  if (specifier.startsWith("millstream/")) return `\`${specifier}\` is for tests, which run in Node.js`;
  if (/^[a-z]+:/.test(specifier)) return `\`${specifier}\` cannot be loaded: modules are files of the program`;
  return `the package \`${name}\` is not there: source alone has no packages; with it in the "dependencies" of package.json, \`millstream plugin build\` makes a component that has it`;
}
