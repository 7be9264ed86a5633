/** Keyed state. */

import type { Type } from "./types.js";

/** `90s`, `5m`, `2h`, `7d`, or milliseconds. */
export type Duration = string | number;

export interface StateOptions {
  /** How long a value lives after its last write, by the host's clock. */
  ttl?: Duration;
  /** The version of the stored values' format. */
  version?: number;
  /** The name under which it is stored; that of the property unless given. */
  name?: string;
}

export interface ValueOptions extends StateOptions {
  /** `false`: read by a host call when it is asked for, not with every batch. */
  prefetch?: boolean;
}

declare const STATE: unique symbol;
export interface StateDeclaration<Handle> {
  readonly [STATE]?: Handle;
}

/** One value for each key. */
export interface ValueState<T> {
  /** The value of the key; of types that are objects, a copy. */
  get(): T | undefined;
  set(value: T): void;
  delete(): void;
  /** Sets what a function makes of the value, and returns it. */
  update(change: (value: T | undefined) => T): T;
  /** For whole batches: values by the index of the key, and which of them are to be written back. */
  byGroup(): { values: T extends number ? Float64Array | T[] : T extends bigint ? BigInt64Array | T[] : T[]; changed: Uint8Array };
}

/** A map from fields to values for each key, ordered by field. */
export interface MapState<K, V> extends Iterable<[K, V]> {
  get(field: K): V | undefined;
  has(field: K): boolean;
  set(field: K, value: V): void;
  delete(field: K): void;
  clear(): void;
  /** Fields and values with `from <= field < to`, in order. */
  entries(range?: { from?: K; to?: K }): IterableIterator<[K, V]>;
  keys(range?: { from?: K; to?: K }): IterableIterator<K>;
}

/** An append-only list for each key. */
export interface ListState<T> extends Iterable<T> {
  push(element: T): void;
  readonly length: number;
  /** The elements from index `from` on. */
  values(from?: number): IterableIterator<T>;
  clear(): void;
}

type Value<T> = StateDeclaration<ValueState<T>>;
type List<T> = StateDeclaration<ListState<T>>;

interface Numbers {
  integer: number;
  float64: number;
  float32: number;
  int32: number;
  uint32: number;
  int16: number;
  uint16: number;
  int8: number;
  uint8: number;
  int64: bigint;
  uint64: bigint;
  boolean: boolean;
  utf8: string;
  rawJson: string;
  bytes: Uint8Array;
}

export const value: {
  <T>(type: Type<T, any>, options?: ValueOptions): Value<T>;
  json<T = any>(options?: ValueOptions): Value<T>;
} & { [K in keyof Numbers]: (options?: ValueOptions) => Value<Numbers[K]> };

export const list: {
  <T>(type: Type<T, any>, options?: StateOptions): List<T>;
  json<T = any>(options?: StateOptions): List<T>;
} & { [K in keyof Numbers]: (options?: StateOptions) => List<Numbers[K]> };

/** Fields are texts, bytes or integers, and sort as such. */
export function map<K extends string | bigint | number | Uint8Array, V>(
  fieldType: Type<K, any>,
  type: Type<V, any>,
  options?: StateOptions,
): StateDeclaration<MapState<K, V>>;

export type States = { readonly [name: string]: StateDeclaration<any> };
export type Handles<S extends States> = {
  readonly [K in keyof S]: S[K] extends StateDeclaration<infer Handle> ? Handle : never;
};
