/* Parts of windows, by the programs of the conformance suite. */

#include "millstream_testing.h"

#include <stdio.h>

extern const ms_assigner fiscal_windows;
extern const ms_trigger threshold;
extern const ms_window_function top_spender;
extern const ms_generator marker_watermarks;

static const int64_t WEEK_MS = 7LL * 24 * 3600 * 1000;

static ms_assigned sale(const char *spans, const char *region, int64_t week) {
    static char config[200], value[100];
    snprintf(config, sizeof(config), "{\"regions\":{\"eu\":0,\"us\":604800000},\"spans\":%s}", spans);
    snprintf(value, sizeof(value), "{\"region\":\"%s\"}", region);
    return ms_assigned_to(&fiscal_windows, config, (ms_input){.value = ms_string(value), .timestamp_ms = week * WEEK_MS + 1});
}

static bool is_weeks(ms_pane window, int64_t start, int64_t end) {
    return window.start_ms == start * WEEK_MS && window.end_ms == end * WEEK_MS;
}

void records_are_assigned_windows(void) {
    const char *all = "[\"period\",\"quarter\",\"year\",\"year\"]";
    ms_assigned eu = sale(all, "eu", 13), us = sale(all, "us", 13);
    MS_EXPECT(eu.count == 3 && is_weeks(eu.windows[0], 13, 17) && is_weeks(eu.windows[1], 13, 26));
    MS_EXPECT(us.count == 3 && is_weeks(us.windows[0], 9, 14) && is_weeks(us.windows[2], 1, 53));
    MS_EXPECT(is_weeks(sale("[\"period\"]", "eu", -1).windows[0], -5, 0));
    MS_EXPECT(sale(all, "", 0).count == 0 && !sale(all, "", 0).failure.data);
    MS_EXPECT(ms_is(sale(all, "mars", 0).failure, "there is no calendar for region `mars`") && sale(all, "mars", 0).count == 0);
}

static ms_status backwards(ms_context *ctx, const ms_record *record, int64_t now_ms) {
    ms_assign(ctx, 0, 1);
    ms_assign(ctx, record->timestamp_ms, now_ms);
    return ms_result(ctx);
}

void a_window_that_ends_before_it_starts_fails_its_record(void) {
    static const ms_assigner tested = {.assign = backwards};
    ms_assigned assigned = ms_assigned_to(&tested, "{}", (ms_input){.value = MS_TEXT(""), .timestamp_ms = 5});
    MS_EXPECT(assigned.count == 0 && ms_is(assigned.failure, "a window that starts at 5 and ends at 0"));
}

static ms_verdict spend(ms_trigger_test *test, const char *amount) {
    static char value[64];
    snprintf(value, sizeof(value), "{\"amount\":%s}", amount);
    return ms_trigger_element(test, (ms_input){.value = ms_string(value)});
}

static const ms_pane HOUR = {.end_ms = 3600000};

void a_trigger_fires_past_its_limit_and_at_the_end(void) {
    ms_trigger_test test = ms_trigger_test_of(&threshold, "{\"field\":\"amount\",\"limit\":10,\"purge\":true}", HOUR);
    MS_EXPECT(spend(&test, "6") == MS_CONTINUE && test.state.size == 8 && test.event_time_ms == 3599999);
    MS_EXPECT(spend(&test, "5") == MS_FIRE_AND_PURGE && !test.state.data);
    MS_EXPECT(spend(&test, "3") == MS_CONTINUE);
    MS_EXPECT(ms_trigger_advance(&test, MS_EVENT, 3599998) == MS_CONTINUE);
    MS_EXPECT(ms_trigger_advance(&test, MS_EVENT, 3600000) == MS_FIRE_AND_PURGE);
    MS_EXPECT(!test.state.data && test.event_time_ms == MS_NEVER);
    MS_EXPECT(spend(&test, "3") == MS_CONTINUE && test.event_time_ms == MS_NEVER);
    MS_EXPECT(ms_trigger_advance(&test, MS_PROCESSING, 1) == MS_CONTINUE);
}

void a_record_that_fails_leaves_the_pane_as_it_was(void) {
    ms_trigger_test test = ms_trigger_test_of(&threshold, "{\"field\":\"amount\",\"limit\":10}", HOUR);
    MS_EXPECT(spend(&test, "\"x\"") == MS_CONTINUE && ms_begins(test.failure, "a number is expected"));
    MS_EXPECT(!test.state.data && test.event_time_ms == MS_NEVER);
    spend(&test, "6");
    MS_EXPECT(!test.failure.data && test.state.size == 8);
}

void panes_that_become_one_are_summed_up(void) {
    const char *config = "{\"field\":\"amount\",\"limit\":10}";
    ms_trigger_test parts[] = {
        ms_trigger_test_of(&threshold, config, (ms_pane){MS_TEXT("a"), 0, 10}),
        ms_trigger_test_of(&threshold, config, (ms_pane){MS_TEXT("a"), 8, 20}),
        ms_trigger_test_of(&threshold, config, (ms_pane){MS_TEXT("a"), 0, 20}),
    };
    spend(&parts[0], "4");
    spend(&parts[1], "4");
    MS_EXPECT(ms_trigger_merge(&parts[2], parts, 2) == MS_CONTINUE && parts[2].event_time_ms == 19);
    MS_EXPECT(spend(&parts[2], "4") == MS_FIRE);
}

static ms_fired told(const char *config, const char *const *amounts, uint32_t count) {
    static ms_input records[8];
    static char values[8][40];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(values[i], sizeof(values[i]), "{\"of\":%s,\"at\":%u}", amounts[i], i);
        records[i] = (ms_input){.value = ms_string(values[i])};
    }
    return ms_fire(&top_spender, config, (ms_pane){MS_TEXT("ada"), 0, 1000}, records, count);
}

void a_window_function_sees_all_records(void) {
    const char *config = "{\"field\":\"of\",\"top\":3}";
    ms_fired fired = told(config, (const char *const[]){"3", "7", "7", "7", "9"}, 5);
    MS_EXPECT(fired.count == 3 && ms_is(fired.values[0], "{\"of\":9,\"at\":4}") && ms_is(fired.values[2], "{\"of\":7,\"at\":2}"));
    MS_EXPECT(told(config, NULL, 0).count == 0);
    MS_EXPECT(ms_begins(told(config, (const char *const[]){"\"x\""}, 1).failure, "a number is expected"));
    MS_EXPECT(told(config, (const char *const[]){"1"}, 1).count == 1);
}

static ms_input at(int64_t timestamp_ms) { return (ms_input){.value = MS_TEXT("a record"), .timestamp_ms = timestamp_ms}; }

void a_generator_says_how_far_event_time_is(void) {
    ms_generator_test markers = ms_generator_test_of(&marker_watermarks, "{\"idle_ms\":5000}");
    ms_generator_read(&markers, (ms_input[]){at(10000), at(20000)}, 2);
    MS_EXPECT(markers.watermark_ms == INT64_MIN);
    ms_input marks[] = {{.value = MS_TEXT("{\"watermark_ms\":12000}")}, {.value = MS_TEXT("{\"watermark_ms\":9000}")}};
    ms_generator_read(&markers, marks, 2);
    MS_EXPECT(markers.watermark_ms == 12000);
    ms_generator_test largest = ms_generator_test_of(&marker_watermarks, "{\"behind_ms\":100,\"idle_ms\":5000}");
    ms_generator_read(&largest, (ms_input[]){at(1000), at(3000), at(2000)}, 3);
    ms_generator_read(&largest, (ms_input[]){at(2500)}, 1);
    MS_EXPECT(largest.watermark_ms == 2899);
}

void a_partition_is_idle_until_records_come(void) {
    ms_generator_test test = ms_generator_test_of(&marker_watermarks, "{\"idle_ms\":5000}");
    test.now_ms = 10000;
    ms_generator_read(&test, (ms_input[]){at(0)}, 1);
    ms_generator_tick(&test, 14000);
    MS_EXPECT(!test.is_idle);
    ms_generator_tick(&test, 15000);
    MS_EXPECT(test.is_idle);
    ms_generator_read(&test, (ms_input[]){at(0)}, 1);
    MS_EXPECT(!test.is_idle);
}
