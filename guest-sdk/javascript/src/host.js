/**
 * What the host offers. A component puts its imports here, a test a simulated host; the parts of it have the names and
 * the calls of the interfaces of `millstream:operator`.
 */

import { BatchFailure } from "./errors.js";

export const host = { state: undefined, log: undefined, metrics: undefined, clock: undefined };

/** Puts other parts in place and returns those before. */
export function install(parts) {
  const before = { ...host };
  Object.assign(host, { state: undefined, log: undefined, metrics: undefined, clock: undefined }, parts);
  return before;
}

/** The reason in what a refused call of the host throws. */
export function refusal(error) {
  const payload = error?.payload ?? error;
  return payload?.val ?? payload?.message ?? String(payload);
}

/** Calls the host about a state; what it refuses fails the batch. */
export function callState(frame, name, call, ...values) {
  try {
    return host.state[call](...values);
  } catch (error) {
    throw frame.breakOff(new BatchFailure(`state \`${name}\`: ${refusal(error)}`));
  }
}
