/**
 * Adds to each payment how often and how much its user has paid lately: the operator velocity of the fraud example in
 * JavaScript, with the same outputs and the same stored history to the byte.
 */

import { boolean, float64, int64, integer, operator, rawJson, utf8, value } from "millstream";

import { History } from "./history.js";

export default operator({
  // Nothing in it matters two hours after the last payment.
  state: { history: value.json({ ttl: "2h" }) },
  reads: {
    payment_id: rawJson,
    user_id: utf8,
    merchant_id: utf8,
    amount: float64,
    currency: utf8,
    card_country: utf8.optional,
    ts: int64,
  },
  writes: {
    payment_id: rawJson,
    user_id: utf8,
    merchant_id: utf8,
    amount: float64,
    currency: utf8,
    card_country: utf8.optional,
    ts: int64,
    count_5m: integer.at("/features/count_5m"),
    spend_5m: float64.at("/features/spend_5m"),
    count_1h: integer.at("/features/count_1h"),
    spend_1h: float64.at("/features/spend_1h"),
    // As JSON, since it is there also where it is null.
    since_last_ms: rawJson.at("/features/since_last_ms"),
    country_changed: boolean.at("/features/country_changed"),
  },

  process(record, ctx) {
    const { payment_id, user_id, merchant_id, amount, currency, card_country, ts } = record;
    const history = new History(ctx.state.history.get());
    const features = history.add(Number(ts), roundHalfAway(amount * 100), card_country);
    ctx.state.history.set(history);
    ctx.emit({ payment_id, user_id, merchant_id, amount, currency, card_country, ts, ...features });
  },
});

/** The nearest whole number, away from zero where two are as near. */
function roundHalfAway(number) {
  return Math.sign(number) * Math.round(Math.abs(number));
}
