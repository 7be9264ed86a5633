/** Tests of operators in Node.js, without WebAssembly and without a host. */

import type { Definition, Window } from "./index.js";

/** A record to push: a text or bytes as its value, or the parts of one. Neither `value` nor `json` is a tombstone. */
export type Input =
  | string
  | Uint8Array
  | {
      value?: string | Uint8Array | null;
      json?: unknown;
      key?: string | Uint8Array | null;
      timestampMs?: number;
      headers?: [string, string | Uint8Array | null][] | Record<string, string | Uint8Array | null>;
    };

export interface Emitted {
  readonly output: string;
  /** The input record that it came of, counted from 0 within the batch. */
  readonly source: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly keyText: string | null;
  readonly text: string | null;
  readonly timestampMs: number;
  readonly headers: [string, Uint8Array | null][];
  json<T = any>(): T;
}

export interface Failed {
  readonly record: number;
  readonly reason: string;
}

export interface Outcome {
  readonly emitted: Emitted[];
  readonly failed: Failed[];
  of(output: string): Emitted[];
  /** The only emitted record; throws where there is not exactly one. */
  only(): Emitted;
}

declare class Hosted {
  nowMs: number;
  readonly log: { level: string; message: string }[];
}

export class Harness extends Hosted {
  constructor(definition: Definition<"operator">, config?: unknown);
  configure(config: unknown): void;
  /** Processes records as one batch. */
  send(...records: Input[]): Outcome;
  watermarkMs: number | undefined;
  advanceWatermark(watermarkMs: number): Outcome;
  advanceNow(nowMs: number): Outcome;
  /** Looks at the state of a key, or changes it. */
  withState<T>(key: string | Uint8Array, visit: (state: any) => T): T;
  /** Takes over the state of another operator, as a swap does. */
  adoptState(previous: Harness): this;
  set seed(seed: number | bigint);
  set logLevel(level: string);
  counter(name: string): number;
  gauge(name: string): number | undefined;
  histogram(name: string): number[];
  readonly stateCalls: number;
}

export class AggregatorHarness extends Hosted {
  constructor(definition: Definition<"aggregator">, config?: unknown);
  add(...records: Input[]): Failed[];
  addEach(...pairs: [string[], Input][]): Failed[];
  retract(...records: Input[]): Failed[];
  merge(into: string, from: string[]): void;
  result(key: string, window: Window): Emitted;
  accumulator(key: string): any;
}

export class AssignerHarness extends Hosted {
  constructor(definition: Definition<"window-assigner">, config?: unknown);
  assign(...records: Input[]): { windows: Window[][]; failed: Failed[] };
}

export class TriggerHarness extends Hosted {
  constructor(definition: Definition<"trigger">, config?: unknown);
  watermarkMs: number | undefined;
  send(record: Input, window: Window): 0 | 1 | 2 | 3;
  advanceWatermark(watermarkMs: number): { key: string; window: Window; timeMs: number; verdict: 0 | 1 | 2 | 3 }[];
  advanceNow(nowMs: number): { key: string; window: Window; timeMs: number; verdict: 0 | 1 | 2 | 3 }[];
  merge(key: string, windows: Window[], into: Window): 0 | 1 | 2 | 3;
  state(key: string, window: Window): any;
}

export class WindowFunctionHarness extends Hosted {
  constructor(definition: Definition<"process-window">, config?: unknown);
  watermarkMs: number | undefined;
  fire(key: string, window: Window, records: Input[]): Emitted[];
}

export class WatermarkHarness extends Hosted {
  constructor(definition: Definition<"watermark-generator">, config?: unknown);
  read(partition: number, ...records: Input[]): void;
  advanceNow(nowMs: number): void;
  watermarkMs(partition: number): number | undefined;
  isIdle(partition: number): boolean;
  restart(): void;
}
