/* Runs a watermark generator. */

const void *ms_generator_describe(const ms_generator *generator) {
    wit_generator_description *description = memset(arena_take(sizeof(*description)), 0, sizeof(*description));
    description->every_ms.is_some = generator->on_time && generator->every_ms > 0;
    description->every_ms.value = generator->every_ms;
    description->config_schema = option_of_string(generator->config_schema);
    return description;
}

const void *ms_generator_configure(const ms_generator *generator, const uint8_t *config, uint32_t size) {
    return configured(configure_by(generator->configure, (ms_bytes){config, size}));
}

static const void *progress_result(ms_context *ctx, const ms_generator *generator, const ms_partition *partition) {
    wit_progress_result *result = memset(arena_take(sizeof(*result)), 0, sizeof(*result));
    if (ctx->has_failed) {
        result->is_err = 1;
        result->err = bytes_list(ctx->reason);
        return result;
    }
    result->ok.state = (wit_list){partition->state, generator->size};
    result->ok.watermark.is_some = partition->has_watermark;
    result->ok.watermark.value = partition->watermark_ms;
    result->ok.idle = partition->is_idle;
    return result;
}

const void *ms_generator_on_records(const ms_generator *generator, const void *passed) {
    const wit_records_arguments *arguments = passed;
    ms_context context, *ctx = &context;
    context_begin(ctx, &no_operator, &arguments->batch);
    ms_bytes stored = {arguments->state.data, arguments->state.size};
    ms_partition partition = {.state = state_read(ctx, stored, generator->size), .now_ms = arguments->now};
    for (uint32_t row = 0; row < ctx->batch.count && !ctx->has_failed; row++) {
        record_begin(ctx, row);
        partition.is_idle = false;
        must_say_why(ctx, generator->on_record(ctx, &partition, &ctx->record));
    }
    return progress_result(ctx, generator, &partition);
}

const void *ms_generator_on_time(const ms_generator *generator, const uint8_t *state, uint32_t size, int64_t now_ms) {
    ms_context context = part_context(), *ctx = &context;
    ms_partition partition = {.state = state_read(ctx, (ms_bytes){state, size}, generator->size), .now_ms = now_ms};
    if (generator->on_time && !ctx->has_failed) must_say_why(ctx, generator->on_time(ctx, &partition));
    return progress_result(ctx, generator, &partition);
}
