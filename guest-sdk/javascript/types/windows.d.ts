/** Parts of windows, and watermark generators. */

import type { Definition, Record } from "./operator.js";
import type { Duration } from "./state.js";
import type { Fields, Type } from "./types.js";

/** A window in event time; `Infinity` where it has no end. */
export class Window {
  constructor(startMs: number, endMs: number);
  readonly startMs: number;
  readonly endMs: number;
  readonly lastMs: number;
  equals(other: Window): boolean;
}

/** A window of a key. */
export interface Pane {
  readonly key: Uint8Array;
  readonly window: Window;
  keyText(): string;
}

interface Configured<C extends Fields> {
  config?: C;
  configure?(config: any): unknown;
  configSchema?: string | object;
}

interface Self {
  readonly config: any;
}

export function aggregator<A, C extends Fields = {}>(
  definition: Configured<C> & {
    /** How accumulators are stored. */
    accumulator: Type<A, any>;
    /** The version of the accumulators' format, 1 unless given. */
    version?: number;
    /** An accumulator that nothing was added to; 0, an empty text or an empty object unless given. */
    create?(self: Self): A;
    /** Adds a record; what it returns, if anything, is the accumulator from then on. */
    add(accumulator: A, record: Record, self: Self): A | void;
    merge(into: A, other: A, self: Self): A | void;
    retract?(accumulator: A, record: Record, self: Self): A | void;
    /** What is emitted when the window fires. */
    result(accumulator: A, pane: Pane, self: Self): unknown;
  },
): Definition<"aggregator">;

export function windowAssigner<C extends Fields = {}>(
  definition: Configured<C> & {
    /** Windows of one key that overlap or touch become one. */
    merges?: boolean;
    assign(record: Record, ctx: { readonly config: any; readonly nowMs: number }): Window | Iterable<Window> | null | undefined;
  },
): Definition<"window-assigner">;

export const Verdict: { readonly CONTINUE: 0; readonly FIRE: 1; readonly PURGE: 2; readonly FIRE_AND_PURGE: 3 };
export type VerdictValue = 0 | 1 | 2 | 3;

/** A pane that a trigger is asked about. */
export interface TriggerPane<S> extends Pane {
  readonly config: any;
  /** What is remembered of it. */
  state: S | undefined;
  /** When `onEventTime` will be called; `undefined` for never. */
  eventTimeMs: number | undefined;
  processingTimeMs: number | undefined;
  readonly nowMs: number;
  readonly watermarkMs: number | undefined;
}

export function trigger<S = any, C extends Fields = {}>(
  definition: Configured<C> & {
    state?: Type<S, any>;
    version?: number;
    onElement(record: Record, pane: TriggerPane<S>): VerdictValue | void;
    onEventTime?(timeMs: number, pane: TriggerPane<S>): VerdictValue | void;
    onProcessingTime?(timeMs: number, pane: TriggerPane<S>): VerdictValue | void;
    onMerge?(from: TriggerPane<S>[], into: TriggerPane<S>): VerdictValue | void;
  },
): Definition<"trigger">;

export interface FiredPane extends Pane {
  readonly config: any;
  readonly elements: number;
  readonly nowMs: number;
  readonly watermarkMs: number | undefined;
  emit(value: unknown): void;
}

export function windowFunction<G = undefined, C extends Fields = {}>(
  definition: Configured<C> & {
    begin?(pane: FiredPane): G;
    element(gathered: G, record: Record, pane: FiredPane): void;
    end?(gathered: G, pane: FiredPane): void;
  },
): Definition<"process-window">;

export interface Partition<S> {
  state: S | undefined;
  readonly nowMs: number;
  readonly config: any;
  /** No record with this timestamp or an earlier one is expected any more. */
  advance(watermarkMs: number | bigint): void;
  setIdle(): void;
}

export function watermarkGenerator<S = any, C extends Fields = {}>(
  definition: Configured<C> & {
    state?: Type<S, any>;
    every?: Duration;
    onRecord(record: Record, partition: Partition<S>): void;
    onTime?(partition: Partition<S>): void;
  },
): Definition<"watermark-generator">;

