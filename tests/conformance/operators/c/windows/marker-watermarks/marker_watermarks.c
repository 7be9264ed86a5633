/* A watermark generator: markers among the records say how far event time has come, or the largest timestamp does. */

#include "millstream.h"

/* How far the watermark stays behind the largest timestamp, and whether it follows it at all. */
static int64_t behind_ms;
static bool follows;
/* How long no record may come until the partition is idle. */
static int64_t idle_ms;

static ms_status configure(ms_context *ctx, ms_bytes config) {
    static const char *const names[] = {"behind_ms", "idle_ms"};
    ms_bytes values[2];
    if (!ms_json_members(ctx, config, names, 2, values, true)) return MS_FAILED;
    follows = values[0].data && !ms_json_is_null(values[0]);
    behind_ms = follows ? ms_json_int64(ctx, values[0]) : 0;
    if (!values[1].data) return ms_fail(ctx, "`idle_ms` is missing");
    idle_ms = ms_json_int64(ctx, values[1]);
    if (!ms_failed(ctx) && idle_ms <= 0) return ms_fail(ctx, "`idle_ms` must be positive, and is %lld", (long long)idle_ms);
    if (!ms_failed(ctx) && behind_ms < 0) return ms_fail(ctx, "`behind_ms` must not be negative");
    return ms_result(ctx);
}

typedef struct {
    bool has_largest;
    int64_t largest_ms;
    int64_t last_ms;  /* by the host's clock */
} seen;

static ms_status on_record(ms_context *ctx, ms_partition *partition, const ms_record *record) {
    seen *state = partition->state;
    state->last_ms = partition->now_ms;
    /* What is no object is no marker either: a failure would stop the pipeline. */
    if (record->value.size > 0 && record->value.data[0] == '{') {
        static const char *const names[] = {"watermark_ms"};
        ms_bytes mark;
        if (!ms_json_members(ctx, ms_text(ctx, record), names, 1, &mark, false)) return MS_FAILED;
        if (mark.data) {
            ms_advance(partition, ms_json_int64(ctx, mark));
            return ms_result(ctx);
        }
    }
    if (!state->has_largest || record->timestamp_ms > state->largest_ms) state->largest_ms = record->timestamp_ms;
    state->has_largest = true;
    if (follows) ms_advance(partition, state->largest_ms - behind_ms - 1);
    return MS_OK;
}

static ms_status on_time(ms_context *ctx, ms_partition *partition) {
    const seen *state = partition->state;
    if (partition->now_ms - state->last_ms >= idle_ms) ms_set_idle(partition);
    return ms_result(ctx);
}

const ms_generator marker_watermarks = {
    .size = sizeof(seen), .every_ms = 1000, .configure = configure, .on_record = on_record, .on_time = on_time,
};
MS_EXPORT_GENERATOR(marker_watermarks);
