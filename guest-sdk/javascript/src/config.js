/** The configuration of a step. */

import { DeclarationError, Failure } from "./errors.js";
import { stringify } from "./json.js";
import { Type } from "./types.js";
import { headline } from "./errors.js";

/** Checks the declaration `config: { goal: integer, label: utf8.optional }`. */
export function checkConfigFields(fields) {
  for (const [name, type] of Object.entries(fields ?? {})) {
    if (!(type instanceof Type) || type.schema === undefined) {
      throw new DeclarationError(`config: \`${name}\` must be a type that JSON has, such as utf8, integer or json()`);
    }
  }
}

/** The JSON Schema that the host publishes, as text: the one that is given, or that of the declared fields. */
export function schemaOf({ configSchema, config }) {
  if (configSchema !== undefined) return typeof configSchema === "string" ? configSchema : stringify(configSchema);
  if (config === undefined) return undefined;
  const fields = Object.entries(config);
  return stringify({
    type: "object",
    properties: Object.fromEntries(fields.map(([name, type]) => [name, type.schema])),
    required: fields.filter(([, type]) => !type.isOptional).map(([name]) => name),
    additionalProperties: false,
  });
}

/**
 * Reads the configuration, hands it to `configure` and returns what that made of it. Throws the reason, a text, where
 * it is refused.
 */
export function configured(text, definition) {
  const trimmed = text.trim();
  const given = trimmed === "" || trimmed === "null" ? {} : JSON.parse(trimmed);
  try {
    const config = definition.config === undefined ? given : readFields(given, definition.config);
    if (definition.configure === undefined) {
      if (definition.config === undefined) refuseAll(given);
      return config;
    }
    return definition.configure(config) ?? config;
  } catch (error) {
    if (error instanceof Refused) throw new Failure(`the configuration is refused: ${error.message}`);
    throw error instanceof Failure ? error : new Failure(headline(error), { cause: error });
  }
}

class Refused extends Error {}

function refuseAll(given) {
  const [first] = Object.keys(given);
  if (first !== undefined) throw new Refused(`there is none, and \`${first}\` is given`);
}

function readFields(given, fields) {
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new Refused("it must be an object");
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(fields, name)) {
      throw new Refused(`unknown member \`${name}\`, expected one of ${Object.keys(fields).map((known) => `\`${known}\``).join(", ")}`);
    }
  }
  const config = {};
  for (const [name, type] of Object.entries(fields)) {
    const value = given[name] ?? undefined;
    if (value === undefined) {
      if (!type.isOptional) throw new Refused(`member \`${name}\` is missing`);
      continue;
    }
    // JSON has one kind of integer.
    const read = type.name.endsWith("int64") && Number.isSafeInteger(value) ? BigInt(value) : value;
    try {
      type.check(read, `member \`${name}\``);
    } catch (error) {
      throw new Refused(error.message);
    }
    config[name] = read;
  }
  return config;
}
