/* The conformance operator `typed-columns`: what `typed` does, by whole columns. */

#include "millstream.h"

#include <inttypes.h>
#include <stdio.h>

enum { USER, AMOUNT, N, FLAG, EXTRA };
static const ms_field reads[] = {
    [USER] = {"/user", MS_UTF8},
    [AMOUNT] = {"/amount", MS_FLOAT64},
    [N] = {"/n", MS_INT64, .optional = true},
    [FLAG] = {"/flag", MS_BOOLEAN, .optional = true},
    [EXTRA] = {"/extra", MS_BYTES, .optional = true},
};

enum { OUT_USER, OUT_TOTAL, OUT_N, OUT_FLAG, OUT_LABEL, OUT_EXTRA, WRITES };
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

/* A bitmap with every bit the other way round. */
static const uint8_t *negated(ms_context *ctx, const uint8_t *bits, uint32_t count) {
    uint8_t *result = ms_alloc(ctx, (count + 7) / 8);
    for (uint32_t i = 0; i < (count + 7) / 8; i++) result[i] = (uint8_t)~bits[i];
    return result;
}

static ms_status process_batch(ms_context *ctx, const ms_batch *batch) {
    uint32_t count = batch->count, sized = 0;
    const ms_column *in = batch->columns;
    const double *amounts = in[AMOUNT].data;
    const int64_t *numbers = in[N].data;
    double *totals = ms_alloc(ctx, 8 * (size_t)count);
    int64_t *next = ms_alloc(ctx, 8 * (size_t)count);
    uint32_t *sources = ms_alloc(ctx, 4 * (size_t)count), *offsets = ms_alloc(ctx, 4 * ((size_t)count + 1));
    char *labels = ms_alloc(ctx, 24 * (size_t)count);
    offsets[0] = 0;
    for (uint32_t row = 0; row < count; row++) {
        ms_seek(ctx, row);
        bool has_n = ms_column_has(&in[N], row);
        next[row] = 0;
        if (has_n && __builtin_add_overflow(numbers[row], 1, &next[row])) ms_fail(ctx, "`n` is too large");
        totals[row] = ms_get_float64(ctx, TOTAL, 0) + amounts[row];
        ms_put_float64(ctx, TOTAL, totals[row]);
        uint32_t start = offsets[row];
        if (has_n) start += (uint32_t)snprintf(labels + start, 24, "n=%" PRId64, numbers[row]);
        offsets[row + 1] = start;
        if (!ms_failed(ctx)) sources[sized++] = row;
    }
    /* `n` that is too large fails its record alone: the others are then emitted by rows. */
    if (sized < count) return ms_fail_batch(ctx, "`n` is too large");
    ms_column *out = ms_alloc(ctx, sizeof(ms_column) * WRITES);
    out[OUT_USER] = in[USER];
    out[OUT_TOTAL] = (ms_column){.type = MS_FLOAT64, .data = totals};
    out[OUT_N] = (ms_column){.type = MS_INT64, .data = next, .validity = in[N].validity};
    out[OUT_FLAG] = (ms_column){.type = MS_BOOLEAN, .data = negated(ctx, in[FLAG].data, count), .validity = in[FLAG].validity};
    out[OUT_LABEL] = (ms_column){.type = MS_UTF8, .data = labels, .offsets = offsets, .validity = in[N].validity};
    out[OUT_EXTRA] = in[EXTRA];
    return ms_emit_columns(ctx, 0, NULL, count, out);
}

const ms_operator typed_columns = {
    .states = states,
    .state_count = 1,
    .reads = reads,
    .read_count = 5,
    .writes = writes,
    .write_count = 6,
    .process_batch = process_batch,
};
MS_EXPORT_OPERATOR(typed_columns);
