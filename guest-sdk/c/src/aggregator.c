/* Runs an aggregator: accumulators in memory of their own, so that a record that fails leaves none changed. */

typedef struct {
    ms_accumulator now;
    bool is_owned;  /* not the host's any more */
} kept_accumulator;

void ms_resize(ms_context *ctx, ms_accumulator *accumulator, uint32_t size) {
    (void)ctx;
    if (size <= accumulator->size) {
        accumulator->size = size;
        return;
    }
    uint8_t *data = arena_take(size);
    if (accumulator->size) memcpy(data, accumulator->data, accumulator->size);
    memset(data + accumulator->size, 0, size - accumulator->size);
    accumulator->data = data;
    accumulator->size = size;
}

/* A copy that may be written to; a new one where there is none. */
static ms_accumulator accumulator_own(const ms_aggregator *aggregator, ms_bytes stored) {
    if (stored.data) return (ms_accumulator){arena_copy(stored.data, stored.size), stored.size, false};
    void *data = arena_take(aggregator->size);
    memset(data, 0, aggregator->size);
    return (ms_accumulator){data, aggregator->size, true};
}

/* Refuses a stored accumulator of another size than all have. */
static bool accumulator_fits(ms_context *ctx, const ms_aggregator *aggregator, ms_bytes stored) {
    if (!stored.data || aggregator->size == 0 || stored.size == aggregator->size) return true;
    ms_fail_batch(ctx, "the accumulator does not decode: it takes %u bytes, not %u", aggregator->size, stored.size);
    return false;
}

const void *ms_aggregator_describe(const ms_aggregator *aggregator) {
    wit_aggregator_description *description = arena_take(sizeof(*description));
    *description = (wit_aggregator_description){
        .schema_version = aggregator->version ? aggregator->version : 1,
        .retracts = aggregator->retract != NULL,
        .config_schema = option_of_string(aggregator->config_schema),
    };
    return description;
}

const void *ms_aggregator_configure(const ms_aggregator *aggregator, const uint8_t *config, uint32_t size) {
    return configured(configure_by(aggregator->configure, (ms_bytes){config, size}));
}

/* The rows of records and accumulators that are in hand. */
typedef struct {
    const ms_aggregator *aggregator;
    ms_status (*call)(ms_context *, ms_accumulator *, const ms_record *);
    const wit_additions *additions;
    bool *has_failed;         /* by record */
    kept_accumulator *kept;   /* by target */
} adding;

/* Adds every row whose record has not failed. True: a record failed that an accumulator already had, so that all is to
 * be done again without it. */
static bool add_rows(ms_context *ctx, adding *work) {
    const uint32_t *rows = work->additions->rows.data, *targets = work->additions->targets.data;
    uint32_t count = work->additions->rows.size / 4, last = UINT32_MAX;
    for (uint32_t i = 0; i < count && !ctx->has_failed_batch; i++) {
        if (work->has_failed[rows[i]]) continue;
        kept_accumulator *kept = &work->kept[targets[i]];
        if (!kept->is_owned) {
            ms_bytes stored = wit_get(&work->additions->accumulators, targets[i]);
            if (!accumulator_fits(ctx, work->aggregator, stored)) return false;
            *kept = (kept_accumulator){accumulator_own(work->aggregator, stored), true};
        }
        ms_accumulator next = {arena_copy(kept->now.data, kept->now.size), kept->now.size, kept->now.is_new};
        record_begin(ctx, rows[i]);
        must_say_why(ctx, work->call(ctx, &next, &ctx->record));
        if (ctx->has_failed && !ctx->has_failed_batch) {
            work->has_failed[rows[i]] = true;
            record_failed(ctx, rows[i]);
            /* It came before, for another accumulator. */
            if (last == rows[i]) return true;
            for (uint32_t j = 0; j < i; j++) {
                if (rows[j] == rows[i]) return true;
            }
            continue;
        }
        last = rows[i];
        next.is_new = false;
        kept->now = next;
    }
    return false;
}

const void *ms_aggregator_add(const ms_aggregator *aggregator, const void *passed, bool retract) {
    const wit_additions *additions = passed;
    ms_context context, *ctx = &context;
    context_begin(ctx, &no_operator, &additions->batch);
    uint32_t targets = column_rows(&additions->accumulators);
    adding work = {.aggregator = aggregator, .call = retract ? aggregator->retract : aggregator->add, .additions = additions};
    if (!work.call) ms_fail_batch(ctx, "this aggregator does not retract");
    work.has_failed = memset(arena_take(additions->batch.count), 0, additions->batch.count);
    bool again = !ctx->has_failed_batch;
    while (again) {
        size_t size = sizeof(kept_accumulator) * (size_t)targets;
        work.kept = memset(arena_take(size), 0, size);
        again = add_rows(ctx, &work);
    }
    wit_added_result *result = memset(arena_take(sizeof(*result)), 0, sizeof(*result));
    if (ctx->has_failed_batch) {
        result->is_err = 1;
        result->err = bytes_list(ctx->reason);
        return result;
    }
    metrics_send(ctx);
    column_builder accumulators = {0};
    for (uint32_t target = 0; target < targets; target++) {
        const kept_accumulator *kept = &work.kept[target];
        bool has_own = kept->is_owned && !kept->now.is_new;
        ms_bytes own = {kept->now.data, kept->now.size};
        builder_push(&accumulators, has_own ? own : wit_get(&additions->accumulators, target));
    }
    result->ok.accumulators = builder_column(&accumulators);
    result->ok.failures = failures_finish(&ctx->failed);
    return result;
}

const void *ms_aggregator_merge(const ms_aggregator *aggregator, const ms_column *accumulators, uint32_t rows,
                                const uint32_t *groups, uint32_t count) {
    ms_context context = part_context(), *ctx = &context;
    size_t size = sizeof(kept_accumulator) * (size_t)count;
    kept_accumulator *kept = memset(arena_take(size), 0, size);
    for (uint32_t row = 0; row < rows && !ctx->has_failed; row++) {
        ms_bytes from = ms_column_bytes(accumulators, row);
        kept_accumulator *into = &kept[groups[row]];
        if (!accumulator_fits(ctx, aggregator, from)) break;
        if (!into->is_owned) {
            *into = (kept_accumulator){accumulator_own(aggregator, from), true};
        } else {
            must_say_why(ctx, aggregator->merge(ctx, &into->now, from));
        }
    }
    column_builder merged = {0};
    for (uint32_t group = 0; group < count; group++) {
        ms_bytes own = {kept[group].now.data, kept[group].now.size};
        builder_push(&merged, kept[group].is_owned ? own : MS_NONE);
    }
    return column_result(ctx, &merged);
}

const void *ms_aggregator_results(const ms_aggregator *aggregator, const ms_column *accumulators, uint32_t rows,
                                  const ms_column *keys, const int64_t *starts, const int64_t *ends) {
    ms_context context = part_context(), *ctx = &context;
    column_builder values = {0};
    for (uint32_t row = 0; row < rows && !ctx->has_failed; row++) {
        ms_bytes accumulator = ms_column_bytes(accumulators, row), value = MS_NONE;
        if (!accumulator_fits(ctx, aggregator, accumulator)) break;
        /* Aligned to 8, as that of `add` is. */
        accumulator = ms_copy(ctx, accumulator);
        ms_pane pane = {ms_column_bytes(keys, row), starts[row], ends[row]};
        must_say_why(ctx, aggregator->result(ctx, accumulator, &pane, &value));
        builder_push(&values, value);
    }
    return column_result(ctx, &values);
}
