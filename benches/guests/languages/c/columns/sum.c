/* The sum by user over whole columns. */

#include "millstream.h"

enum { USER, AMOUNT };
static const ms_field reads[] = {[USER] = {"/user", MS_UTF8}, [AMOUNT] = {"/amount", MS_FLOAT64}};
enum { OUT_USER, OUT_SUM, WRITES };
static const ms_field writes[] = {[OUT_USER] = {"/user", MS_UTF8}, [OUT_SUM] = {"/sum", MS_FLOAT64}};
enum { SUM };
static const ms_state states[] = {[SUM] = {"sum", MS_VALUE}};

static ms_status process_batch(ms_context *ctx, const ms_batch *batch) {
    const double *amounts = batch->columns[AMOUNT].data;
    double *sums = ms_alloc(ctx, 8 * (size_t)batch->count);
    for (uint32_t row = 0; row < batch->count; row++) {
        ms_seek(ctx, row);
        sums[row] = ms_get_float64(ctx, SUM, 0) + amounts[row];
        ms_put_float64(ctx, SUM, sums[row]);
    }
    ms_column *out = ms_alloc(ctx, sizeof(ms_column) * WRITES);
    out[OUT_USER] = batch->columns[USER];
    out[OUT_SUM] = (ms_column){.type = MS_FLOAT64, .data = sums};
    return ms_emit_columns(ctx, 0, NULL, batch->count, out);
}

const ms_operator sum = {
    .states = states, .state_count = 1, .reads = reads, .read_count = 2, .writes = writes, .write_count = 2,
    .process_batch = process_batch,
};
MS_EXPORT_OPERATOR(sum);
