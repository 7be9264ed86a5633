/**
 * Turns the text of an ES module into a function that can be evaluated, line for line.
 *
 * The function is a generator: up to its `yield`, functions are there and can be exported, as modules that import each
 * other need it; after it, the module's own code runs. Imported names are variables of the function, which the loader
 * sets whenever the module that they come from changes them.
 */

import { parse } from "acorn";

import { at } from "./errors.js";
import { refuseForeign } from "./foreign.js";
import { declaredAnywhere, declaredBy, namesIn, walk } from "./syntax.js";

/** Where code was before, and nothing is now: lines stay. */
const blank = (text) => text.replace(/[^\n]/g, " ");
const nameOf = (node) => node.name ?? node.value;

/** Parses a module; throws with the place. */
export function parsed(path, source) {
  try {
    return parse(source, {
      ecmaVersion: "latest",
      sourceType: "module",
      locations: true,
      allowHashBang: true,
    });
  } catch (error) {
    if (error.loc === undefined) throw error;
    throw at(path, source, error.loc.line, error.loc.column, error.message.replace(/ \(\d+:\d+\)$/, ""));
  }
}

/**
 * What a module imports and exports, and the text of its function.
 *
 * `requests`: `{ specifier, type, names: [{ imported, local }], line, column }`, where `imported` may be `*`.
 * `exports`: by name the local variable. `forwarded`: `{ specifier, imported, exported, .. }`, with `*` for all.
 */
export function transformed(path, source) {
  const program = parsed(path, source);
  refuseForeign(path, source, program);
  let own = "$m";
  while (source.includes(own)) own += "_";
  return new Transform(path, source, program, own).run();
}

class Transform {
  constructor(path, source, program, own) {
    this.path = path;
    this.source = source;
    this.program = program;
    /** The name of what the loader passes, which the source does not use. */
    this.own = own;
    this.edits = [];
    this.requests = [];
    this.forwarded = [];
    this.exports = new Map();
    this.changeable = new Set();
  }

  run() {
    for (const node of this.program.body) this.statement(node);
    this.expressions();
    const locals = this.requests.flatMap(({ names }) => names.map(({ local }) => local));
    const imports = locals.map((local, at) => `($)=>{${local}=$}`);
    const exported = [...this.exports].map(([name, local]) => `${JSON.stringify(name)}:()=>${local}`);
    const head =
      `(function*(${this.own}){"use strict";${locals.length > 0 ? `let ${locals.join(",")};` : ""}` +
      `${this.own}.start([${imports.join(",")}],{__proto__:null,${exported.join(",")}});yield;`;
    const code = `${head}${this.edited()}\n})\n//# sourceURL=${this.path}`;
    return { requests: this.requests, forwarded: this.forwarded, exports: [...this.exports.keys()], code };
  }

  edit(start, end, text, order = this.edits.length) {
    this.edits.push({ start, end, text, order });
  }

  remove({ start, end }) {
    this.edit(start, end, blank(this.source.slice(start, end)));
  }

  /** The source with the edits in it. */
  edited() {
    let [text, from] = ["", 0];
    this.edits.sort((one, other) => one.start - other.start || one.end - other.end || one.order - other.order);
    for (const { start, end, text: replacement } of this.edits) {
      text += this.source.slice(from, start) + replacement;
      from = Math.max(from, end);
    }
    // What is before a hash bang's line is no comment any more.
    return (text + this.source.slice(from)).replace(/^#!/, "//");
  }

  request(node) {
    const type = node.attributes?.find(({ key }) => nameOf(key) === "type")?.value.value;
    const { line, column } = node.source.loc.start;
    const request = { specifier: node.source.value, type, names: [], line, column };
    this.requests.push(request);
    return request;
  }

  statement(node) {
    switch (node.type) {
      case "ImportDeclaration": {
        const request = this.request(node);
        for (const { type, imported, local } of node.specifiers) {
          const name = type === "ImportSpecifier" ? nameOf(imported) : type === "ImportDefaultSpecifier" ? "default" : "*";
          request.names.push({ imported: name, local: local.name });
        }
        return this.remove(node);
      }
      case "ExportAllDeclaration": {
        const { specifier } = this.request(node);
        this.forwarded.push({ specifier, imported: "*", exported: node.exported && nameOf(node.exported) });
        return this.remove(node);
      }
      case "ExportNamedDeclaration":
        return this.named(node);
      case "ExportDefaultDeclaration":
        return this.defaulted(node);
    }
  }

  named(node) {
    if (node.declaration) {
      for (const name of declaredBy(node.declaration)) {
        this.exports.set(name, name);
        if (node.declaration.kind !== "const") this.changeable.add(name);
      }
      this.edit(node.start, node.declaration.start, blank(this.source.slice(node.start, node.declaration.start)));
      if (node.declaration.type !== "FunctionDeclaration") this.edit(node.end, node.end, `;${this.own}.sync();`);
      return;
    }
    const request = node.source ? this.request(node) : undefined;
    for (const { local, exported } of node.specifiers) {
      if (request === undefined) {
        this.exports.set(nameOf(exported), nameOf(local));
        this.changeable.add(nameOf(local));
      } else {
        this.forwarded.push({ specifier: request.specifier, imported: nameOf(local), exported: nameOf(exported) });
      }
    }
    this.remove(node);
  }

  defaulted(node) {
    const { declaration } = node;
    const isFunction = declaration.type === "FunctionDeclaration";
    const sync = `;${this.own}.sync();`;
    if (isFunction || declaration.type === "ClassDeclaration") {
      const local = declaration.id?.name ?? `${this.own}default`;
      this.exports.set("default", local);
      this.edit(node.start, declaration.start, blank(this.source.slice(node.start, declaration.start)));
      if (!declaration.id) {
        const text = this.source.slice(declaration.start, declaration.end);
        const head = declaration.start + /^(?:async\s+)?(?:function\s*\*?|class)/.exec(text)[0].length;
        this.edit(head, head, ` ${local} `);
      }
      if (!isFunction) this.edit(node.end, node.end, sync);
      return;
    }
    const local = `${this.own}default`;
    this.exports.set("default", local);
    // Parentheses around the expression are no part of it.
    const keywords = node.start + /^export(?:\s|\/\*.*?\*\/|\/\/.*\n)+default/s.exec(this.source.slice(node.start))[0].length;
    const before = blank(this.source.slice(node.start, keywords)).replace(/^ +/, "");
    this.edit(node.start, keywords, `const ${local}=${before}`);
    this.edit(node.end, node.end, sync);
  }

  /** Has changes of exported variables told, refuses those of imported ones, and replaces `import.meta`. */
  expressions() {
    const imported = new Set(this.requests.flatMap(({ names }) => names.map(({ local }) => local)));
    const shadowed = declaredAnywhere(this.program);
    const changes = (pattern, node) => {
      const names = namesIn(pattern);
      const constant = names.find((name) => imported.has(name) && !shadowed.has(name));
      if (constant !== undefined) {
        const { line, column } = node.loc.start;
        throw at(this.path, this.source, line, column, `\`${constant}\` is imported, and cannot be assigned to`);
      }
      return names.some((name) => this.changeable.has(name));
    };
    const tell = (node) => {
      this.edit(node.start, node.start, `${this.own}.sync((`);
      // Before what follows the statement that it ends.
      this.edit(node.end, node.end, "))", -1);
    };
    walk(this.program, (node) => {
      if (node.type === "AssignmentExpression" && changes(node.left, node)) tell(node);
      if (node.type === "UpdateExpression" && changes(node.argument, node)) tell(node);
      if (/^For(In|Of)Statement$/.test(node.type) && node.left.type !== "VariableDeclaration" && changes(node.left, node)) {
        this.edit(node.body.start, node.body.start, `{${this.own}.sync();`);
        this.edit(node.body.end, node.body.end, "}");
      }
      if (node.type === "MetaProperty" && node.meta.name === "import") this.edit(node.start, node.end, `${this.own}.meta`);
    });
  }
}
