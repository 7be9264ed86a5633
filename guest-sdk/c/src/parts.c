/* What the parts of windows have in common. */

/* What a batch of a part is taken in hand by: parts declare no fields, states or outputs. */
static const ms_operator no_operator = {.process = NULL};

/* For calls that are about no records. */
static ms_context part_context(void) { return (ms_context){.operator = &no_operator, .group = NO_GROUP}; }

/* A result<bytes-column, string>. */
static const void *column_result(ms_context *ctx, column_builder *built) {
    wit_column_result *result = memset(arena_take(sizeof(*result)), 0, sizeof(*result));
    if (ctx->has_failed) {
        result->is_err = 1;
        result->err = bytes_list(ctx->reason);
    } else {
        metrics_send(ctx);
        result->ok = builder_column(built);
    }
    return result;
}

/* What is remembered in `size` bytes, to be written to: zeroes where nothing is stored. */
static void *state_read(ms_context *ctx, ms_bytes stored, uint32_t size) {
    void *state = memset(arena_take(size), 0, size);
    if (stored.size == size) {
        copy_bytes(state, stored.data, size);
    } else if (stored.size > 0) {
        ms_fail_batch(ctx, "what is stored does not decode: it takes %u bytes, not %u", size, stored.size);
    }
    return state;
}

typedef struct {
    uint32_t record;
    ms_bytes reason;
} told_failure;

static int compare_told(const void *a, const void *b) {
    uint32_t left = ((const told_failure *)a)->record, right = ((const told_failure *)b)->record;
    return (left > right) - (left < right);
}

/* Failures in order of their records: rows need not be. */
static wit_failure_column failures_finish(failures *failed) {
    uint32_t count = (uint32_t)(failed->records.size / 4);
    told_failure *told = arena_take(sizeof(*told) * (size_t)count);
    wit_bytes_column reasons = builder_column(&failed->reasons);
    for (uint32_t i = 0; i < count; i++) {
        told[i] = (told_failure){((const uint32_t *)failed->records.data)[i], wit_get(&reasons, i)};
    }
    if (count > 1) qsort(told, count, sizeof(*told), compare_told);
    buffer records = {0};
    column_builder sorted = {0};
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_u32(&records, told[i].record);
        builder_push(&sorted, told[i].reason);
    }
    return (wit_failure_column){buffer_list(&records), builder_column(&sorted)};
}
