/**
 * The interfaces that a component exports, made of a program. What is thrown crosses as the text that it must be: an
 * `Error` would trap.
 */

import { descriptionOf, worldOf } from "../definition.js";
import { reasonOf } from "../errors.js";
import { install } from "../host.js";
import { Instance } from "../instance.js";
import { AggregatorInstance, describeAggregator } from "../window/aggregator.js";
import { AssignerInstance, describeAssigner } from "../window/assigner.js";
import { FunctionInstance, describeFunction } from "../window/function.js";
import { TriggerInstance, describeTrigger } from "../window/trigger.js";
import { GeneratorInstance, describeGenerator } from "../window/watermark.js";
import { NO_MOMENT, during, hostMoment, installGlobals, momentAt } from "./globals.js";

export { worldOf };

/** Takes the host's interfaces, and puts time and randomness of the engine under them. */
export function begin(parts, global) {
  install(parts);
  installGlobals(global);
}

/** Calls, and turns whatever is thrown into the text that crosses as an error. */
export function crossing(moment, call) {
  try {
    return moment === undefined ? call() : during(moment, call);
  } catch (error) {
    throw reasonOf(error);
  }
}

/** `program()` is the definition; it may be loaded after the exports are made. */
function part(world, program, Kind, describe, calls) {
  let instance;
  const definition = () => {
    const found = program();
    if (worldOf(found) !== world) throw new Error(`the program is no ${world}`);
    return found;
  };
  const held = () => {
    if (instance === undefined) throw new Error("`configure` was not called");
    return instance;
  };
  return {
    describe: () => crossing(undefined, () => describe(definition())),
    configure(text) {
      crossing(undefined, () => {
        instance = new Kind(definition(), text);
      });
    },
    ...calls(held),
  };
}

export function processor(program) {
  return part("operator", program, Instance, descriptionOf, (held) => ({
    process: (input) => crossing(hostMoment(), () => held().process(input)),
    onTimer: (fired) => crossing(hostMoment(), () => held().onTimer(fired)),
  }));
}

export function aggregation(program) {
  return part("aggregator", program, AggregatorInstance, describeAggregator, (held) => ({
    add: (additions, accumulators) => crossing(NO_MOMENT, () => held().add(additions, accumulators)),
    merge: (accumulators, groups, count) => crossing(NO_MOMENT, () => held().merge(accumulators, groups, count)),
    retract: (additions, accumulators) => crossing(NO_MOMENT, () => held().retract(additions, accumulators)),
    results: (accumulators, panes) => crossing(NO_MOMENT, () => held().results(accumulators, panes)),
  }));
}

export function assignment(program) {
  return part("window-assigner", program, AssignerInstance, describeAssigner, (held) => ({
    assign: (records, now) => crossing(momentAt(now), () => held().assign(records, now)),
  }));
}

export function firing(program) {
  return part("trigger", program, TriggerInstance, describeTrigger, (held) => ({
    onElements: (panes, elements) => crossing(momentAt(panes.now), () => held().onElements(panes, elements)),
    onTime: (panes, domain, times) => crossing(momentAt(panes.now), () => held().onTime(panes, domain, times)),
    onMerge: (panes, groups, merged) => crossing(momentAt(panes.now), () => held().onMerge(panes, groups, merged)),
  }));
}

export function windowFunction(program) {
  let now = 0n;
  return part("process-window", program, FunctionInstance, describeFunction, (held) => ({
    begin(pane) {
      now = pane.now;
      crossing(momentAt(now), () => held().begin(pane));
    },
    elements: (page) => crossing(momentAt(now), () => held().elements(page)),
    end: () => crossing(momentAt(now), () => held().end()),
  }));
}

export function watermarks(program) {
  return part("watermark-generator", program, GeneratorInstance, describeGenerator, (held) => ({
    onRecords: (state, records, now) => crossing(momentAt(now), () => held().onRecords(state, records, now)),
    onTime: (state, now) => crossing(momentAt(now), () => held().onTime(state, now)),
  }));
}
