/** Operators. */

import type { Handles, States } from "./state.js";
import type { Fields, Read, Type, Write } from "./types.js";

/** The input's value, untouched. */
export const same: unique symbol;
/** The index of records without a key in `batch.groups`. */
export const NO_KEY: number;

export type Headers =
  | Iterable<readonly [string, string | Uint8Array | null]>
  | { readonly [name: string]: string | Uint8Array | null };

/** What an emitted record has otherwise than the input. */
export interface EmitOptions {
  /** `null`: no key. */
  key?: string | Uint8Array | null;
  timestampMs?: number | bigint;
  /** Headers after those of the input. */
  headers?: Headers;
  /** `false`: without the input's headers. */
  keepHeaders?: boolean;
}

/** One record of the batch in hand: a place that moves on when the call is over. */
export interface Record {
  readonly key: Uint8Array | null;
  /** `null`: a tombstone. */
  readonly value: Uint8Array | null;
  /** Event time, milliseconds since 1970. */
  readonly timestampMs: number;
  /** These fail the record where there is no such thing. */
  keyText(): string;
  bytes(): Uint8Array;
  text(): string;
  /** Integers beyond 2^53 are rounded, as by `JSON.parse`. */
  json<T = any>(): T;
  /** Integers beyond 2^53 are `bigint`. */
  jsonExact<T = any>(): T;
  headers(): [string, Uint8Array | null][];
  /** The value of the last header of this name. */
  header(name: string): Uint8Array | null | undefined;
  headerText(name: string): string | null | undefined;
}

export interface Timer {
  readonly name: string;
  readonly domain: "event" | "processing";
  readonly key: Uint8Array;
  readonly timeMs: number;
  keyText(): string;
}

/** What may be emitted: text and bytes as they are, `null` as a tombstone, `same`, and anything else as JSON. */
export type Emittable<W extends Fields> = string | Uint8Array | null | typeof same | (string extends keyof W ? unknown : {} extends W ? unknown : Write<W>);

export interface Context<Config, O extends string, S extends States, W extends Fields> {
  readonly config: Config;
  readonly state: Handles<S>;
  emit(value: Emittable<W>, options?: EmitOptions): void;
  emitTo(output: O, value: Emittable<W>, options?: EmitOptions): void;
  setEventTimer(name: string, timeMs: number | bigint): void;
  setProcessingTimer(name: string, timeMs: number | bigint): void;
  deleteEventTimer(name: string): void;
  deleteProcessingTimer(name: string): void;
  /** Processing time, the same for all records of a batch. */
  readonly nowMs: number;
  readonly watermarkMs: number | undefined;
  randomU64(): bigint;
  random(): number;
  counter(name: string): { add(delta?: number): void };
  gauge(name: string): { set(value: number): void };
  histogram(name: string): { record(value: number): void };
}

type ArrayOf<T> = T extends Type<number, any> ? Float64Array : T extends Type<bigint, any> ? BigInt64Array
  : T extends Type<boolean, any> ? Uint8Array : T extends Type<infer V, any> ? (V | undefined)[] : never;

export interface TypedColumn<T> {
  readonly length: number;
  readonly hasNulls: boolean;
  /** All values; arrays of numbers have zeros for nulls. */
  readonly values: ArrayOf<T>;
  isNull(row: number): boolean;
  get(row: number): T extends Type<infer V, any> ? V | undefined : never;
}

export interface BytesColumn extends Iterable<Uint8Array | null> {
  readonly length: number;
  get(row: number): Uint8Array | null;
}

export interface BatchEmitOptions<O extends string> {
  /** The records that the rows come of, ascending; all unless given. */
  rows?: ArrayLike<number>;
  output?: O;
}

/** A whole batch as columns. */
export interface Batch<O extends string, R extends Fields, W extends Fields> {
  readonly length: number;
  readonly columns: { readonly [K in keyof R]: TypedColumn<R[K]> };
  readonly keys: BytesColumn;
  readonly values: BytesColumn;
  readonly groups: Uint32Array;
  fail(row: number, reason: string): void;
  hasFailed(row: number): boolean;
  /** Fails the records without a key; says whether there are any. */
  failKeyless(): boolean;
  emit(fields: { [K in keyof W]?: TypedColumn<any> | ArrayLike<unknown> }, options?: BatchEmitOptions<O>): void;
  emitValues(values: ArrayLike<string | Uint8Array | null>, options?: BatchEmitOptions<O>): void;
}

declare const OPERATOR: unique symbol;
/** A definition, as a program exports it by default. */
export interface Definition<World extends string> {
  readonly [OPERATOR]?: World;
}

interface Common<C extends Fields, Made> {
  /** Members of the configuration. */
  config?: C;
  /** Looks at the configuration; `ctx.config` is what it returns. Called once. */
  configure?(config: string extends keyof C ? any : Read<C>): Made;
  /** JSON Schema of the configuration; made of `config` unless given. */
  configSchema?: string | object;
}

type Config<C extends Fields, Made> = unknown extends Made ? Read<C> : Made extends void ? Read<C> : Made;

interface Operator<C extends Fields, Made, O extends string, S extends States, R extends Fields, W extends Fields> extends Common<C, Made> {
  /** Names of the outputs, the main one first; `["main"]` unless given. */
  outputs?: readonly O[];
  state?: S;
  /** Fields that the host decodes from the records. */
  reads?: R;
  /** Fields that the host writes into the records. */
  writes?: W;
  /** Pass the records' bytes although fields are declared. */
  rawValues?: boolean;
  timers?: boolean;
  /** Processes a record. */
  process?(record: Record & Read<R>, ctx: Context<Config<C, Made>, O, S, W>): void;
  /** Processes a whole batch. */
  columns?(batch: Batch<O, R, W>, ctx: Context<Config<C, Made>, O, S, W>): void;
  onTimer?(timer: Timer, ctx: Context<Config<C, Made>, O, S, W>): void;
}

export function operator<
  C extends Fields = {},
  Made = unknown,
  const O extends string = "main",
  S extends States = {},
  R extends Fields = {},
  W extends Fields = {},
>(definition: Operator<C, Made, O, S, R, W>): Definition<"operator">;
