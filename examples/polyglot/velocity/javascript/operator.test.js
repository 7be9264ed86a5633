import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness } from "millstream/testing";

import { History } from "./history.js";
import velocity from "./operator.js";

const START_MS = 1_700_000_040_000;
const payment = (user, ts, amount, card_country) => ({
  key: user,
  timestampMs: ts,
  value: `{"payment_id":${ts},"user_id":"${user}","merchant_id":"m1","amount":${amount},"currency":"EUR","card_country":${JSON.stringify(card_country)},"ts":${ts}}`,
});

test("each payment comes out with its user's features", () => {
  const outcome = new Harness(velocity).send(
    payment("a", START_MS, "10.10", "DE"),
    payment("b", START_MS, "99", "DE"),
    { value: "{}", key: "a" },
    payment("a", START_MS + 1_000, "0.20", null),
    payment("a", START_MS + 2_000, "1", "BR"),
  );
  assert.deepEqual(outcome.failed.map(({ record }) => record), [2]);
  const texts = outcome.emitted.map(({ text }) => text);
  assert.equal(
    texts[1],
    `{"payment_id":${START_MS},"user_id":"b","merchant_id":"m1","amount":99.0,"currency":"EUR","card_country":"DE","ts":${START_MS},"features":{"count_5m":1,"spend_5m":99.0,"count_1h":1,"spend_1h":99.0,"since_last_ms":null,"country_changed":false}}`,
  );
  assert.match(texts[2], /"currency":"EUR","ts":1700000041000,"features":\{"count_5m":2,"spend_5m":10\.3,.*"since_last_ms":1000,"country_changed":false/);
  assert.match(texts[3], /"count_5m":3,"spend_5m":11\.3,.*"country_changed":true/);
});

test("windows slide with the payments' own time", () => {
  const harness = new Harness(velocity);
  const counts = (minutes) => {
    const { features } = harness.send(payment("a", START_MS + minutes * 60_000, "1", "DE")).only().json();
    return [features.count_5m, features.count_1h];
  };
  assert.deepEqual([0, 4, 5, 3, 59, 60, 500].map(counts), [[1, 1], [2, 2], [2, 3], [2, 2], [1, 5], [2, 5], [1, 1]]);
});

test("the stored form is that of every language", () => {
  const history = new History();
  history.add(60_000, 1_050, "DE");
  history.add(120_001, 200, "DE");
  history.add(61_000, 1, "FR");
  assert.equal(JSON.stringify(history), '{"m":[[1,2,1051],[2,1,200]],"l":120001,"c":"DE"}');
});
