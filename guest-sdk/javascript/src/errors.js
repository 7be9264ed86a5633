/** Why records and batches fail. */

/**
 * The record in hand fails for this reason, which is told as it stands. Any other error that an operator throws fails
 * the record too, and is told with its stack: it was not expected.
 */
export class Failure extends Error {
  name = "Failure";
}

/** The batch in hand fails as a whole: for what is no record's fault. The host then tries smaller batches. */
export class BatchFailure extends Error {
  name = "BatchFailure";
}

/** A program that declares what cannot be. Thrown while it is loaded. */
export class DeclarationError extends Error {
  name = "DeclarationError";
}

/** Fails the record in hand: a lower-case clause without a full stop. */
export function fail(reason) {
  throw new Failure(reason);
}

/** Fails the record in hand unless a condition holds. */
export function ensure(condition, reason) {
  if (!condition) throw new Failure(typeof reason === "function" ? reason() : reason);
}

/** What is told of a caught error: the reason of a failure, or name, message and stack of anything else. */
export function reasonOf(error) {
  if (error instanceof Failure || error instanceof BatchFailure) return error.message;
  if (!(error instanceof Error)) return `uncaught: ${describe(error)}`;
  const stack = frames(error.stack ?? "");
  return stack.length > 0 ? `${headline(error)}\n${stack.join("\n")}` : headline(error);
}

/** Name, message and the causes behind them, on one line. */
export function headline(error) {
  if (!(error instanceof Error)) return describe(error);
  const line = error.message ? `${error.name}: ${error.message}` : error.name;
  return error.cause === undefined ? line : `${line}: ${headline(error.cause)}`;
}

function describe(value) {
  try {
    return typeof value === "string" ? value : `${JSON.stringify(value) ?? String(value)}`;
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** Files of the SDK and of the interpreter, which say nothing to whoever wrote the operator. */
const INTERNAL = /(?:^|[/@( ])(?:node:|millstream:|millstream-sdk\.m?js|initializer\.js)|\/millstream\/src\/|guest-sdk\/javascript\/(?:src|interpreter)\/|> eval\b/;

/** The frames of a stack that are the program's own, the innermost first, in one form whatever the engine. */
export function frames(stack) {
  const found = [];
  for (const line of stack.split("\n")) {
    const frame = frameOf(line);
    if (frame !== undefined && !INTERNAL.test(frame.file)) {
      found.push(`    at ${frame.name ? `${frame.name} (${frame.file})` : frame.file}`);
    }
  }
  return found.slice(0, 20);
}

/** `name@file:line:column` as SpiderMonkey writes it, or `at name (file:line:column)` as V8 does. */
function frameOf(line) {
  let match = /^\s*at (?:(.*?) \()?(.*?:\d+:\d+)\)?$/.exec(line);
  match ??= /^(.*?)@(.*:\d+:\d+)$/.exec(line);
  return match === null ? undefined : { name: match[1] ?? "", file: match[2] };
}
