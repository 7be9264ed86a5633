/* Typed fields, and aggregators. */

#include "millstream_testing.h"

#include <stdio.h>

extern const ms_operator typed, typed_columns;
extern const ms_aggregator sums;

static void typed_by(const ms_operator *tested) {
    ms_harness *harness = ms_test(tested, "{}");
    ms_input records[] = {
        {.key = MS_TEXT("u"), .value = MS_TEXT("{\"user\":\"a\\\"b\",\"amount\":1,\"n\":9007199254740993,\"flag\":false,\"extra\":[1, {}]}")},
        {.key = MS_TEXT("u"), .value = MS_TEXT("{\"user\":\"\",\"amount\":2.5,\"n\":null}")},
        {.key = MS_TEXT("u"), .value = MS_TEXT("{\"user\":\"x\"}")},
        {.key = MS_TEXT("v"), .value = MS_TEXT("{\"user\":\"y\",\"amount\":-1,\"n\":-1,\"flag\":true}"), .timestamp_ms = 3},
    };
    ms_outcome outcome = ms_send_all(harness, records, 4);
    MS_EXPECT(!outcome.batch_failure.data && outcome.emitted_count == 3 && outcome.failed_count == 1);
    MS_EXPECT(outcome.failed[0].record == 2 && ms_is(outcome.failed[0].reason, "field `/amount` is missing"));
    MS_EXPECT(ms_is(outcome.emitted[0].value, "{\"user\":\"a\\\"b\",\"total\":1.0,\"next\":{\"n\":9007199254740994,\"flag\":true},"
                                              "\"label\":\"n=9007199254740993\",\"extra\":[1, {}]}"));
    MS_EXPECT(ms_is(outcome.emitted[1].value, "{\"user\":\"\",\"total\":3.5}"));
    MS_EXPECT(ms_is(outcome.emitted[2].value, "{\"user\":\"y\",\"total\":-1.0,\"next\":{\"n\":0,\"flag\":false},\"label\":\"n=-1\"}"));
    MS_EXPECT(outcome.emitted[2].source == 3 && outcome.emitted[2].timestamp_ms == 3 && ms_is(outcome.emitted[2].key, "v"));
}

/* One record that fails leaves the others, and nothing of its own. */
static void failing_by(const ms_operator *tested) {
    ms_harness *harness = ms_test(tested, "{}");
    ms_input records[] = {
        {.key = MS_TEXT("u"), .value = MS_TEXT("{\"user\":\"u\",\"amount\":1e308}")},
        {.key = MS_TEXT("u"), .value = MS_TEXT("{\"user\":\"u\",\"amount\":1e308}")},
        {.value = MS_TEXT("{\"user\":\"u\",\"amount\":1}")},
        {.key = MS_TEXT("v"), .value = MS_TEXT("{\"user\":\"v\",\"amount\":1,\"n\":9223372036854775807}")},
        {.key = MS_TEXT("v"), .value = MS_TEXT("{\"user\":\"v\",\"amount\":2,\"n\":1,\"flag\":true,\"extra\":0}")},
    };
    ms_outcome outcome = ms_send_all(harness, records, 5);
    MS_EXPECT(outcome.emitted_count == 2 && outcome.failed_count == 3);
    MS_EXPECT(ms_is(outcome.failed[0].reason, "field `/total`: inf has no form in JSON") && outcome.failed[0].record == 1);
    MS_EXPECT(ms_is(outcome.failed[2].reason, "`n` is too large") && outcome.failed[2].record == 3);
    MS_EXPECT(ms_is(outcome.emitted[0].value, "{\"user\":\"u\",\"total\":1e+308}"));
    MS_EXPECT(ms_is(outcome.emitted[1].value, "{\"user\":\"v\",\"total\":2.0,\"next\":{\"n\":2,\"flag\":false},\"label\":\"n=1\",\"extra\":0}"));
}

void a_failing_record_leaves_the_others(void) {
    failing_by(&typed);
    failing_by(&typed_columns);
}

void typed_fields_are_read_and_written_by_records(void) { typed_by(&typed); }

void typed_fields_are_read_and_written_by_columns(void) { typed_by(&typed_columns); }

static ms_status lacking(ms_context *ctx, const ms_record *record) {
    if (ms_int64(record, 0) != 2) ms_set_int64(ctx, 0, ms_int64(record, 0));
    ms_set_bool(ctx, 1, true);
    return ms_emit_row(ctx, &(ms_output){.key = MS_TEXT("k")});
}

void a_row_that_lacks_a_field_fails_its_record(void) {
    static const ms_field reads[] = {{"/n", MS_INT64}}, writes[] = {{"/n", MS_INT64}, {"/yes", MS_BOOLEAN, .optional = true}};
    static const ms_operator tested = {.reads = reads, .read_count = 1, .writes = writes, .write_count = 2, .process = lacking};
    ms_harness *harness = ms_test(&tested, "{}");
    ms_input records[20];
    static char values[20][16];
    for (int i = 0; i < 20; i++) {
        snprintf(values[i], sizeof(values[i]), "{\"n\":%d}", i % 3);
        records[i] = (ms_input){.value = ms_string(values[i])};
    }
    ms_outcome outcome = ms_send_all(harness, records, 20);
    MS_EXPECT(outcome.emitted_count == 14 && outcome.failed_count == 6);
    MS_EXPECT(ms_is(outcome.failed[0].reason, "field `/n` is not optional, and is not set"));
    MS_EXPECT(ms_is(outcome.emitted[13].value, "{\"n\":1,\"yes\":true}") && ms_is(outcome.emitted[13].key, "k"));
}

void accumulators_add_merge_and_retract(void) {
    ms_tally tally = ms_tally_of(&sums, "{}"), other = ms_tally_of(&sums, "{}");
    ms_tally_add(&tally, (ms_input){.value = MS_TEXT("40")});
    ms_tally_add(&tally, (ms_input){.value = MS_TEXT("x")});
    MS_EXPECT(ms_is(tally.failure, "not an integer: `x`"));
    ms_tally_add(&other, (ms_input){.value = MS_TEXT("5")});
    ms_tally_retract(&other, (ms_input){.value = MS_TEXT("3")});
    ms_tally_merge(&tally, &other);
    MS_EXPECT(!other.failure.data && ms_equal(tally.accumulator, MS_TEXT("\x2a\0\0\0\0\0\0\0")));
    MS_EXPECT(ms_is(ms_tally_result(&tally, (ms_pane){.end_ms = 10}), "42"));
}

static ms_status append(ms_context *ctx, ms_accumulator *accumulator, const ms_record *record) {
    uint32_t before = accumulator->size;
    ms_resize(ctx, accumulator, before + record->value.size);
    memcpy(accumulator->data + before, record->value.data, record->value.size);
    return ms_is(record->value, "no") ? ms_fail(ctx, "no") : MS_OK;
}

static ms_status join(ms_context *ctx, ms_accumulator *into, ms_bytes from) {
    uint32_t before = into->size;
    ms_resize(ctx, into, before + from.size);
    memcpy(into->data + before, from.data, from.size);
    return MS_OK;
}

static ms_status whole(ms_context *ctx, ms_bytes accumulator, const ms_pane *pane, ms_bytes *value) {
    *value = ms_format(ctx, "%.*s until %d", MS_ARGS(accumulator), (int)pane->end_ms);
    return MS_OK;
}

void accumulators_may_grow(void) {
    static const ms_aggregator texts = {.add = append, .merge = join, .result = whole};
    ms_tally tally = ms_tally_of(&texts, "{}");
    ms_tally_add(&tally, (ms_input){.value = MS_TEXT("ab")});
    ms_tally_add(&tally, (ms_input){.value = MS_TEXT("no")});
    ms_tally_add(&tally, (ms_input){.value = MS_TEXT("c")});
    ms_tally_merge(&tally, &tally);
    MS_EXPECT(ms_is(ms_tally_result(&tally, (ms_pane){.end_ms = 5}), "abcabc until 5"));
}
