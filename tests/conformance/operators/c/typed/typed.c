/* The conformance operator `typed`, by single records. */

#include "millstream.h"

#include <inttypes.h>

enum { USER, AMOUNT, N, FLAG, EXTRA };
static const ms_field reads[] = {
    [USER] = {"/user", MS_UTF8},
    [AMOUNT] = {"/amount", MS_FLOAT64},
    [N] = {"/n", MS_INT64, .optional = true},
    [FLAG] = {"/flag", MS_BOOLEAN, .optional = true},
    [EXTRA] = {"/extra", MS_BYTES, .optional = true},
};

enum { OUT_USER, OUT_TOTAL, OUT_N, OUT_FLAG, OUT_LABEL, OUT_EXTRA };
static const ms_field writes[] = {
    [OUT_USER] = {"/user", MS_UTF8},
    [OUT_TOTAL] = {"/total", MS_FLOAT64},
    [OUT_N] = {"/next/n", MS_INT64, .optional = true},
    [OUT_FLAG] = {"/next/flag", MS_BOOLEAN, .optional = true},
    [OUT_LABEL] = {"/label", MS_UTF8, .optional = true},
    [OUT_EXTRA] = {"/extra", MS_BYTES, .optional = true},
};

enum { TOTAL };
static const ms_state states[] = {[TOTAL] = {"total", MS_VALUE}};

static ms_status process(ms_context *ctx, const ms_record *record) {
    double total = ms_get_float64(ctx, TOTAL, 0) + ms_float64(record, AMOUNT);
    ms_put_float64(ctx, TOTAL, total);
    ms_set_bytes(ctx, OUT_USER, ms_field_bytes(record, USER));
    ms_set_float64(ctx, OUT_TOTAL, total);
    if (ms_has(record, N)) {
        int64_t next, n = ms_int64(record, N);
        if (__builtin_add_overflow(n, 1, &next)) return ms_fail(ctx, "`n` is too large");
        ms_set_int64(ctx, OUT_N, next);
        ms_set_bytes(ctx, OUT_LABEL, ms_format(ctx, "n=%" PRId64, n));
    }
    if (ms_has(record, FLAG)) ms_set_bool(ctx, OUT_FLAG, !ms_bool(record, FLAG));
    ms_set_bytes(ctx, OUT_EXTRA, ms_field_bytes(record, EXTRA));
    return ms_emit_row(ctx, NULL);
}

const ms_operator typed = {
    .states = states,
    .state_count = 1,
    .reads = reads,
    .read_count = 5,
    .writes = writes,
    .write_count = 6,
    .process = process,
};
MS_EXPORT_OPERATOR(typed);
