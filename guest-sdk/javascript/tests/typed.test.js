import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_KEY, boolean, float64, int64, integer, json, operator, rawJson, same, utf8, value } from "millstream";
import { Harness } from "millstream/testing";

const fields = {
  state: { total: value.float64() },
  reads: { user: utf8.at("/user/id"), amount: float64, n: int64.optional, small: integer.optional, flag: boolean.optional, extra: rawJson.optional },
  writes: { user: utf8, total: float64, n: int64.optional.at("/next/n"), flag: boolean.optional, extra: rawJson.optional, list: json().optional },
};

const single = operator({
  ...fields,
  process(record, ctx) {
    const total = ctx.state.total.update((sum = 0) => sum + record.amount);
    const { n, flag, extra, small } = record;
    ctx.emit({ user: record.user, total, n: n && n + 1n, flag: flag === undefined ? null : !flag, extra, list: small && [small] });
  },
});

const whole = operator({
  ...fields,
  columns(batch, ctx) {
    const { user, amount, n, flag, extra, small } = batch.columns;
    batch.failKeyless();
    const totals = ctx.state.total.byGroup();
    const rows = [...user.values.keys()].filter((row) => batch.groups[row] !== NO_KEY);
    const total = rows.map((row) => {
      totals.changed[batch.groups[row]] = 1;
      return (totals.values[batch.groups[row]] += amount.values[row]);
    });
    const picked = (column, change) => rows.map((row) => (column.isNull(row) ? null : change(column.get(row))));
    batch.emit(
      {
        user: rows.map((row) => user.get(row)),
        total,
        n: picked(n, (n) => n + 1n),
        flag: picked(flag, (flag) => !flag),
        extra: picked(extra, (extra) => extra),
        list: picked(small, (small) => [small]),
      },
      { rows },
    );
  },
});

for (const [name, definition] of Object.entries({ single, whole })) {
  test(`typed fields are read and written: ${name}`, () => {
    const harness = new Harness(definition);
    const outcome = harness.send(
      { key: "a", json: { user: { id: "ann" }, amount: 1.5, n: 2n ** 60n, small: 7, flag: true, extra: { x: [1] } } },
      { key: "a", json: { user: { id: "näh" } } },
      { json: { user: { id: "ann" }, amount: 1 } },
      { key: "a", json: { user: { id: "näh" }, amount: 2, flag: false } },
    );
    assert.deepEqual(outcome.emitted.map(({ source, text }) => [source, text]), [
      [0, '{"user":"ann","total":1.5,"next":{"n":1152921504606846977},"flag":false,"extra":{"x":[1]},"list":[7]}'],
      [3, '{"user":"näh","total":3.5,"flag":true}'],
    ]);
    assert.deepEqual(outcome.failed, [
      { record: 1, reason: "/amount is missing" },
      { record: 2, reason: "this record has no key, and state is kept by key" },
    ]);
  });
}

test("whole batches hand columns on, and make new ones", () => {
  const doubled = operator({
    reads: { user: utf8, n: float64 },
    writes: { user: utf8, n: float64, twice: float64, label: utf8.optional, flag: boolean, none: int64.optional },
    columns(batch) {
      const { user, n } = batch.columns;
      const flag = Uint8Array.from(n.values, (n) => Number(n > 1));
      batch.emit({ user, n, twice: n.values.map((n) => 2 * n), label: user.values.map((text) => text || null), flag });
    },
  });
  const outcome = new Harness(doubled).send({ json: { user: "ann", n: 1 } }, { json: { user: "", n: 2.5 } });
  assert.deepEqual(outcome.emitted.map(({ text }) => text), [
    '{"user":"ann","n":1.0,"twice":2.0,"label":"ann","flag":false}',
    '{"user":"","n":2.5,"twice":5.0,"flag":true}',
  ]);
});

test("typed rows and others in one output are told alike", () => {
  const mixed = operator({
    rawValues: true,
    reads: { n: float64 },
    writes: { n: float64, text: utf8.optional.at("/a/b") },
    process(record, ctx) {
      ctx.emit(record.n < 2 ? { n: record.n, text: "t" } : same);
    },
  });
  const outcome = new Harness(mixed).send({ json: { n: 1 } }, { json: { n: 2 } });
  assert.deepEqual(outcome.emitted.map(({ text }) => text), ['{"n":1.0,"a":{"b":"t"}}', '{"n":2}']);
});

test("a row that lacks a field, or has another type, fails alone", () => {
  const wrong = operator({
    reads: { n: float64 },
    writes: { n: float64 },
    process: (record, ctx) => ctx.emit({ n: record.n === 1 ? undefined : record.n === 2 ? "2" : record.n }),
  });
  const outcome = new Harness(wrong).send({ json: { n: 1 } }, { json: { n: 2 } }, { json: { n: 3 } });
  assert.equal(outcome.emitted.length, 1);
  assert.deepEqual(outcome.failed.map(({ reason }) => reason), [
    "field `n` is missing in what is emitted, and not optional",
    'field `n` must be a number, and is the text "2"',
  ]);
});

test("integers beyond 2^53 fail their records alone, in a batch between others", () => {
  const program = operator({
    reads: { n: integer },
    writes: { n: integer },
    process({ n }, ctx) {
      ctx.emit({ n });
    },
  });
  const harness = new Harness(program);
  const of = (n) => ({ value: `{"n":${n}}` });
  for (let batch = 0; batch < 2; batch++) {
    assert.equal(harness.send(of(1), of(-9007199254740991)).failed.length, 0);
    const outcome = harness.send(of(7), of("9007199254740993"), of(8));
    assert.deepEqual(outcome.failed.map(({ reason }) => /beyond 2\^53/.test(reason)), [true]);
    assert.equal(outcome.emitted.length, 2);
  }
});
