/** Typed columns as the host makes them of JSON, and JSON as it makes it of them. */

import { Column } from "../column.js";
import { fieldsOf } from "../definition.js";
import { parseExact, stringify } from "../json.js";
import { decode } from "../text.js";
import { TypedColumn } from "../typed_input.js";
import { TypedRows, typedColumn } from "../typed_output.js";
import { int64 } from "../types.js";

const names = (path) => path.slice(1).split("/").map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));

/** The value at a path; `undefined` where there is none. */
function at(value, path) {
  return names(path).reduce((found, name) => (typeof found === "object" && found !== null ? found[name] : undefined), value);
}

const READ = {
  float64: (value) => (typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined),
  int64: (value) => (typeof value === "bigint" || Number.isInteger(value) ? BigInt.asIntN(64, BigInt(value)) : undefined),
  utf8: (value) => (typeof value === "string" ? value : undefined),
  boolean: (value) => (typeof value === "boolean" ? value : undefined),
  bytes: (value) => stringify(value),
};

/**
 * Decodes the declared fields of the records of a batch. Returns the columns, the rows that have them all, and the
 * failures of the others.
 */
export function decoded(definition, batch) {
  const fields = fieldsOf(definition.reads);
  const [kept, failed, rows] = [[], [], []];
  [...new Column(batch.values)].forEach((value, row) => {
    try {
      const record = value === null ? undefined : parseExact(decode(value));
      rows.push(fields.map(({ path, type }) => fieldOf(record, path, type)));
      kept.push(row);
    } catch (error) {
      failed.push({ record: row, reason: error.message });
    }
  });
  const columns = fields.map(({ path, type }, index) => typedColumn(path, asRead(type), rows.map((values) => values[index])));
  return { columns, kept, failed };
}

/** The type of what is read of a field: an `integer` may be beyond what numbers hold. */
function asRead(type) {
  if (type.name !== "integer") return type;
  return type.isOptional ? int64.optional : int64;
}

function fail(reason) {
  throw new Error(reason);
}

function fieldOf(record, path, type) {
  const found = at(record, path);
  if (found === undefined || found === null) {
    if (type.isOptional) return null;
    const why = record === undefined ? ": the record is a tombstone and has no value" : "";
    throw new Error(found === null ? `${path} is null` : `${path} is missing${why}`);
  }
  return READ[type.kind](found) ?? fail(`${path} is no ${type.kind}`);
}

/** The values of records that were emitted as typed columns. */
export function encoded(definition, batch) {
  const fields = fieldsOf(definition.writes);
  const columns = fields.map(({ type }, index) => new TypedColumn(batch.columns[index], type, batch.count));
  const typed = new TypedRows(fields);
  return Array.from({ length: batch.count }, (_, row) => {
    typed.set(row, Object.fromEntries(fields.map(({ name }, index) => [name, columns[index].get(row)])));
    return typed.json(row);
  });
}
