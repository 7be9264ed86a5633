/** Tests of operators in Node.js, without WebAssembly and without a host: `import { Harness } from "millstream/testing"`. */

export { Harness } from "./harness.js";
export { Emitted, Outcome } from "./records.js";
export { TriggerHarness } from "./trigger.js";
export { AggregatorHarness, AssignerHarness, WatermarkHarness, WindowFunctionHarness } from "./windows.js";
