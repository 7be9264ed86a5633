/* A window assigner: periods, quarters and years of 4-4-5 calendars, which begin on another day in each region.
 *
 * A fiscal year has 52 weeks, a quarter 13 of them, in periods of four, four and five. */

#include "millstream.h"

#include <stdlib.h>

static const int64_t WEEK_MS = 7LL * 24 * 3600 * 1000;
enum { QUARTER_WEEKS = 13, YEAR_WEEKS = 52 };

/* For each region the first millisecond of one of its years, as the configuration has it. */
static ms_bytes regions;
/* What to make windows of, in order. */
static enum span { PERIOD, QUARTER, YEAR } spans[8];
static uint32_t span_count;

static ms_status configure(ms_context *ctx, ms_bytes config) {
    static const char *const names[] = {"regions", "spans"};
    static const char *const known[] = {[PERIOD] = "period", [QUARTER] = "quarter", [YEAR] = "year"};
    ms_bytes values[2];
    if (!ms_json_members(ctx, config, names, 2, values, true)) return MS_FAILED;
    if (!values[0].data) return ms_fail(ctx, "`regions` is missing");
    for (ms_json_items items = ms_json_object(ctx, values[0]); ms_json_next(ctx, &items);) ms_json_int64(ctx, items.value);
    span_count = 0;
    for (ms_json_items items = ms_json_array(ctx, values[1]); ms_json_next(ctx, &items);) {
        ms_bytes name = ms_json_text(ctx, items.value);
        uint32_t span = PERIOD;
        while (span <= YEAR && !ms_is(name, known[span])) span++;
        if (span > YEAR || span_count == 8) return ms_fail(ctx, "a span `%.*s`", MS_ARGS(name));
        spans[span_count++] = span;
    }
    if (span_count == 0) return ms_fail(ctx, "`spans` must have `period`, `quarter` or `year`");
    uint8_t *copy = malloc(values[0].size);
    if (!copy) ms_panic("out of memory");
    memcpy(copy, values[0].data, values[0].size);
    regions = (ms_bytes){copy, values[0].size};
    return ms_result(ctx);
}

/* The remainder that is never negative. */
static int64_t within(int64_t number, int64_t of) { return (number % of + of) % of; }

static ms_status assign(ms_context *ctx, const ms_record *record, int64_t now_ms) {
    (void)now_ms;
    static const char *const names[] = {"region"};
    ms_bytes value;
    if (!ms_json_members(ctx, ms_text(ctx, record), names, 1, &value, false)) return MS_FAILED;
    ms_bytes region = ms_json_text(ctx, value);
    /* Not sold yet: in no window. */
    if (region.size == 0) return ms_result(ctx);
    int64_t begin_ms = INT64_MIN;
    for (ms_json_items items = ms_json_object(ctx, regions); ms_json_next(ctx, &items);) {
        if (ms_equal(items.name, region)) begin_ms = ms_json_int64(ctx, items.value);
    }
    if (begin_ms == INT64_MIN) return ms_fail(ctx, "there is no calendar for region `%.*s`", MS_ARGS(region));
    int64_t since_ms = record->timestamp_ms - begin_ms, week = (since_ms - within(since_ms, WEEK_MS)) / WEEK_MS;
    int64_t quarter = week - within(week, QUARTER_WEEKS), year = week - within(week, YEAR_WEEKS);
    for (uint32_t i = 0; i < span_count; i++) {
        int64_t first = spans[i] == YEAR ? year : quarter, weeks = spans[i] == YEAR ? YEAR_WEEKS : QUARTER_WEEKS;
        if (spans[i] == PERIOD) {
            int64_t period = (week - quarter) / 4 < 2 ? (week - quarter) / 4 : 2;
            first += 4 * period;
            weeks = period == 2 ? 5 : 4;
        }
        ms_assign(ctx, begin_ms + first * WEEK_MS, begin_ms + (first + weeks) * WEEK_MS);
    }
    return ms_result(ctx);
}

const ms_assigner fiscal_windows = {.configure = configure, .assign = assign};
MS_EXPORT_ASSIGNER(fiscal_windows);
