/** The interpreter: a component that is given its program as source. */

import * as clock from "millstream:operator/clock@0.1.0";
import * as log from "millstream:operator/log@0.1.0";
import * as metrics from "millstream:operator/metrics@0.1.0";
import * as state from "millstream:operator/state@0.1.0";

import * as component from "../src/component/exports.js";
import { load, told } from "./load.js";

component.begin({ clock, log, metrics, state }, globalThis);

let definition;
const program = () => {
  if (definition === undefined) throw new Error("no program has been loaded");
  return definition;
};

export const processor = component.processor(program);
export const aggregation = component.aggregation(program);
export const assignment = component.assignment(program);
export const firing = component.firing(program);
export const windowFunction = component.windowFunction(program);
export const watermarks = component.watermarks(program);

export const loader = {
  load(files, main) {
    try {
      definition = load(files, main);
    } catch (error) {
      throw told(error);
    }
    return component.worldOf(definition);
  },
};
