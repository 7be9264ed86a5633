/** How states are declared: `state: { spend: value.float64({ ttl: "7d" }), seen: map(utf8, int64) }`. */

import { durationMs } from "../duration.js";
import { DeclarationError } from "../errors.js";
import { TYPES, Type, isFieldType, json } from "../types.js";

const OPTIONS = ["ttl", "version", "prefetch", "name"];

/** What is declared of a state. */
export class StateDeclaration {
  constructor(kind, type, fieldType, options = {}) {
    for (const name of Object.keys(options)) {
      if (!OPTIONS.includes(name)) throw new DeclarationError(`\`${name}\` is no option of a state: ${OPTIONS.join(", ")}`);
    }
    const { version = 1, prefetch = kind === "value" } = options;
    if (!Number.isInteger(version) || version < 0 || version > 0xffffffff) {
      throw new DeclarationError(`the version of a state must be a small integer, and is ${version}`);
    }
    if (prefetch && kind !== "value") throw new DeclarationError(`prefetch is for value states, and not for a ${kind}`);
    this.kind = kind;
    this.type = type;
    this.fieldType = fieldType;
    this.version = version;
    this.ttlMs = options.ttl === undefined ? undefined : durationMs(options.ttl, "the ttl of a state");
    this.prefetch = prefetch;
    this.storedName = options.name;
  }

  /** As the host takes it. */
  contract(name) {
    return {
      name: this.storedName ?? name,
      kind: this.kind,
      schemaVersion: this.version,
      ttlMs: this.ttlMs === undefined ? undefined : BigInt(this.ttlMs),
      prefetch: this.prefetch,
    };
  }
}

function typed(type, what) {
  if (!(type instanceof Type)) throw new DeclarationError(`${what} must be a type such as int64, utf8 or json()`);
  return type;
}

/** One value for each key. */
export function value(type, options) {
  return new StateDeclaration("value", typed(type, "what a value state holds"), undefined, options);
}

/** A map from fields to values for each key, ordered by field. */
export function map(fieldType, type, options) {
  if (!isFieldType(typed(fieldType, "what names the fields of a map state"))) {
    throw new DeclarationError(`the fields of a map are texts, bytes or integers, and not ${fieldType.name}`);
  }
  return new StateDeclaration("map", typed(type, "what a map state holds"), fieldType, options);
}

/** An append-only list for each key. */
export function list(type, options) {
  return new StateDeclaration("list", typed(type, "what a list state holds"), undefined, options);
}

for (const [name, type] of Object.entries(TYPES)) {
  value[name] = (options) => value(type, options);
  list[name] = (options) => list(type, options);
}
value.json = (options) => value(json(), options);
list.json = (options) => list(json(), options);
