/** Loads a program of several files: finds what they import, links them and runs them, as ES modules are. */

import { ProgramError, at, thrown } from "./errors.js";
import { whyNotThere } from "./foreign.js";
import { transformed } from "./transform.js";
import { isTypeScript, withoutTypes } from "./typescript.js";

/** An exported variable, and who is to be told when it changes. */
class Cell {
  value = undefined;
  #setters = [];

  follow(setter) {
    this.#setters.push(setter);
    setter(this.value);
  }

  set(value) {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const setter of this.#setters) setter(value);
  }
}

/** A module whose exports are there already. */
class ReadyModule {
  constructor(path, exports) {
    this.path = path;
    this.cells = new Map();
    for (const [name, value] of Object.entries(exports)) {
      const cell = new Cell();
      cell.set(value);
      this.cells.set(name, cell);
    }
  }

  resolve(name) {
    return this.cells.get(name);
  }

  names() {
    return [...this.cells.keys()];
  }

  link() {}
  evaluate() {}
}

/** A file of the program. */
class SourceModule {
  #setters = [];
  #getters = {};
  #body;
  #state = "new";

  constructor(path, source) {
    this.path = path;
    this.source = source;
    const text = isTypeScript(path) ? withoutTypes(path, source) : source;
    const { requests, forwarded, exports, code } = transformed(path, text);
    this.requests = requests;
    this.forwarded = forwarded;
    this.cells = new Map(exports.map((name) => [name, new Cell()]));
    this.code = code;
  }

  /** Makes the functions of the module, without running its code. */
  instantiate() {
    let make;
    try {
      make = (0, eval)(this.code);
    } catch (error) {
      throw new ProgramError(`${this.path}: ${error.name}: ${error.message}`);
    }
    this.#body = make({
      meta: Object.freeze({ url: this.path }),
      start: (setters, getters) => {
        this.#setters = setters;
        this.#getters = getters;
      },
      sync: (value) => {
        this.sync();
        return value;
      },
    });
    this.#body.next();
    this.sync();
  }

  /** Tells the exported variables to those that import them. */
  sync() {
    for (const [name, cell] of this.cells) {
      let value;
      try {
        value = this.#getters[name]();
      } catch {
        // Not there yet.
        continue;
      }
      cell.set(value);
    }
  }

  /** The variable that is exported under a name; `undefined` where there is none. */
  resolve(name, asked = new Set()) {
    if (this.cells.has(name)) return this.cells.get(name);
    if (asked.has(this)) return undefined;
    asked.add(this);
    const direct = this.forwarded.find(({ exported }) => exported === name);
    if (direct !== undefined) {
      const { module, imported } = direct;
      return imported === "*" ? namespaceCell(module) : module.resolve(imported, asked);
    }
    if (name === "default") return undefined;
    const all = this.forwarded.filter(({ imported, exported }) => imported === "*" && !exported);
    const found = new Set(all.map(({ module }) => module.resolve(name, asked)).filter((cell) => cell !== undefined));
    return found.size === 1 ? [...found][0] : undefined;
  }

  /** All names that are exported. */
  names(asked = new Set()) {
    if (asked.has(this)) return [];
    asked.add(this);
    const names = new Set([...this.cells.keys(), ...this.forwarded.flatMap(({ exported }) => exported ?? [])]);
    for (const { module, imported, exported } of this.forwarded) {
      if (imported !== "*" || exported) continue;
      for (const name of module.names(asked)) if (name !== "default") names.add(name);
    }
    return [...names].sort();
  }

  /** Ties what is imported to what is exported. */
  link() {
    let at = 0;
    for (const request of this.requests) {
      for (const { imported } of request.names) {
        const setter = this.#setters[at++];
        if (imported === "*") setter(namespaceCell(request.module).value);
        else this.exported(request, imported).follow(setter);
      }
    }
    for (const { module, imported, request } of this.forwarded) if (imported !== "*") this.exported(request, imported, module);
  }

  exported(request, name, module = request.module) {
    const cell = module.resolve(name);
    if (cell !== undefined) return cell;
    const what = name === "default" ? "has no default export" : `does not export \`${name}\``;
    throw at(this.path, this.source, request.line, request.column, `\`${request.specifier}\` ${what}`);
  }

  /** Runs the module after those that it imports. */
  evaluate() {
    if (this.#state !== "new") return;
    this.#state = "begun";
    for (const { module } of this.requests) module.evaluate();
    try {
      this.#body.next();
    } catch (error) {
      throw thrown(this.path, error);
    }
    this.sync();
  }
}

function namespaceCell(module) {
  if (module.namespace === undefined) {
    const object = Object.create(null, { [Symbol.toStringTag]: { value: "Module" } });
    module.namespace = new Cell();
    module.namespace.set(object);
    for (const name of module.names()) {
      const cell = module.resolve(name);
      if (cell !== undefined) Object.defineProperty(object, name, { enumerable: true, get: () => cell.value });
    }
    Object.preventExtensions(object);
  }
  return module.namespace;
}

const ENDINGS = ["", ".js", ".ts", ".mjs", ".mts", "/index.js", "/index.ts"];

/** The files of a program. */
export class Program {
  #modules = new Map();

  /** `files`: texts by path. `packages`: what may be imported by name. */
  constructor(files, packages) {
    this.files = files;
    this.packages = new Map(Object.entries(packages).map(([name, exports]) => [name, new ReadyModule(name, exports)]));
  }

  /** Runs the program and returns what its main file exports by default. */
  run(main) {
    const path = normalised(main);
    if (!this.files.has(path)) throw new ProgramError(`\`${main}\` is not among the files: ${[...this.files.keys()].join(", ")}`);
    const module = this.#load(path);
    const sources = [...this.#modules.values()].filter((one) => one instanceof SourceModule);
    for (const one of sources) one.instantiate();
    for (const one of sources) one.link();
    module.evaluate();
    const exported = module.resolve("default");
    if (exported === undefined) {
      throw new ProgramError(`${path}: \`export default operator({ .. })\` is missing: the main file exports what it defines`);
    }
    return exported.value;
  }

  #load(path) {
    const known = this.#modules.get(path);
    if (known !== undefined) return known;
    if (/\.[jt]sx$/.test(path)) throw new ProgramError(`${path}: JSX is not supported`);
    if (/\.c[jt]s$/.test(path)) throw new ProgramError(`${path}: CommonJS is not supported; write an ES module`);
    const source = this.files.get(path);
    const module = path.endsWith(".json") ? jsonModule(path, source) : new SourceModule(path, source);
    this.#modules.set(path, module);
    for (const request of module.requests ?? []) request.module = this.#requested(module, request);
    for (const forward of module.forwarded ?? []) {
      forward.request = module.requests.find(({ specifier }) => specifier === forward.specifier);
      forward.module = forward.request.module;
    }
    return module;
  }

  #requested(module, { specifier, type, line, column }) {
    const refuse = (reason) => at(module.path, module.source, line, column, reason);
    const ready = this.packages.get(specifier);
    if (ready !== undefined) return ready;
    if (!/^\.{0,2}\//.test(specifier)) throw refuse(whyNotThere(specifier));
    const path = this.#find(specifier.startsWith("/") ? specifier.slice(1) : `${module.path}/../${specifier}`);
    if (path === undefined) throw refuse(`there is no file \`${specifier}\``);
    if (path.endsWith(".json") !== (type === "json")) {
      throw refuse(`a file of JSON, and no other, is imported by \`import .. from "${specifier}" with { type: "json" }\``);
    }
    return this.#load(path);
  }

  #find(path) {
    const base = normalised(path);
    // TypeScript has files named by what they would be compiled to.
    const candidates = [...ENDINGS.map((ending) => base + ending), base.replace(/\.(m?)js$/, ".$1ts")];
    return candidates.find((candidate) => this.files.has(candidate));
  }
}

function jsonModule(path, source) {
  try {
    return new ReadyModule(path, { default: JSON.parse(source) });
  } catch (error) {
    throw new ProgramError(`${path}: ${error.message}`);
  }
}

/** A path without `.` and `..`. */
export function normalised(path) {
  const parts = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
