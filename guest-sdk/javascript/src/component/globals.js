/**
 * Time, randomness and printing of the JavaScript engine, as the host gives them.
 *
 * Engines in a component have no clock, or one that stopped when the component was built. `Date`, `Math.random`,
 * `performance.now` and `crypto` therefore go by the host's clock and randomness of the batch in hand, which are the
 * same again when it is replayed. Outside of a batch, as while a program is loaded, it is 1970 and randomness is the
 * same every time.
 */

import { host } from "../host.js";
import { write } from "../log.js";

/** What answers now: `nowMs()` and `randomU64()`. */
let moment;

const UNBOUND = () => {
  let seed = 0n;
  return {
    nowMs: () => 0,
    randomU64() {
      // SplitMix64.
      seed = BigInt.asUintN(64, seed + 0x9e3779b97f4a7c15n);
      let number = seed;
      number = BigInt.asUintN(64, (number ^ (number >> 30n)) * 0xbf58476d1ce4e5b9n);
      number = BigInt.asUintN(64, (number ^ (number >> 27n)) * 0x94d049bb133111ebn);
      return number ^ (number >> 31n);
    },
  };
};

/** The clock and the randomness of a call of the host, by its interface `clock`. */
export function hostMoment() {
  let nowMs;
  return {
    nowMs: () => (nowMs ??= Number(host.clock.nowMs())),
    randomU64: () => host.clock.randomU64(),
  };
}

/** A call that is told the time, and has no randomness. */
export function momentAt(now) {
  return { nowMs: () => Number(now), randomU64: () => refuse("there is no randomness here: answers must be the same again") };
}

/** A call that has neither. */
export const NO_MOMENT = {
  nowMs: () => refuse("an aggregator has no clock: it answers by its records alone"),
  randomU64: () => refuse("an aggregator has no randomness: it answers by its records alone"),
};

function refuse(reason) {
  throw new Error(reason);
}

/** Calls with a moment in place. */
export function during(at, call) {
  const before = moment;
  moment = at;
  try {
    return call();
  } finally {
    moment = before;
  }
}

const random = () => Number(moment.randomU64() >> 11n) / 2 ** 53;

/** Puts everything in place in a global object. */
export function installGlobals(global) {
  moment = UNBOUND();
  installDate(global);
  global.Math.random = random;
  if (global.performance !== undefined) {
    define(global, "performance", Object.freeze({ now: () => moment.nowMs(), timeOrigin: 0, mark() {}, measure() {} }));
  }
  installCrypto(global);
  installConsole(global);
  for (const name of ["setTimeout", "setInterval", "setImmediate", "fetch"]) {
    const why = name === "fetch" ? "there is no network" : "set a timer of the key by ctx.setProcessingTimer";
    define(global, name, () => refuse(`${name} does nothing in an operator: ${why}`));
  }
}

function define(global, name, value) {
  Object.defineProperty(global, name, { value, writable: true, configurable: true, enumerable: false });
}

function installDate(global) {
  const Engine = global.Date;
  function Date(...parts) {
    if (new.target === undefined) return new Engine(moment.nowMs()).toString();
    return Reflect.construct(Engine, parts.length === 0 ? [moment.nowMs()] : parts, new.target);
  }
  Object.setPrototypeOf(Date, Engine);
  Date.prototype = Engine.prototype;
  Engine.prototype.constructor = Date;
  Date.now = () => moment.nowMs();
  define(global, "Date", Date);
}

function installCrypto(global) {
  const fill = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(random() * 256);
    return array;
  };
  const randomUUID = () => {
    const bytes = fill(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };
  define(global, "crypto", Object.freeze({ getRandomValues: fill, randomUUID }));
}

function installConsole(global) {
  const line = (parts) => parts.map((part) => (typeof part === "string" ? part : shown(part))).join(" ");
  const at = (level) => (...parts) => write(level, () => line(parts));
  const [trace, debug, info, warn, error] = ["trace", "debug", "info", "warn", "error"].map(at);
  const assert = (holds, ...parts) => holds || error("assertion failed:", ...parts);
  define(global, "console", Object.freeze({ trace, debug, info, log: info, warn, error, assert, dir: info }));
}

function shown(value) {
  if (value instanceof Error) return value.stack ? `${value.name}: ${value.message}\n${value.stack}` : String(value);
  try {
    return JSON.stringify(value, (_, member) => (typeof member === "bigint" ? `${member}n` : member)) ?? String(value);
  } catch {
    return String(value);
  }
}
