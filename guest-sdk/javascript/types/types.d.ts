/** Types of typed fields, states and configurations. */

declare const VALUE: unique symbol;

/** A type with how it is checked and stored. `T` is what it is in JavaScript. */
export interface Type<T, Optional extends boolean = false> {
  readonly [VALUE]?: T;
  readonly name: string;
  readonly isOptional: Optional;
  /** The same type, of a field that may be missing or null: it then is `undefined`. */
  readonly optional: Type<T, true>;
  /** The same type, of the field at this path, such as `/user/id`. */
  at(path: string): Type<T, Optional>;
  /** Whether a value is of the type. */
  is(value: unknown): value is T;
}

/** A signed integer of 64 bits. */
export const int64: Type<bigint>;
/** A signed integer of 64 bits that stays within 2^53; what does not fails the record instead of being rounded. */
export const integer: Type<number>;
/** A 64-bit float. */
export const float64: Type<number>;
export const boolean: Type<boolean>;
/** Text. */
export const utf8: Type<string>;
/** Bytes; as a field, the JSON text of whatever value is there. */
export const bytes: Type<Uint8Array>;
/** The JSON text of whatever value is there, as it stands. */
export const rawJson: Type<string>;
/** Any value that has JSON. */
export function json<T = any>(): Type<T>;

/** For states that operators in other languages keep in these widths. */
export const uint64: Type<bigint>;
export const int32: Type<number>;
export const uint32: Type<number>;
export const int16: Type<number>;
export const uint16: Type<number>;
export const int8: Type<number>;
export const uint8: Type<number>;
export const float32: Type<number>;

/** Declared fields by name. */
export type Fields = { readonly [name: string]: Type<any, boolean> };

type OptionalNames<F extends Fields> = { [K in keyof F]: F[K] extends Type<any, true> ? K : never }[keyof F];
type ValueOf<T> = T extends Type<infer V, any> ? V : never;

/** What is read of declared fields. */
export type Read<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Type<any, true> ? ValueOf<F[K]> | undefined : ValueOf<F[K]>;
};

/** What is given for declared fields. */
export type Write<F extends Fields> = { [K in Exclude<keyof F, OptionalNames<F>>]: ValueOf<F[K]> } & {
  [K in OptionalNames<F>]?: ValueOf<F[K]> | null | undefined;
};
