/* The conformance operator `probe`; what each mode does is said in tests/conformance/README.md. */

#include "probe.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *const modes[] = {"echo",   "drop",  "route",  "twice",  "bare", "tombstone", "count",
                                    "add",    "forget", "note",  "fields", "items", "timers",   "fail",
                                    "crash",  "loop",  "memory", "log",    "metrics", "clock",  "json"};
enum {
    ECHO, DROP, ROUTE, TWICE, BARE, TOMBSTONE, COUNT_MODE, ADD, FORGET, NOTE_MODE, FIELDS_MODE, ITEMS_MODE, TIMERS,
    FAIL, CRASH, LOOP, MEMORY, LOG, METRICS, CLOCK, JSON, MODES
};
static int mode;

static ms_status configure(ms_context *ctx, ms_bytes config) {
    static const char *const names[] = {"mode"};
    ms_bytes values[1];
    if (!ms_json_members(ctx, config, names, 1, values, true)) return MS_FAILED;
    if (!values[0].data) return ms_fail(ctx, "missing field `mode`");
    ms_bytes name = ms_json_text(ctx, values[0]);
    for (mode = 0; mode < MODES; mode++) {
        if (ms_is(name, modes[mode])) return ms_result(ctx);
    }
    return ms_fail(ctx, "unknown mode `%.*s`", MS_ARGS(name));
}

bool probe_integer(ms_bytes text, int64_t *value) {
    bool negative = text.size > 0 && text.data[0] == '-';
    uint32_t at = text.size > 0 && (negative || text.data[0] == '+');
    if (at == text.size) return false;
    *value = 0;
    for (; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') return false;
        int64_t digit = text.data[at] - '0';
        if (__builtin_mul_overflow(*value, 10, value)) return false;
        if (__builtin_add_overflow(*value, negative ? -digit : digit, value)) return false;
    }
    return true;
}

static ms_status add(ms_context *ctx, int64_t by) {
    int64_t sum;
    if (__builtin_add_overflow(ms_get_int64(ctx, COUNT, 0), by, &sum)) return ms_fail(ctx, "the sum is too large");
    ms_put_int64(ctx, COUNT, sum);
    return ms_emit_text(ctx, "%" PRId64, sum);
}

static ms_status add_value(ms_context *ctx, const ms_record *record) {
    int64_t by;
    ms_bytes text = ms_text(ctx, record);
    if (ms_failed(ctx)) return MS_FAILED;
    return probe_integer(text, &by) ? add(ctx, by) : ms_fail(ctx, "not an integer: `%.*s`", MS_ARGS(text));
}

static ms_status twice(ms_context *ctx, const ms_record *record) {
    ms_emit_same(ctx, MAIN);
    const ms_header copy = {MS_TEXT("copy"), MS_TEXT("1")};
    return ms_emit_with(ctx, &(ms_output){.flags = MS_SAME | MS_AT,
                                          .key = MS_TEXT("second"),
                                          .timestamp_ms = record->timestamp_ms + 1,
                                          .headers = &copy,
                                          .header_count = 1});
}

static ms_status note(ms_context *ctx, const ms_record *record) {
    ms_bytes text = ms_text(ctx, record);
    if (ms_failed(ctx)) return MS_FAILED;
    if (text.size > 0) {
        ms_put(ctx, NOTE, text);
        return MS_OK;
    }
    ms_bytes stored = ms_get(ctx, NOTE);
    return ms_emit(ctx, stored.data ? stored : MS_TEXT("none"));
}

static ms_status fail(ms_context *ctx, const ms_record *record) {
    add(ctx, 1);
    if (!ms_begins(record->value, "bad")) return MS_OK;
    ms_bytes text = ms_text(ctx, record);
    return ms_fail(ctx, "%.*s", MS_ARGS(text));
}

/* Where what keeps an optimiser from seeing through a crash is stored. */
static volatile uint8_t *volatile kept;

static void misbehave(void) {
    if (mode == CRASH) ms_panic("boom");
    while (mode == LOOP) (void)kept;
    for (;;) {
        enum { PIECE = 1 << 20 };
        kept = malloc(PIECE);
        if (!kept) abort();
        for (int i = 0; i < PIECE; i += 4096) kept[i] = 1;
    }
}

static ms_status write_log(ms_context *ctx, const ms_record *record) {
    int64_t lines;
    ms_bytes text = ms_text(ctx, record);
    if (ms_failed(ctx)) return MS_FAILED;
    if (!probe_integer(text, &lines)) return ms_fail(ctx, "not an integer: `%.*s`", MS_ARGS(text));
    for (int64_t line = 0; line < lines; line++) ms_log(MS_INFO, "line %" PRId64, line);
    return ms_emit_same(ctx, MAIN);
}

static ms_status metrics(ms_context *ctx, const ms_record *record) {
    ms_count(ctx, "probes", 1);
    ms_gauge(ctx, "size", record->value.size);
    ms_observe(ctx, "sizes", record->value.size);
    return ms_emit_same(ctx, MAIN);
}

static ms_status json(ms_context *ctx, const ms_record *record) {
    static const char *const names[] = {"n", "s"};
    ms_bytes values[2];
    if (!ms_json_members(ctx, ms_text(ctx, record), names, 2, values, false)) return MS_FAILED;
    for (int i = 0; i < 2; i++) {
        if (!values[i].data) return ms_fail(ctx, "missing field `%s`", names[i]);
    }
    int64_t n = ms_json_int64(ctx, values[0]);
    ms_bytes s = ms_json_text(ctx, values[1]);
    if (ms_failed(ctx)) return MS_FAILED;
    if (__builtin_add_overflow(n, 1, &n)) return ms_fail(ctx, "`n` is too large");
    ms_json_writer out = ms_json_begin(ctx);
    ms_json_open(&out, '{');
    ms_json_name(&out, "n");
    ms_json_put_int64(&out, n);
    ms_json_name(&out, "s");
    ms_json_put_text(&out, s);
    ms_json_close(&out, '}');
    return ms_emit(ctx, ms_json_done(&out));
}

static ms_status process(ms_context *ctx, const ms_record *record) {
    switch (mode) {
    case DROP: return MS_OK;
    case ROUTE: return ms_emit_same(ctx, ms_begins(record->value, "other") ? OTHER : MAIN);
    case TWICE: return twice(ctx, record);
    case BARE: return ms_emit_with(ctx, &(ms_output){.flags = MS_SAME | MS_NO_KEY | MS_NO_HEADERS});
    case TOMBSTONE: return ms_emit(ctx, MS_NONE);
    case COUNT_MODE: return add(ctx, 1);
    case ADD: return add_value(ctx, record);
    case FORGET: ms_remove(ctx, COUNT); return MS_OK;
    case NOTE_MODE: return note(ctx, record);
    case FIELDS_MODE: return probe_fields(ctx, ms_text(ctx, record));
    case ITEMS_MODE: return probe_items(ctx, ms_text(ctx, record));
    case TIMERS: return probe_timers(ctx, ms_text(ctx, record));
    case FAIL: return fail(ctx, record);
    case CRASH:
    case LOOP:
    case MEMORY:
        if (ms_is(record->value, modes[mode])) misbehave();
        return ms_emit_same(ctx, MAIN);
    case LOG: return write_log(ctx, record);
    case METRICS: return metrics(ctx, record);
    case CLOCK: return ms_emit_text(ctx, "%" PRId64 " %" PRIu64, ms_now_ms(ctx), ms_random(ctx));
    case JSON: return json(ctx, record);
    default: return ms_emit_same(ctx, MAIN);
    }
}

static ms_status on_timer(ms_context *ctx, const ms_timer *timer) {
    const char *clock = timer->clock == MS_EVENT ? "event" : "processing";
    return ms_emit_text(ctx, "%s %.*s %" PRId64, clock, MS_ARGS(timer->name), timer->time_ms);
}

static const char *const outputs[] = {"main", "other"};
static const ms_state states[] = {
    [COUNT] = {"count", MS_VALUE},
    [NOTE] = {"note", MS_VALUE, .ttl_ms = 60000, .on_demand = true},
    [FIELDS] = {"fields", MS_MAP},
    [ITEMS] = {"items", MS_LIST},
};

const ms_operator probe = {
    .outputs = outputs,
    .output_count = 2,
    .states = states,
    .state_count = 4,
    .configure = configure,
    .process = process,
    .on_timer = on_timer,
};
MS_EXPORT_OPERATOR(probe);
