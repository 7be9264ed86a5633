/** What a program exports by default: the definition of an operator, or of a part of a window step. */

import { checkConfigFields, schemaOf } from "./config.js";
import { DeclarationError } from "./errors.js";
import { StateDeclaration } from "./state/declare.js";
import { Type } from "./types.js";

const NAME = /^[a-z][a-z0-9_-]*$/;
/** Marks definitions, so that two copies of this package know each other's. */
const MARK = Symbol.for("millstream.definition");

/** Members of every definition. */
const COMMON = ["config", "configure", "configSchema"];

/** Members of each kind, of which those with a `!` must be there and those with `()` are functions. */
const KINDS = {
  operator: ["process()", "columns()", "onTimer()", "outputs", "state", "reads", "writes", "rawValues", "timers"],
  aggregator: ["accumulator!", "version", "create()", "add()!", "merge()!", "retract()", "result()!"],
  "window-assigner": ["assign()!", "merges"],
  trigger: ["state", "version", "onElement()!", "onEventTime()", "onProcessingTime()", "onMerge()"],
  "process-window": ["begin()", "element()!", "end()"],
  "watermark-generator": ["state", "every", "onRecord()!", "onTime()"],
};

/** Marks a definition of a kind after a look at its members. */
export function define(world, definition) {
  if (typeof definition !== "object" || definition === null) {
    throw new DeclarationError(`${world}: an object with the members of the ${world} is expected`);
  }
  const members = KINDS[world].map((member) => ({
    name: member.replace(/[()!]/g, ""),
    isFunction: member.includes("()"),
    isNeeded: member.endsWith("!"),
  }));
  const known = [...members.map(({ name }) => name), ...COMMON];
  for (const name of Object.keys(definition)) {
    if (!known.includes(name)) {
      throw new DeclarationError(`${world}: there is no member \`${name}\`; there are ${known.map((one) => `\`${one}\``).join(", ")}`);
    }
  }
  for (const { name, isFunction, isNeeded } of members) {
    const member = definition[name];
    if (member === undefined && isNeeded) throw new DeclarationError(`${world}: the member \`${name}\` is missing`);
    if (member !== undefined && isFunction) checkFunction(world, name, member);
  }
  if (definition.configure !== undefined) checkFunction(world, "configure", definition.configure);
  checkConfigFields(definition.config);
  if (world === "operator") checkOperator(definition);
  return Object.freeze({ ...definition, [MARK]: world });
}

/** The world that a definition is of; `undefined` for what is none. */
export function worldOf(definition) {
  return typeof definition === "object" && definition !== null ? definition[MARK] : undefined;
}

function checkFunction(world, name, member) {
  if (typeof member !== "function") throw new DeclarationError(`${world}: \`${name}\` must be a function`);
  if (["AsyncFunction", "GeneratorFunction", "AsyncGeneratorFunction"].includes(member.constructor.name)) {
    throw new DeclarationError(`${world}: \`${name}\` must be a plain function: nothing waits, and there is nothing to wait for`);
  }
}

function checkOperator({ process, columns, outputs = ["main"], state = {}, reads = {}, writes = {}, onTimer, timers }) {
  if ((process === undefined) === (columns === undefined)) {
    throw new DeclarationError("operator: it has either `process`, for single records, or `columns`, for whole batches");
  }
  if (!Array.isArray(outputs) || outputs.length === 0) throw new DeclarationError("operator: `outputs` must name one at least");
  const wrong = outputs.find((name) => typeof name !== "string" || !NAME.test(name));
  if (wrong !== undefined) throw new DeclarationError(`operator: output \`${wrong}\` is not named as ${NAME.source} says`);
  if (new Set(outputs).size < outputs.length) throw new DeclarationError("operator: an output is named twice");
  for (const [name, declaration] of Object.entries(state)) {
    if (!(declaration instanceof StateDeclaration)) {
      throw new DeclarationError(`operator: state \`${name}\` must be declared by value(..), map(..) or list(..)`);
    }
    if (!NAME.test(declaration.storedName ?? name)) {
      throw new DeclarationError(`operator: state \`${name}\` is not named as ${NAME.source} says; give it another \`name\``);
    }
  }
  checkFields("reads", reads);
  checkFields("writes", writes);
  if (timers === true && onTimer === undefined) throw new DeclarationError("operator: timers need `onTimer`");
}

function checkFields(what, fields) {
  for (const [name, type] of Object.entries(fields)) {
    if (!(type instanceof Type) || type.kind === undefined) {
      throw new DeclarationError(`operator: ${what}: \`${name}\` must be a field type such as utf8, float64 or int64`);
    }
    if (type.path !== undefined && !/^\/./.test(type.path)) {
      throw new DeclarationError(`operator: ${what}: the path of \`${name}\` must begin with \`/\`, and is \`${type.path}\``);
    }
  }
}

/** Declared fields: name, path and type of each. */
export function fieldsOf(fields = {}) {
  return Object.entries(fields).map(([name, type]) => {
    const path = type.path ?? `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return { name, path, type };
  });
}

/** What the host is told of an operator. */
export function descriptionOf(definition) {
  const contract = ({ path, type }) => ({ path, kind: type.kind, optional: type.isOptional });
  return {
    outputs: definition.outputs ?? ["main"],
    states: Object.entries(definition.state ?? {}).map(([name, state]) => state.contract(name)),
    reads: fieldsOf(definition.reads).map(contract),
    writes: fieldsOf(definition.writes).map(contract),
    rawValues: definition.rawValues ?? false,
    timers: definition.onTimer !== undefined,
    configSchema: schemaOf(definition),
  };
}

/** Defines an operator: `export default operator({ process(record, ctx) { .. } })`. */
export const operator = (definition) => define("operator", definition);
