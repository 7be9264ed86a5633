/* Adds to each payment how often and how much its user has paid lately: the operator of examples/fraud, in C. */

#include "history.h"

#include <math.h>

enum { HISTORY };
/* Nothing in it matters two hours after the last payment. */
static const ms_state states[] = {[HISTORY] = {"history", MS_VALUE, .ttl_ms = 2 * 60 * 60 * 1000}};

enum { PAYMENT_ID, USER_ID, MERCHANT_ID, AMOUNT, CURRENCY, CARD_COUNTRY, TS, FIELDS };
static const char *const fields[] = {"payment_id", "user_id", "merchant_id", "amount", "currency", "card_country", "ts"};

static void put_features(ms_json_writer *out, const features *of) {
    ms_json_name(out, "features");
    ms_json_open(out, '{');
    ms_json_name(out, "count_5m");
    ms_json_put_int64(out, of->count_5m);
    ms_json_name(out, "spend_5m");
    ms_json_put_float64(out, of->spend_5m);
    ms_json_name(out, "count_1h");
    ms_json_put_int64(out, of->count_1h);
    ms_json_name(out, "spend_1h");
    ms_json_put_float64(out, of->spend_1h);
    ms_json_name(out, "since_last_ms");
    if (of->has_before) ms_json_put_int64(out, of->since_last_ms);
    else ms_json_put_null(out);
    ms_json_name(out, "country_changed");
    ms_json_put_bool(out, of->country_changed);
    ms_json_close(out, '}');
}

static ms_status process(ms_context *ctx, const ms_record *record) {
    ms_bytes payment[FIELDS];
    if (!ms_json_members(ctx, ms_text(ctx, record), fields, FIELDS, payment, false)) return MS_FAILED;
    for (int field = 0; field < FIELDS; field++) {
        if (!payment[field].data && field != CARD_COUNTRY) return ms_fail(ctx, "missing field `%s`", fields[field]);
    }
    ms_bytes user = ms_json_text(ctx, payment[USER_ID]), merchant = ms_json_text(ctx, payment[MERCHANT_ID]);
    ms_bytes currency = ms_json_text(ctx, payment[CURRENCY]), country = MS_NONE;
    if (payment[CARD_COUNTRY].data && !ms_json_is_null(payment[CARD_COUNTRY])) country = ms_json_text(ctx, payment[CARD_COUNTRY]);
    double amount = ms_json_float64(ctx, payment[AMOUNT]);
    int64_t ts_ms = ms_json_int64(ctx, payment[TS]);
    if (ms_failed(ctx)) return MS_FAILED;

    double cents = round(amount * 100);
    int64_t whole_cents = cents >= 0x1p63 ? INT64_MAX : cents < -0x1p63 ? INT64_MIN : (int64_t)cents;
    history past = history_read(ctx, ms_get(ctx, HISTORY));
    features found = history_add(&past, ts_ms, whole_cents, country);
    ms_put(ctx, HISTORY, history_stored(ctx, &past));

    ms_json_writer out = ms_json_begin(ctx);
    ms_json_open(&out, '{');
    ms_json_name(&out, "payment_id");
    ms_json_put_raw(&out, payment[PAYMENT_ID]);
    ms_json_name(&out, "user_id");
    ms_json_put_text(&out, user);
    ms_json_name(&out, "merchant_id");
    ms_json_put_text(&out, merchant);
    ms_json_name(&out, "amount");
    ms_json_put_float64(&out, amount);
    ms_json_name(&out, "currency");
    ms_json_put_text(&out, currency);
    if (country.data) {
        ms_json_name(&out, "card_country");
        ms_json_put_text(&out, country);
    }
    ms_json_name(&out, "ts");
    ms_json_put_int64(&out, ts_ms);
    put_features(&out, &found);
    ms_json_close(&out, '}');
    return ms_emit(ctx, ms_json_done(&out));
}

const ms_operator velocity = {.states = states, .state_count = 1, .process = process};
MS_EXPORT_OPERATOR(velocity);
