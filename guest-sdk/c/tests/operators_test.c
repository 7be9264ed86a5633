/* Outputs, failures, timers, logs: an operator whose value says what it does. */

#include "millstream_testing.h"

#include <inttypes.h>

enum { MAIN, OTHER };
enum { COUNT };

static ms_status process(ms_context *ctx, const ms_record *record) {
    ms_bytes value = record->value;
    const ms_header header = {MS_TEXT("h"), MS_TEXT("1")};
    for (uint32_t i = 0; i < value.size; i++) {
        switch (value.data[i]) {
        case 's': ms_emit_same(ctx, MAIN); break;
        case 'o': ms_emit_same(ctx, OTHER); break;
        case 'v': ms_emit(ctx, MS_TEXT("v")); break;
        case 'k': ms_emit_with(ctx, &(ms_output){.flags = MS_SAME, .key = MS_TEXT("k")}); break;
        case 'n': ms_emit_with(ctx, &(ms_output){.flags = MS_NO_KEY}); break;
        case 't': ms_emit_with(ctx, &(ms_output){.flags = MS_SAME | MS_AT, .timestamp_ms = 9}); break;
        case 'h': ms_emit_with(ctx, &(ms_output){.flags = MS_SAME, .headers = &header, .header_count = 1}); break;
        case 'x': ms_emit_with(ctx, &(ms_output){.flags = MS_SAME | MS_NO_HEADERS}); break;
        case 'c': ms_put_int64(ctx, COUNT, ms_get_int64(ctx, COUNT, 0) + 1); break;
        case 'e': ms_set_timer(ctx, MS_EVENT, MS_TEXT("e"), record->timestamp_ms + 10); break;
        case 'd': ms_delete_timer(ctx, MS_EVENT, MS_TEXT("e")); break;
        case 'l': ms_log(MS_INFO, "at %" PRId64, ms_now_ms(ctx)); break;
        case 'm': ms_count(ctx, "seen", 2), ms_gauge(ctx, "size", value.size); break;
        case '1': ms_fail(ctx, "first %d", 1); break;
        case '2': ms_fail(ctx, "second"); break;
        case 'b': ms_fail_batch(ctx, "all"); break;
        }
    }
    return ms_result(ctx);
}

static ms_status on_timer(ms_context *ctx, const ms_timer *timer) {
    return ms_emit_text(ctx, "%.*s %" PRId64, MS_ARGS(timer->name), timer->time_ms);
}

static const char *const outputs[] = {"main", "other"};
static const ms_state states[] = {{"count", MS_VALUE}};
static const ms_operator tested = {outputs, 2, MS_TABLE(states), .process = process, .on_timer = on_timer};

static ms_outcome send(ms_harness *harness, const char *const *values, uint32_t count) {
    static const ms_header header = {{(const uint8_t *)"in", 2}, {(const uint8_t *)"0", 1}};
    static const char *const keys[] = {"a", "bb", "ccc", "dddd"};
    static ms_input records[4];
    for (uint32_t i = 0; i < count; i++) {
        records[i] = (ms_input){ms_string(keys[i]), ms_string(values[i]), (int64_t)i, &header, 1};
    }
    return ms_send_all(harness, records, count);
}

void what_is_not_said_of_an_output_is_as_in_the_record(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    ms_outcome outcome = send(harness, (const char *const[]){"v", "knth", "x", "o"}, 4);
    MS_EXPECT(outcome.emitted_count == 7 && outcome.failed_count == 0);
    const ms_emitted *all = outcome.emitted;
    MS_EXPECT(ms_is(all[0].key, "a") && ms_is(all[0].value, "v") && all[0].timestamp_ms == 0);
    MS_EXPECT(all[0].header_count == 1 && ms_is(all[0].headers[0].name, "in"));
    MS_EXPECT(ms_is(all[1].key, "k") && ms_is(all[1].value, "knth") && all[1].timestamp_ms == 1);
    MS_EXPECT(!all[2].key.data && !all[2].value.data && all[2].source == 1);
    MS_EXPECT(ms_is(all[3].key, "bb") && all[3].timestamp_ms == 9);
    MS_EXPECT(all[4].header_count == 2 && ms_is(all[4].headers[1].value, "1") && all[4].timestamp_ms == 1);
    MS_EXPECT(all[5].header_count == 0 && ms_is(all[5].key, "ccc") && all[5].timestamp_ms == 2);
    MS_EXPECT(strcmp(all[6].output, "other") == 0 && all[6].header_count == 1 && ms_is(all[6].key, "dddd"));
}

/* Every way to mix inherited and own rows over four records: each must be as if it were alone. */
void rows_are_what_was_emitted_whatever_was_inherited(void) {
    static const char *const ways[] = {"", "s", "k", "vt", "hx", "ks1", "n"};
    enum { WAYS = sizeof(ways) / sizeof(ways[0]) };
    ms_harness *harness = ms_test(&tested, "{}");
    for (int mix = 0; mix < WAYS * WAYS * WAYS * WAYS; mix++) {
        const char *values[4];
        uint32_t expected = 0;
        for (int i = 0, rest = mix; i < 4; i++, rest /= WAYS) {
            values[i] = ways[rest % WAYS];
            if (!strchr(values[i], '1')) expected += (uint32_t)strlen(values[i]);
        }
        ms_outcome outcome = send(harness, values, 4);
        MS_EXPECT(outcome.emitted_count == expected);
        for (uint32_t i = 0; i < outcome.emitted_count; i++) {
            const ms_emitted *one = &outcome.emitted[i];
            static const char *const keys[] = {"a", "bb", "ccc", "dddd"};
            const char *value = values[one->source];
            uint32_t first = i;
            while (first > 0 && outcome.emitted[first - 1].source == one->source) first--;
            char way = value[i - first];
            MS_EXPECT(way == 'n' ? !one->key.data : ms_is(one->key, way == 'k' ? "k" : keys[one->source]));
            MS_EXPECT(way == 'n' ? !one->value.data : ms_is(one->value, way == 'v' ? "v" : value));
            MS_EXPECT(one->timestamp_ms == (way == 't' ? 9 : (int64_t)one->source));
            MS_EXPECT(one->header_count == (way == 'h' ? 2u : way == 'x' ? 0u : 1u));
        }
    }
}

void a_batch_that_passes_through_is_not_copied(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    ms_outcome outcome = send(harness, (const char *const[]){"s", "s", "s"}, 3);
    /* The values of all records lie side by side, as they came. */
    MS_EXPECT(outcome.emitted[1].value.data == outcome.emitted[0].value.data + 1);
    MS_EXPECT(outcome.emitted_count == 3 && ms_is(outcome.emitted[2].key, "ccc"));
}

void a_failing_record_undoes_what_it_did(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    ms_input records[] = {
        {.key = MS_TEXT("a"), .value = MS_TEXT("cs")},
        {.key = MS_TEXT("a"), .value = MS_TEXT("ccske1")},
        {.key = MS_TEXT("a"), .value = MS_TEXT("c")},
    };
    ms_outcome outcome = ms_send_all(harness, records, 3);
    MS_EXPECT(outcome.emitted_count == 1 && outcome.failed_count == 1);
    MS_EXPECT(outcome.failed[0].record == 1 && ms_is(outcome.failed[0].reason, "first 1"));
    MS_EXPECT(*ms_stored(harness, COUNT, "a").data == 2);
    MS_EXPECT(ms_advance_watermark(harness, 100).emitted_count == 0);
}

void the_first_reason_counts_and_a_batch_failure_wins(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    MS_EXPECT(ms_is(ms_send(harness, "a", "21").failed[0].reason, "second"));
    ms_outcome outcome = ms_send(harness, "a", "c1b");
    MS_EXPECT(ms_is(outcome.batch_failure, "all") && outcome.failed_count == 0);
    MS_EXPECT(!ms_stored(harness, COUNT, "a").data);
}

void timers_fire_in_order_and_move(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    ms_input records[] = {
        {.key = MS_TEXT("late"), .value = MS_TEXT("e"), .timestamp_ms = 90},
        {.key = MS_TEXT("a"), .value = MS_TEXT("e")},
        {.key = MS_TEXT("a"), .value = MS_TEXT("e"), .timestamp_ms = 5},
        {.key = MS_TEXT("gone"), .value = MS_TEXT("ed")},
    };
    ms_send_all(harness, records, 4);
    MS_EXPECT(ms_advance_watermark(harness, 14).emitted_count == 0);
    ms_outcome outcome = ms_advance_watermark(harness, 100);
    MS_EXPECT(outcome.emitted_count == 2 && ms_is(outcome.emitted[0].value, "e 15") && outcome.emitted[0].timestamp_ms == 15);
    MS_EXPECT(ms_is(outcome.emitted[1].key, "late") && ms_is(outcome.emitted[1].value, "e 100"));
    MS_EXPECT(ms_advance_watermark(harness, 1000).emitted_count == 0);
    MS_EXPECT(ms_is(ms_send(harness, NULL, "e").failed[0].reason, "this record has no key, and timers belong to a key"));
}

void logs_and_metrics_reach_the_host(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    ms_set_now(harness, 7);
    ms_send(harness, "a", "lm");
    ms_send(harness, "a", "mmm1");
    MS_EXPECT(strcmp(ms_log_line(harness, 0), "at 7") == 0 && !ms_log_line(harness, 1));
    MS_EXPECT(ms_counter_sum(harness, "seen") == 8);
    MS_EXPECT(ms_last_value(harness, "size") == 4);
}

void a_configuration_that_nobody_takes_is_refused(void) {
    MS_EXPECT(!ms_refusal(&tested, " { } ").data && !ms_refusal(&tested, "").data && !ms_refusal(&tested, "null").data);
    ms_bytes reason = ms_refusal(&tested, "{\"goal\": 1}");
    MS_EXPECT(ms_is(reason, "the configuration is refused: none is taken, and there is `goal`"));
}
