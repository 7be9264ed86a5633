/* Runs a window assigner. */

/* The windows so far, those of the record in hand from `first` on. */
typedef struct {
    buffer rows, starts, ends;
    uint32_t first;
} assigning;

void ms_assign(ms_context *ctx, int64_t start_ms, int64_t end_ms) {
    assigning *assigned = ctx->part;
    if (!assigned) ms_fail_batch(ctx, "there is no record in hand to assign windows to");
    if (ctx->has_failed) return;
    if (start_ms >= end_ms) {
        ms_fail(ctx, "a window that starts at %" PRId64 " and ends at %" PRId64, start_ms, end_ms);
        return;
    }
    const int64_t *starts = (const int64_t *)assigned->starts.data, *ends = (const int64_t *)assigned->ends.data;
    for (uint32_t i = assigned->first; i < assigned->starts.size / 8; i++) {
        if (starts[i] == start_ms && ends[i] == end_ms) return;
    }
    buffer_put_u32(&assigned->rows, ctx->record.index);
    buffer_put(&assigned->starts, &start_ms, 8);
    buffer_put(&assigned->ends, &end_ms, 8);
}

const void *ms_assigner_describe(const ms_assigner *assigner) {
    wit_assigner_description *description = arena_take(sizeof(*description));
    *description = (wit_assigner_description){assigner->merges, option_of_string(assigner->config_schema)};
    return description;
}

const void *ms_assigner_configure(const ms_assigner *assigner, const uint8_t *config, uint32_t size) {
    return configured(configure_by(assigner->configure, (ms_bytes){config, size}));
}

const void *ms_assigner_assign(const ms_assigner *assigner, const void *passed) {
    const wit_assign_arguments *arguments = passed;
    ms_context context, *ctx = &context;
    context_begin(ctx, &no_operator, &arguments->batch);
    assigning assigned = {.first = 0};
    ctx->part = &assigned;
    for (uint32_t row = 0; row < ctx->batch.count && !ctx->has_failed_batch; row++) {
        assigned.first = (uint32_t)(assigned.starts.size / 8);
        record_begin(ctx, row);
        must_say_why(ctx, assigner->assign(ctx, &ctx->record, arguments->now));
        if (!ctx->has_failed || ctx->has_failed_batch) continue;
        record_failed(ctx, row);
        assigned.rows.size = 4 * (size_t)assigned.first;
        assigned.starts.size = assigned.ends.size = 8 * (size_t)assigned.first;
    }
    wit_assigned_result *result = memset(arena_take(sizeof(*result)), 0, sizeof(*result));
    if (ctx->has_failed_batch) {
        result->is_err = 1;
        result->err = bytes_list(ctx->reason);
        return result;
    }
    metrics_send(ctx);
    result->ok = (wit_assigned){
        .rows = buffer_list(&assigned.rows),
        .windows = {buffer_list(&assigned.starts), buffer_list(&assigned.ends)},
        .failures = failures_finish(&ctx->failed),
    };
    return result;
}
