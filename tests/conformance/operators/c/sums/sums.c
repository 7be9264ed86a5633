/* The conformance aggregator `sums`. */

#include "millstream.h"

#include <inttypes.h>

/* Adds the record's value, times `sign`. */
static ms_status change(ms_context *ctx, ms_accumulator *accumulator, const ms_record *record, int sign) {
    ms_bytes text = ms_text(ctx, record);
    if (ms_failed(ctx)) return MS_FAILED;
    bool negative = text.size > 0 && text.data[0] == '-';
    uint32_t at = text.size > 0 && (negative || text.data[0] == '+');
    int64_t value = 0, *sum = (int64_t *)accumulator->data;
    bool is_number = at < text.size;
    for (; at < text.size && is_number; at++) {
        int64_t digit = text.data[at] - '0';
        is_number = digit >= 0 && digit <= 9 && !__builtin_mul_overflow(value, 10, &value) &&
                    !__builtin_add_overflow(value, negative ? -digit : digit, &value);
    }
    if (!is_number) return ms_fail(ctx, "not an integer: `%.*s`", MS_ARGS(text));
    bool too_large = sign > 0 ? __builtin_add_overflow(*sum, value, sum) : __builtin_sub_overflow(*sum, value, sum);
    return too_large ? ms_fail(ctx, "the sum is too large") : MS_OK;
}

static ms_status add(ms_context *ctx, ms_accumulator *accumulator, const ms_record *record) {
    return change(ctx, accumulator, record, 1);
}

static ms_status retract(ms_context *ctx, ms_accumulator *accumulator, const ms_record *record) {
    return change(ctx, accumulator, record, -1);
}

static ms_status merge(ms_context *ctx, ms_accumulator *into, ms_bytes from) {
    int64_t *sum = (int64_t *)into->data;
    return __builtin_add_overflow(*sum, ms_read_int64(ctx, from), sum) ? ms_fail(ctx, "the sum is too large") : MS_OK;
}

static ms_status result(ms_context *ctx, ms_bytes accumulator, const ms_pane *pane, ms_bytes *value) {
    (void)pane;
    *value = ms_format(ctx, "%" PRId64, ms_read_int64(ctx, accumulator));
    return MS_OK;
}

const ms_aggregator sums = {.size = 8, .add = add, .retract = retract, .merge = merge, .result = result};
MS_EXPORT_AGGREGATOR(sums);
