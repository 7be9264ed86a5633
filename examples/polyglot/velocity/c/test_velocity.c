/* Tests of the velocity operator: those of its Rust twin. */

#include "millstream_testing.h"

#include <inttypes.h>
#include <stdio.h>

extern const ms_operator velocity;
static const int64_t start_ms = 1700000040000;

static ms_input payment(const char *user, int64_t ts_ms, const char *amount, const char *country) {
    static char texts[8][256];
    static int next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof(texts[0]),
             "{\"payment_id\":%" PRId64 ",\"user_id\":\"%s\",\"merchant_id\":\"m1\",\"amount\":%s,\"currency\":\"EUR\","
             "\"card_country\":%s,\"ts\":%" PRId64 "}", ts_ms, user, amount, country, ts_ms);
    return (ms_input){.key = ms_string(user), .value = ms_string(text), .timestamp_ms = ts_ms};
}

static void each_payment_comes_out_with_its_users_features(void) {
    ms_harness *harness = ms_test(&velocity, "{}");
    ms_input records[] = {
        payment("a", start_ms, "10.10", "\"DE\""),
        payment("b", start_ms, "99", "null"),
        payment("a", start_ms + 1000, "0.20", "\"BR\""),
    };
    ms_outcome outcome = ms_send_all(harness, records, 3);
    MS_EXPECT(outcome.emitted_count == 3);
    MS_EXPECT(ms_is(outcome.emitted[1].value,
                    "{\"payment_id\":1700000040000,\"user_id\":\"b\",\"merchant_id\":\"m1\",\"amount\":99.0,\"currency\":\"EUR\","
                    "\"ts\":1700000040000,\"features\":{\"count_5m\":1,\"spend_5m\":99.0,\"count_1h\":1,\"spend_1h\":99.0,"
                    "\"since_last_ms\":null,\"country_changed\":false}}"));
    MS_EXPECT(ms_is(outcome.emitted[2].value,
                    "{\"payment_id\":1700000041000,\"user_id\":\"a\",\"merchant_id\":\"m1\",\"amount\":0.2,\"currency\":\"EUR\","
                    "\"card_country\":\"BR\",\"ts\":1700000041000,\"features\":{\"count_5m\":2,\"spend_5m\":10.3,\"count_1h\":2,"
                    "\"spend_1h\":10.3,\"since_last_ms\":1000,\"country_changed\":true}}"));
    MS_EXPECT(ms_is(ms_stored(harness, 0, "a"), "{\"m\":[[28333334,2,1030]],\"l\":1700000041000,\"c\":\"BR\"}"));
}

static void windows_slide_with_the_payments_own_time(void) {
    static const int64_t minutes[] = {0, 4, 5, 3, 59, 60, 500}, short_ones[] = {1, 2, 2, 2, 1, 2, 1}, long_ones[] = {1, 2, 3, 2, 5, 5, 1};
    ms_harness *harness = ms_test(&velocity, "{}");
    for (int i = 0; i < 7; i++) {
        ms_input record = payment("a", start_ms + minutes[i] * 60000, "1", "\"DE\"");
        ms_bytes value = ms_only(ms_send_all(harness, &record, 1));
        char expected[80];
        snprintf(expected, sizeof(expected), "\"count_5m\":%" PRId64 ",\"spend_5m\":%" PRId64 ".0,\"count_1h\":%" PRId64 ",",
                 short_ones[i], short_ones[i], long_ones[i]);
        MS_EXPECT(strstr((const char *)ms_format(NULL, "%.*s", MS_ARGS(value)).data, expected));
    }
}

static void what_is_no_payment_leaves_no_trace(void) {
    ms_harness *harness = ms_test(&velocity, "{}");
    ms_outcome outcome = ms_send(harness, "a", "{}");
    MS_EXPECT(ms_is(outcome.failed[0].reason, "missing field `payment_id`") && !ms_stored(harness, 0, "a").data);
}

static void a_user_who_is_long_gone_is_forgotten(void) {
    ms_harness *harness = ms_test(&velocity, "{}");
    ms_input record = payment("a", start_ms, "1", "\"DE\"");
    ms_send_all(harness, &record, 1);
    ms_set_now(harness, 7200000);
    MS_EXPECT(!ms_stored(harness, 0, "a").data);
}

int main(void) {
    each_payment_comes_out_with_its_users_features();
    windows_slide_with_the_payments_own_time();
    what_is_no_payment_leaves_no_trace();
    a_user_who_is_long_gone_is_forgotten();
    puts("ok: 4 tests");
    return 0;
}
