import assert from "node:assert/strict";
import { test } from "node:test";

import { BatchFailure, fail, float64, int64, integer, json, list, log, map, operator, same, utf8, value } from "millstream";
import { Harness } from "millstream/testing";

const texts = (outcome) => outcome.emitted.map(({ text }) => text);

test("records are emitted, dropped, routed and changed", () => {
  const routes = operator({
    outputs: ["main", "other"],
    process(record, ctx) {
      if (record.value === null) return;
      ctx.emit(same);
      ctx.emitTo("other", { n: 1 }, { key: "k", timestampMs: 9, headers: { h: "v" }, keepHeaders: false });
    },
  });
  const outcome = new Harness(routes).send(
    { value: "näh", key: "a", timestampMs: 5, headers: [["x", "y"]] },
    { key: "gone" },
    { value: new Uint8Array([255]), key: "b" },
  );
  assert.deepEqual(outcome.of("main").map(({ source, keyText, timestampMs }) => [source, keyText, timestampMs]), [[0, "a", 5], [2, "b", 0]]);
  assert.equal(outcome.of("main")[0].text, "näh");
  assert.deepEqual([...outcome.of("main")[1].value], [255]);
  assert.equal(outcome.of("main")[0].headers[0][0], "x");
  const [other] = outcome.of("other");
  assert.deepEqual([other.text, other.keyText, other.timestampMs, other.headers.length], ['{"n":1}', "k", 9, 1]);
});

test("what is emitted is what it was then, whatever becomes of it", () => {
  const shared = { n: 0 };
  const counting = operator({
    process(record, ctx) {
      shared.n += 1;
      ctx.emit(shared);
    },
  });
  assert.deepEqual(texts(new Harness(counting).send("", "", "")), ['{"n":1}', '{"n":2}', '{"n":3}']);
});

const counter = (extra = {}) =>
  operator({
    state: { count: value.int64(), last: value.json(), seen: map(utf8, int64), all: list.utf8(), ...extra },
    process(record, ctx) {
      const { count, last, seen, all } = ctx.state;
      const text = record.text();
      const before = last.get();
      if (before !== undefined) before.text = "not set, and so not kept";
      last.set({ text });
      seen.set(text, (seen.get(text) ?? 0n) + 1n);
      all.push(text);
      ctx.emit(`${count.update((n = 0n) => n + 1n)} ${[...seen].join(" ")} ${[...all].join(",")} ${last.get().text}`);
      if (text === "bad") fail("a bad record");
      if (text === "worse") undefined.property;
    },
  });

test("a record that fails undoes what it changed and emitted", () => {
  const harness = new Harness(counter());
  const of = (text) => ({ value: text, key: "k" });
  const first = harness.send(of("a"), of("bad"), of("b"), { value: "x" }, of("worse"));
  assert.deepEqual(texts(first), ["1 a,1 a a", "2 a,1 b,1 a,b b"]);
  assert.deepEqual(first.failed.slice(0, 2), [
    { record: 1, reason: "a bad record" },
    { record: 3, reason: "this record has no key, and state is kept by key" },
  ]);
  assert.match(first.failed[2].reason, /^TypeError: .*property.*\n {4}at .*operators\.test\.js:\d+:\d+/);
  assert.equal(first.failed[2].reason.includes("instance.js"), false);
  assert.deepEqual(texts(harness.send(of("a"))), ["3 a,2 b,1 a,b,a a"]);
});

test("an object that is changed and not set changes nothing", () => {
  const harness = new Harness(counter());
  harness.send({ value: "a", key: "k" });
  harness.withState("k", ({ last }) => {
    last.get().text = "changed";
    assert.equal(last.get().text, "a");
  });
});

test("integers are exact beyond 2^53", () => {
  const next = operator({
    state: { kept: value.int64() },
    process(record, ctx) {
      const { n } = record.jsonExact();
      ctx.state.kept.set(n);
      ctx.emit({ n: n + 1n, small: 1 });
    },
  });
  const harness = new Harness(next);
  const outcome = harness.send({ value: '{"n":9007199254740993,"s":"9007199254740993"}', key: "k" });
  assert.equal(outcome.only().text, '{"n":9007199254740994,"small":1}');
  assert.equal(harness.withState("k", ({ kept }) => kept.get()), 9007199254740993n);
});

test("integers that a number does not hold fail instead of being rounded", () => {
  const kept = operator({ state: { n: value.integer() }, process: (record, ctx) => ctx.emit(ctx.state.n.get()) });
  const wide = operator({ state: { n: value.int64() }, process: (record, ctx) => ctx.state.n.set(2n ** 60n) });
  const harness = new Harness(wide);
  harness.send({ value: "", key: "k" });
  const outcome = new Harness(kept).adoptState(harness).send({ value: "", key: "k" });
  assert.match(outcome.failed[0].reason, /beyond 2\^53/);
});

test("state expires, is adopted and needs no call where it is prefetched", () => {
  const visits = operator({
    state: { visits: value.integer({ ttl: "1h" }) },
    process: (record, ctx) => ctx.emit(ctx.state.visits.update((n = 0) => n + 1)),
  });
  const harness = new Harness(visits);
  assert.deepEqual(texts(harness.send({ key: "a" }, { key: "a" }, { key: "b" })), ["1", "2", "1"]);
  harness.nowMs = 3_599_999;
  assert.deepEqual(texts(new Harness(visits).adoptState(harness).send({ key: "a" })), ["3"]);
  harness.nowMs = 10_000_000;
  assert.deepEqual(texts(harness.send({ key: "a" })), ["1"]);
  assert.equal(harness.stateCalls, 0);
});

test("timers fire in order, also those that are set meanwhile", () => {
  const timed = operator({
    process(record, ctx) {
      const [name, timeMs] = record.text().split(" ");
      if (timeMs === undefined) ctx.deleteEventTimer(name);
      else ctx.setEventTimer(name, Number(timeMs));
    },
    onTimer(timer, ctx) {
      if (timer.name === "first") ctx.setEventTimer("again", timer.timeMs + 1);
      if (timer.name === "bad") fail("a bad timer");
      ctx.emit(`${timer.keyText()} ${timer.name} ${timer.timeMs} ${timer.domain}`);
    },
  });
  const harness = new Harness(timed);
  const of = (text) => ({ value: text, key: "k" });
  harness.send(of("late 100"), of("first 10"), of("gone 20"), of("gone"), of("bad 11"), { value: "x 1" });
  const outcome = harness.advanceWatermark(100);
  assert.deepEqual(texts(outcome), ["k first 10 event", "k again 11 event", "k late 100 event"]);
  assert.equal(outcome.emitted[1].timestampMs, 11);
  assert.deepEqual(outcome.failed.map(({ reason }) => reason), ["a bad timer"]);
});

test("time, randomness, log and metrics are the host's", () => {
  const sample = operator({
    process(record, ctx) {
      ctx.counter("seen").add(2);
      ctx.gauge("size").set(0.5);
      ctx.histogram("sizes").record(3);
      log.debug(() => assert.fail("not kept, and so not formatted"));
      log.info(`at ${ctx.nowMs}`);
      ctx.emit(`${ctx.nowMs} ${ctx.randomU64()} ${ctx.watermarkMs}`);
      fail("metrics stay");
    },
  });
  const harness = new Harness(sample);
  harness.logLevel = "info";
  harness.nowMs = 7;
  harness.send("", "");
  assert.deepEqual([harness.counter("seen"), harness.gauge("size"), harness.histogram("sizes")], [4, 0.5, [3, 3]]);
  assert.deepEqual(harness.log, [{ level: "info", message: "at 7" }, { level: "info", message: "at 7" }]);
});

test("a configuration is read by its declaration", () => {
  const configured = operator({
    config: { goal: integer, label: utf8.optional, big: int64.optional, any: json().optional },
    configure(config) {
      if (config.goal < 1) fail("`goal` must be at least 1");
      return { ...config, half: config.goal / 2 };
    },
    process: (record, ctx) => ctx.emit(`${ctx.config.half} ${ctx.config.label} ${ctx.config.big}`),
  });
  assert.equal(new Harness(configured, { goal: 4, big: 5 }).send("").only().text, "2 undefined 5");
  const refused = (config) => {
    try {
      new Harness(configured, config);
    } catch (error) {
      return error.message;
    }
  };
  assert.equal(refused({ goal: 0 }), "`goal` must be at least 1");
  assert.match(refused({ gaol: 1 }), /the configuration is refused: unknown member `gaol`, expected one of `goal`/);
  assert.match(refused({}), /member `goal` is missing/);
  assert.match(refused({ goal: "1" }), /member `goal` must be an integer within 2\^53, and is the text "1"/);
  assert.throws(() => new Harness(operator({ process() {} }), { x: 1 }), /there is none, and `x` is given/);
});

test("what an operator must not do is told", () => {
  const waits = operator({ process: (record, ctx) => Promise.resolve() });
  assert.match(new Harness(waits).send("").failed[0].reason, /must not be async/);
  const whole = operator({ process() { throw new BatchFailure("no store"); } });
  assert.throws(() => new Harness(whole).send(""), /no store/);
  assert.throws(() => operator({ async process() {} }), /must be a plain function/);
  assert.throws(() => operator({ proces() {} }), /there is no member `proces`/);
  assert.throws(() => operator({}), /either `process`/);
  assert.throws(() => operator({ process() {}, state: { a: int64 } }), /state `a` must be declared by/);
  assert.throws(() => operator({ process() {}, outputs: ["Main"] }), /output `Main`/);
  assert.throws(() => new Harness(operator({ process() {}, reads: { key: utf8 } })), /records have a `key` of their own/);
  const undeclared = operator({ process: (record, ctx) => ctx.emitTo("alerts", same) });
  assert.equal(new Harness(undeclared).send("").failed[0].reason, "output `alerts` is not declared");
  const wrong = operator({ state: { a: value.float64() }, process: (record, ctx) => ctx.state.a.set("1") });
  assert.equal(new Harness(wrong).send({ key: "k" }).failed[0].reason, 'state `a` must be a number, and is the text "1"');
  const timer = operator({ process: (record, ctx) => ctx.setEventTimer("a", 1) });
  assert.match(new Harness(timer).send({ key: "k" }).failed[0].reason, /timers are for operators that have `onTimer`/);
});

test("a map is scanned in order of its fields, page by page, over what the batch changed", () => {
  const numbers = operator({
    state: { numbers: map(int64, float64) },
    process(record, ctx) {
      const { numbers } = ctx.state;
      if (record.value !== null) for (let n = -300; n < 300; n++) numbers.set(BigInt(n), n / 2);
      else {
        numbers.delete(-300n);
        numbers.set(1000n, 1);
        ctx.emit([...numbers].map(([field]) => Number(field)));
        ctx.emit([...numbers.entries({ from: -2n, to: 1n })].map(([, half]) => half));
        numbers.clear();
        ctx.emit([...numbers.keys()].length);
      }
    },
  });
  const harness = new Harness(numbers);
  harness.send({ value: "fill", key: "k" });
  const [all, range, none] = harness.send({ key: "k" }).emitted.map((emitted) => emitted.json());
  assert.deepEqual(all, [...Array.from({ length: 599 }, (_, n) => n - 299), 1000]);
  assert.deepEqual(range, [-1, -0.5, 0]);
  assert.equal(none, 0);
});

test("what is read as JSON belongs to the record, also where a batch is read at once", () => {
  const program = operator({
    process(record, ctx) {
      const first = record.json();
      first.n += 1;
      ctx.emit([first.n, record.json().n]);
    },
  });
  const harness = new Harness(program);
  const records = [{ value: '{"n":1}' }, { value: '{"n":2}' }, { value: '{"n":3}' }];
  for (let batch = 0; batch < 3; batch++) assert.deepEqual(texts(harness.send(...records)), ["[2,1]", "[3,2]", "[4,3]"]);
  const outcome = harness.send({ value: '{"n":1}' }, { value: '{"n":' }, { value: "{}" });
  assert.deepEqual(outcome.failed.map(({ reason }) => /is not JSON/.test(reason)), [true]);
});

test("numbers are read and written where some keys have one and some have none", () => {
  const program = operator({
    state: { sum: value.float64() },
    process(record, ctx) {
      const add = Number(record.text());
      if (add < 0) ctx.state.sum.set(0.5);
      ctx.emit(`${ctx.state.sum.update((sum = 0) => sum + add)}`);
      if (add === 13) fail("unlucky");
    },
  });
  const harness = new Harness(program);
  const of = (key, text) => ({ key, value: text });
  assert.deepEqual(texts(harness.send(of("a", "1"), of("b", "2"))), ["1", "2"]);
  assert.deepEqual(texts(harness.send(of("c", "3"), of("b", "13"), of("b", "4"), of("d", "-1"), of("a", "1"))), ["3", "6", "-0.5", "2"]);
  assert.deepEqual(texts(harness.send(of("a", "0"), of("b", "0"), of("c", "0"), of("d", "0"))), ["2", "6", "3", "-0.5"]);
});
