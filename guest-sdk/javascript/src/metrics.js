/** Metrics, summed up here and sent once a batch. */

import { host } from "./host.js";

export class Metrics {
  constructor() {
    this.clear();
    this.handles = new Map();
  }

  clear() {
    this.counters = new Map();
    this.gauges = new Map();
    this.observations = [];
  }

  counter(name) {
    return this.handle(`c${name}`, () => ({
      add: (delta = 1) => {
        if (!Number.isInteger(delta) || delta < 0) throw new TypeError(`counter \`${name}\` grows by whole numbers, not by ${delta}`);
        this.counters.set(name, (this.counters.get(name) ?? 0) + delta);
      },
    }));
  }

  gauge(name) {
    return this.handle(`g${name}`, () => ({ set: (value) => void this.gauges.set(name, Number(value)) }));
  }

  histogram(name) {
    return this.handle(`h${name}`, () => ({ record: (value) => void this.observations.push([name, Number(value)]) }));
  }

  handle(key, make) {
    let handle = this.handles.get(key);
    if (handle === undefined) this.handles.set(key, (handle = Object.freeze(make())));
    return handle;
  }

  /** Sends everything to the host and forgets it. */
  send() {
    if (this.counters.size > 0) for (const [name, sum] of this.counters) host.metrics.counterAdd(name, BigInt(sum));
    if (this.gauges.size > 0) for (const [name, value] of this.gauges) host.metrics.gaugeSet(name, value);
    for (const [name, value] of this.observations) host.metrics.histogramRecord(name, value);
    if (this.counters.size + this.gauges.size + this.observations.length > 0) this.clear();
  }
}
