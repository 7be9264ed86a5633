/* The conformance operator `typed-columns`: what `typed` does, by whole columns. */

#include "millstream.h"

#include <inttypes.h>
#include <math.h>
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

/* What a batch is turned into, beside the columns that pass as they are. */
typedef struct {
    double *totals;
    int64_t *next;
    char *labels;
    uint32_t *label_offsets;
    uint32_t *rows; /* those whose record has not failed */
    uint32_t row_count;
} results;

/* The whole batch at once: no record has failed. */
static ms_status emit_all(ms_context *ctx, const ms_batch *batch, const results *of) {
    const ms_column *in = batch->columns;
    ms_column *out = ms_alloc(ctx, sizeof(ms_column) * WRITES);
    const uint8_t *flags = negated(ctx, in[FLAG].data, batch->count);
    out[OUT_USER] = in[USER];
    out[OUT_TOTAL] = (ms_column){.type = MS_FLOAT64, .data = of->totals};
    out[OUT_N] = (ms_column){.type = MS_INT64, .data = of->next, .validity = in[N].validity};
    out[OUT_FLAG] = (ms_column){.type = MS_BOOLEAN, .data = flags, .validity = in[FLAG].validity};
    out[OUT_LABEL] = (ms_column){.type = MS_UTF8, .data = of->labels, .offsets = of->label_offsets, .validity = in[N].validity};
    out[OUT_EXTRA] = in[EXTRA];
    return ms_emit_columns(ctx, 0, NULL, batch->count, out);
}

/* Row by row, without those that failed. */
static ms_status emit_rest(ms_context *ctx, const results *of) {
    for (uint32_t i = 0; i < of->row_count; i++) {
        uint32_t row = of->rows[i], start = of->label_offsets[row];
        const ms_record *record = ms_seek(ctx, row);
        ms_bytes label = {(const uint8_t *)of->labels + start, of->label_offsets[row + 1] - start};
        ms_set_bytes(ctx, OUT_USER, ms_field_bytes(record, USER));
        ms_set_float64(ctx, OUT_TOTAL, of->totals[row]);
        if (ms_has(record, N)) ms_set_int64(ctx, OUT_N, of->next[row]);
        if (ms_has(record, N)) ms_set_bytes(ctx, OUT_LABEL, label);
        if (ms_has(record, FLAG)) ms_set_bool(ctx, OUT_FLAG, !ms_bool(record, FLAG));
        ms_set_bytes(ctx, OUT_EXTRA, ms_field_bytes(record, EXTRA));
        ms_emit_row(ctx, NULL);
    }
    return MS_OK;
}

static ms_status process_batch(ms_context *ctx, const ms_batch *batch) {
    enum { LABEL_SIZE = 24 };
    uint32_t count = batch->count;
    const double *amounts = batch->columns[AMOUNT].data;
    const int64_t *numbers = batch->columns[N].data;
    results of = {
        .totals = ms_alloc(ctx, 8 * (size_t)count),
        .next = ms_alloc(ctx, 8 * (size_t)count),
        .labels = ms_alloc(ctx, LABEL_SIZE * (size_t)count),
        .label_offsets = ms_alloc(ctx, 4 * ((size_t)count + 1)),
        .rows = ms_alloc(ctx, 4 * (size_t)count),
    };
    of.label_offsets[0] = 0;
    for (uint32_t row = 0; row < count; row++) {
        ms_seek(ctx, row);
        bool has_n = ms_column_has(&batch->columns[N], row);
        of.next[row] = 0;
        if (has_n && __builtin_add_overflow(numbers[row], 1, &of.next[row])) ms_fail(ctx, "`n` is too large");
        of.totals[row] = ms_get_float64(ctx, TOTAL, 0) + amounts[row];
        if (!isfinite(of.totals[row])) ms_fail(ctx, "field `/total`: %f has no form in JSON", of.totals[row]);
        ms_put_float64(ctx, TOTAL, of.totals[row]);
        uint32_t end = of.label_offsets[row];
        if (has_n) end += (uint32_t)snprintf(of.labels + end, LABEL_SIZE, "n=%" PRId64, numbers[row]);
        of.label_offsets[row + 1] = end;
        if (!ms_failed(ctx)) of.rows[of.row_count++] = row;
    }
    return of.row_count == count ? emit_all(ctx, batch, &of) : emit_rest(ctx, &of);
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
