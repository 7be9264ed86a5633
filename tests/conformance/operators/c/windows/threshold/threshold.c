/* A trigger: fires when the sum of a field since it last fired passes a limit, and at the end of the window. */

#include "millstream.h"

#include <stdlib.h>

/* The field of the records that is summed up. */
static char *field;
static double limit;
static ms_verdict fire;

static ms_status configure(ms_context *ctx, ms_bytes config) {
    enum { FIELD, LIMIT, PURGE, MEMBERS };
    static const char *const names[] = {[FIELD] = "field", [LIMIT] = "limit", [PURGE] = "purge"};
    ms_bytes values[MEMBERS];
    if (!ms_json_members(ctx, config, names, MEMBERS, values, true)) return MS_FAILED;
    if (!values[FIELD].data || !values[LIMIT].data) return ms_fail(ctx, "`field` and `limit` are needed");
    ms_bytes name = ms_json_text(ctx, values[FIELD]);
    limit = ms_json_float64(ctx, values[LIMIT]);
    if (!ms_failed(ctx) && limit <= 0) return ms_fail(ctx, "`limit` must be positive, and is %g", limit);
    /* What the results are about came since the one before. */
    fire = values[PURGE].data && ms_json_bool(ctx, values[PURGE]) ? MS_FIRE_AND_PURGE : MS_FIRE;
    free(field);
    field = calloc(1, (size_t)name.size + 1);
    if (!field) ms_panic("out of memory");
    memcpy(field, name.data, name.size);
    return ms_result(ctx);
}

/* The sum since it last fired. */
typedef struct {
    double sum;
} state;

/* Unless that is over, as it is with a late record. */
static void ask_at_end(ms_trigger_pane *pane) {
    int64_t last_ms = pane->pane.end_ms - 1;
    if (pane->watermark_ms < last_ms) pane->event_time_ms = last_ms;
}

static ms_verdict verdict(state *of) {
    if (of->sum <= limit) return MS_CONTINUE;
    of->sum = 0;
    return fire;
}

static ms_verdict on_element(ms_context *ctx, ms_trigger_pane *pane, const ms_record *record) {
    ask_at_end(pane);
    const char *const names[] = {field};
    ms_bytes amount;
    if (!ms_json_members(ctx, ms_text(ctx, record), names, 1, &amount, false)) return MS_CONTINUE;
    state *of = pane->state;
    /* What changed of the pane is undone. */
    if (!amount.data) ms_fail(ctx, "there is no number `%s`", field);
    of->sum += amount.data ? ms_json_float64(ctx, amount) : 0;
    return verdict(of);
}

static ms_verdict on_event_time(ms_context *ctx, ms_trigger_pane *pane, int64_t time_ms) {
    (void)ctx, (void)time_ms;
    ((state *)pane->state)->sum = 0;
    return fire;
}

static ms_verdict on_merge(ms_context *ctx, ms_trigger_pane *into, const ms_trigger_pane *from, uint32_t count) {
    (void)ctx;
    state *of = into->state;
    for (uint32_t i = 0; i < count; i++) of->sum += ((const state *)from[i].state)->sum;
    ask_at_end(into);
    return verdict(of);
}

const ms_trigger threshold = {
    .size = sizeof(state), .configure = configure, .on_element = on_element, .on_event_time = on_event_time, .on_merge = on_merge,
};
MS_EXPORT_TRIGGER(threshold);
