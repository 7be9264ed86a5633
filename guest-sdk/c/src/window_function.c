/* Runs a window function over the panes that fire, one at a time. */

/* The pane in hand, in memory that outlives the calls. */
static struct {
    ms_fired_pane pane;
    void *key;
} fired;

static void fired_forget(void) {
    free(fired.key);
    free(fired.pane.gathered);
    memset(&fired, 0, sizeof(fired));
}

/* malloc, of which none is never answered. */
static void *kept_alloc(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    if (!memory) out_of_memory();
    return memory;
}

ms_status ms_pane_emit(ms_context *ctx, ms_bytes value) {
    if (!ctx->part) return ms_fail_batch(ctx, "there is no pane in hand to emit a record of");
    if (ctx->has_failed) return MS_FAILED;
    builder_push(ctx->part, value);
    return MS_OK;
}

const void *ms_window_function_describe(const ms_window_function *function) {
    wit_option_string *description = arena_take(sizeof(*description));
    *description = option_of_string(function->config_schema);
    return description;
}

const void *ms_window_function_configure(const ms_window_function *function, const uint8_t *config, uint32_t size) {
    return configured(configure_by(function->configure, (ms_bytes){config, size}));
}

const void *ms_window_function_begin(const ms_window_function *function, const ms_fired_pane *pane) {
    fired_forget();
    fired.pane = *pane;
    ms_bytes key = pane->pane.key;
    fired.key = kept_alloc(key.size);
    copy_bytes(fired.key, key.data, key.size);
    fired.pane.pane.key.data = fired.key;
    fired.pane.gathered = kept_alloc(function->size);
    return configured(MS_NONE);
}

const void *ms_window_function_elements(const ms_window_function *function, const void *page) {
    ms_context context, *ctx = &context;
    context_begin(ctx, &no_operator, page);
    ctx->watermark_ms = fired.pane.watermark_ms;
    column_builder values = {0};
    ctx->part = &values;
    for (uint32_t row = 0; row < ctx->batch.count && !ctx->has_failed; row++) {
        record_begin(ctx, row);
        must_say_why(ctx, function->element(ctx, &fired.pane, &ctx->record));
    }
    return column_result(ctx, &values);
}

const void *ms_window_function_end(const ms_window_function *function) {
    ms_context context = part_context(), *ctx = &context;
    ctx->watermark_ms = fired.pane.watermark_ms;
    column_builder values = {0};
    ctx->part = &values;
    if (function->end) must_say_why(ctx, function->end(ctx, &fired.pane));
    const void *result = column_result(ctx, &values);
    fired_forget();
    return result;
}
