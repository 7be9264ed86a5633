/** What an operator can reach while it processes a record. */

import { Failure } from "./errors.js";
import { host } from "./host.js";

/** The surroundings of the record in hand: the state of its key, the outputs, time, randomness and metrics. */
export class Context {
  #metrics;
  #setsTimers;

  /** `pushes`: what appends to each output, by their `names`. */
  constructor({ config, states, metrics, names, pushes, setsTimers }) {
    /** What `configure` made of the step's configuration. */
    this.config = config;
    /** The states of the record's key. */
    this.state = states.handles;
    this.#metrics = metrics;
    this.#setsTimers = setsTimers;
    const outputs = new Map(names.map((name, index) => [name, pushes[index]]));
    /** Emits a record to the main output. */
    this.emit = pushes[0];
    /** Emits a record to a named output. */
    this.emitTo = (name, value, options) => {
      const push = outputs.get(name);
      if (push === undefined) throw new Failure(`output \`${name}\` is not declared`);
      push(value, options);
    };
    this._frame = undefined;
    this._timers = undefined;
  }

  /** Sets a timer of the record's key, which fires when the watermark has reached `timeMs`; moves one of that name. */
  setEventTimer(name, timeMs) {
    this.#change("event", name, timeMs);
  }

  /** As `setEventTimer`, by the host's clock. */
  setProcessingTimer(name, timeMs) {
    this.#change("processing", name, timeMs);
  }

  deleteEventTimer(name) {
    this.#change("event", name, undefined);
  }

  deleteProcessingTimer(name) {
    this.#change("processing", name, undefined);
  }

  #change(domain, name, timeMs) {
    if (!this.#setsTimers) throw new Failure("timers are for operators that have `onTimer`");
    this._timers.push(this._frame, domain, name, timeMs);
  }

  /** Processing time, milliseconds: the same for all records of a batch, and for a batch that is replayed. */
  get nowMs() {
    return this._frame.nowMs;
  }

  /** The event time that the input has reached; `undefined` where it is unknown. */
  get watermarkMs() {
    return this._frame.watermarkMs;
  }

  /** A random integer of 64 bits without a sign, the same again for a batch that is replayed. */
  randomU64() {
    return host.clock.randomU64();
  }

  /** A random number from 0 to 1, 1 not included. */
  random() {
    return Number(host.clock.randomU64() >> 11n) / 2 ** 53;
  }

  /** A counter of the operator, summed up and sent once a batch; what a record adds stays, also when it fails. */
  counter(name) {
    return this.#metrics.counter(name);
  }

  /** A gauge of the operator; the last value of a batch is sent. */
  gauge(name) {
    return this.#metrics.gauge(name);
  }

  /** A histogram of the operator. */
  histogram(name) {
    return this.#metrics.histogram(name);
  }
}
