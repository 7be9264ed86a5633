/** Write operators of Millstream pipelines in JavaScript and TypeScript. */

export { operator } from "./definition.js";
export { BatchFailure, Failure, ensure, fail } from "./errors.js";
export { NO_GROUP as NO_KEY } from "./frame.js";
export { float, formatFloat, parseExact, stringify } from "./json.js";
export { log } from "./log.js";
export { same } from "./outputs.js";
export { list, map, value } from "./state/declare.js";
export {
  boolean, bytes, float32, float64, int16, int32, int64, int8, integer, json, rawJson, uint16, uint32, uint64, uint8, utf8,
} from "./types.js";
export { aggregator } from "./window/aggregator.js";
export { windowAssigner } from "./window/assigner.js";
export { windowFunction } from "./window/function.js";
export { Window } from "./window/pane.js";
export { Verdict, trigger } from "./window/trigger.js";
export { watermarkGenerator } from "./window/watermark.js";
