/* The sum by user over typed fields, record by record. */

#include "millstream.h"

enum { USER, AMOUNT };
static const ms_field reads[] = {[USER] = {"/user", MS_UTF8}, [AMOUNT] = {"/amount", MS_FLOAT64}};
enum { OUT_USER, OUT_SUM };
static const ms_field writes[] = {[OUT_USER] = {"/user", MS_UTF8}, [OUT_SUM] = {"/sum", MS_FLOAT64}};
enum { SUM };
static const ms_state states[] = {[SUM] = {"sum", MS_VALUE}};

static ms_status process(ms_context *ctx, const ms_record *record) {
    double sum = ms_get_float64(ctx, SUM, 0) + ms_float64(record, AMOUNT);
    ms_put_float64(ctx, SUM, sum);
    ms_set_bytes(ctx, OUT_USER, ms_field_bytes(record, USER));
    ms_set_float64(ctx, OUT_SUM, sum);
    return ms_emit_row(ctx, NULL);
}

const ms_operator sum = {
    .states = states, .state_count = 1, .reads = reads, .read_count = 2, .writes = writes, .write_count = 2,
    .process = process,
};
MS_EXPORT_OPERATOR(sum);
