import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Verdict, Window, aggregator, ensure, fail, float64, int64, json, trigger, watermarkGenerator, windowAssigner, windowFunction,
} from "millstream";
import { AggregatorHarness, AssignerHarness, TriggerHarness, WatermarkHarness, WindowFunctionHarness } from "millstream/testing";

const HOUR = new Window(0, 3_600_000);

const extremes = aggregator({
  accumulator: json(),
  create: () => ({ count: 0, all: [] }),
  add(extremes, record) {
    extremes.count += 1;
    extremes.all.push(record.json());
    if (record.text() === "13") fail("unlucky");
  },
  merge(into, other) {
    into.count += other.count;
    into.all.push(...other.all);
  },
  result: (extremes, pane) => ({ user: pane.keyText(), end: pane.window.endMs, ...extremes }),
});

test("an aggregator adds, undoes what fails, merges and tells", () => {
  const harness = new AggregatorHarness(extremes);
  const of = (key, value) => ({ key, value });
  const failed = harness.add(of("a", "1"), of("a", "13"), of("a", "2"), of("b", "x"), of("a", "13"), of("b", "3"));
  assert.deepEqual(failed.map(({ record }) => record), [1, 3, 4]);
  assert.equal(failed[0].reason, "unlucky");
  assert.deepEqual(harness.accumulator("a"), { count: 2, all: [1, 2] });
  assert.deepEqual(harness.addEach([["a", "b"], { value: "5" }], [["a", "c"], { value: "13" }]), [{ record: 1, reason: "unlucky" }]);
  assert.equal(harness.accumulator("c"), undefined);
  harness.merge("a", ["b"]);
  assert.equal(harness.result("a", HOUR).text, '{"user":"a","end":3600000,"count":5,"all":[1,2,5,3,5]}');
  assert.throws(() => harness.retract(of("a", "1")), /has no `retract`/);
});

test("an aggregator of numbers starts from 0 and retracts", () => {
  const sum = aggregator({
    accumulator: int64,
    add: (sum, record) => sum + BigInt(record.text()),
    retract: (sum, record) => sum - BigInt(record.text()),
    merge: (into, other) => into + other,
    result: (sum) => `${sum}`,
  });
  const harness = new AggregatorHarness(sum);
  harness.add({ key: "a", value: "9007199254740993" }, { key: "a", value: "2" });
  harness.retract({ key: "a", value: "1" });
  assert.equal(harness.result("a", HOUR).text, "9007199254740994");
  assert.equal(harness.result("none", HOUR).text, "0");
});

test("an assigner says which windows a record is in", () => {
  const assigner = windowAssigner({
    assign(record) {
      const start = record.timestampMs - (record.timestampMs % 60_000);
      ensure(start >= 0, "before all time");
      if (record.value === null) return undefined;
      const window = new Window(start, start + 60_000);
      return record.text() === "twice" ? [window, window, new Window(0, Infinity)] : window;
    },
  });
  const { windows, failed } = new AssignerHarness(assigner).assign(
    { value: "x", timestampMs: 61_000 }, { timestampMs: 1 }, { value: "twice", timestampMs: 1 }, { value: "x", timestampMs: -60_001 },
  );
  assert.deepEqual(windows, [[new Window(60_000, 120_000)], [], [new Window(0, 60_000), new Window(0, Infinity)], []]);
  assert.deepEqual(failed, [{ record: 3, reason: "before all time" }]);
});

test("a trigger fires, remembers and undoes", () => {
  const limit = trigger({
    state: float64,
    onElement(record, pane) {
      pane.eventTimeMs = pane.window.lastMs;
      pane.state = (pane.state ?? 0) + Number(record.text());
      if (Number.isNaN(pane.state)) fail("no number");
      return pane.state >= 10 ? Verdict.FIRE : undefined;
    },
    onEventTime: (timeMs, pane) => Verdict.FIRE_AND_PURGE,
    onMerge(from, into) {
      into.state = from.reduce((sum, pane) => sum + (pane.state ?? 0), 0);
      into.eventTimeMs = into.window.lastMs;
    },
  });
  const harness = new TriggerHarness(limit);
  const of = (value) => ({ key: "k", value });
  assert.equal(harness.send(of("4"), HOUR), Verdict.CONTINUE);
  assert.throws(() => harness.send(of("x"), HOUR), /no number/);
  assert.equal(harness.state("k", HOUR), 4);
  assert.equal(harness.send(of("6"), HOUR), Verdict.FIRE);
  const two = new Window(0, 7_200_000);
  assert.equal(harness.merge("k", [HOUR], two), Verdict.CONTINUE);
  assert.equal(harness.state("k", two), 10);
  assert.deepEqual(harness.advanceWatermark(8_000_000).map(({ timeMs, verdict }) => [timeMs, verdict]), [[7_199_999, 3]]);
});

test("a window function gathers and tells", () => {
  const aboveMean = windowFunction({
    begin: () => [],
    element: (gathered, record) => void gathered.push(record),
    end(gathered, pane) {
      const values = gathered.map((record) => record.json());
      const mean = values.reduce((sum, value) => sum + value, 0) / pane.elements;
      for (const value of values) if (value > mean) pane.emit({ value, user: pane.keyText() });
    },
  });
  const told = new WindowFunctionHarness(aboveMean).fire("k", HOUR, ["1", "5", "2"]);
  assert.deepEqual(told.map(({ text, timestampMs }) => [text, timestampMs]), [['{"value":5,"user":"k"}', 3_599_999]]);
});

test("a watermark generator advances, idles and is told the time", () => {
  const marked = watermarkGenerator({
    state: int64,
    every: "1s",
    onRecord(record, partition) {
      partition.state = (partition.state ?? 0n) + 1n;
      if (record.headerText("late") === undefined) partition.advance(record.timestampMs - 1);
    },
    onTime: (partition) => partition.setIdle(),
  });
  const harness = new WatermarkHarness(marked);
  harness.read(0, { timestampMs: 10 }, { timestampMs: 20, headers: { late: "" } });
  assert.deepEqual([harness.watermarkMs(0), harness.isIdle(0)], [9, false]);
  harness.advanceNow(1_000);
  assert.equal(harness.isIdle(0), true);
  assert.throws(() => watermarkGenerator({ onRecord() {}, every: "1s" }), /both `every` and `onTime`/);
});
