/** Write operators of Millstream pipelines in JavaScript and TypeScript. */

export * from "./operator.js";
export * from "./state.js";
export * from "./types.js";
export * from "./windows.js";

/** The record in hand fails for this reason, told as it stands. Any other error is told with its stack. */
export class Failure extends Error {}
/** The batch in hand fails as a whole: for what is no record's fault. */
export class BatchFailure extends Error {}
/** Fails the record in hand. */
export function fail(reason: string): never;
/** Fails the record in hand unless a condition holds. */
export function ensure(condition: unknown, reason: string | (() => string)): asserts condition;

type Line = string | (() => string);
type Level = "trace" | "debug" | "info" | "warn" | "error";
/** The operator's log. A function is called only where the line is kept. */
export const log: { enabled(level: Level): boolean } & { readonly [L in Level]: (message: Line) => void };

/** A number that is written into JSON as a float: `1.0`. */
export function float(value: number): unknown;
/** The shortest text of a float that shows that it is one. */
export function formatFloat(value: number): string;
/** `JSON.parse` with `bigint` for integers beyond 2^53. */
export function parseExact(text: string): any;
/** `JSON.stringify` that writes `bigint` as the integer that it is. */
export function stringify(value: unknown): string | undefined;
