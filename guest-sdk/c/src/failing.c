/* Failing, printing into memory, the log, the clock, metrics. */

/* printf into the arena; the texts that operators make are short. */
static ms_bytes format_arguments(const char *format, va_list arguments) {
    char near[256];
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(near, sizeof(near), format, arguments);
    if (size < 0) size = 0;
    char *text = arena_take((size_t)size + 1);
    if ((size_t)size < sizeof(near)) {
        memcpy(text, near, (size_t)size + 1);
    } else {
        vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    return (ms_bytes){(const uint8_t *)text, (uint32_t)size};
}

#define FORMAT(into)                        \
    va_list arguments;                      \
    va_start(arguments, format);            \
    into = format_arguments(format, arguments); \
    va_end(arguments)

static ms_status context_fail(ms_context *ctx, ms_bytes reason, bool batch) {
    if (ctx->has_failed_batch || (ctx->has_failed && !batch)) return MS_FAILED;
    ctx->has_failed = true;
    ctx->has_failed_batch = batch;
    ctx->reason = reason;
    return MS_FAILED;
}

ms_status ms_fail(ms_context *ctx, const char *format, ...) {
    ms_bytes reason;
    FORMAT(reason);
    return context_fail(ctx, reason, false);
}

ms_status ms_fail_batch(ms_context *ctx, const char *format, ...) {
    ms_bytes reason;
    FORMAT(reason);
    return context_fail(ctx, reason, true);
}

bool ms_failed(const ms_context *ctx) { return ctx->has_failed; }

void ms_panic(const char *format, ...) {
    ms_bytes message;
    FORMAT(message);
    host_panic((const char *)message.data, message.size);
}

ms_bytes ms_format(ms_context *ctx, const char *format, ...) {
    (void)ctx;
    ms_bytes text;
    FORMAT(text);
    return text;
}

void ms_log(ms_level level, const char *format, ...) {
    if (!host_log_enabled(level)) return;
    ms_bytes line;
    FORMAT(line);
    host_log(level, (const char *)line.data, line.size);
}

void *ms_alloc(ms_context *ctx, size_t size) {
    (void)ctx;
    return arena_take(size);
}

ms_bytes ms_copy(ms_context *ctx, ms_bytes bytes) {
    (void)ctx;
    return bytes.data ? (ms_bytes){arena_copy(bytes.data, bytes.size), bytes.size} : MS_NONE;
}

int64_t ms_now_ms(ms_context *ctx) {
    if (!ctx->knows_now) {
        ctx->now_ms = host_now_ms();
        ctx->knows_now = true;
    }
    return ctx->now_ms;
}

int64_t ms_watermark_ms(const ms_context *ctx) { return ctx->watermark_ms; }

uint64_t ms_random(ms_context *ctx) {
    (void)ctx;
    return host_random();
}

/* The metric of a name in a short list; nearly always found by the name's address. */
static metric *metric_of(ms_context *ctx, const char *name, char kind) {
    metric *all = (metric *)ctx->metrics.data;
    size_t count = ctx->metrics.size / sizeof(metric);
    for (size_t i = 0; i < count; i++) {
        if (all[i].kind == kind && (all[i].name == name || strcmp(all[i].name, name) == 0)) return &all[i];
    }
    metric fresh = {.name = name, .kind = kind};
    buffer_put(&ctx->metrics, &fresh, sizeof(fresh));
    return (metric *)ctx->metrics.data + count;
}

void ms_count(ms_context *ctx, const char *name, uint64_t delta) {
    metric *counter = metric_of(ctx, name, 'c');
    counter->sum = counter->sum + delta < delta ? UINT64_MAX : counter->sum + delta;
}

void ms_gauge(ms_context *ctx, const char *name, double value) { metric_of(ctx, name, 'g')->value = value; }

void ms_observe(ms_context *ctx, const char *name, double value) {
    metric observed = {.name = name, .kind = 'h', .value = value};
    buffer_put(&ctx->metrics, &observed, sizeof(observed));
}

static void metrics_send(ms_context *ctx) {
    const metric *all = (const metric *)ctx->metrics.data;
    for (size_t i = 0; i < ctx->metrics.size / sizeof(metric); i++) {
        wit_list name = {all[i].name, (uint32_t)strlen(all[i].name)};
        if (all[i].kind == 'c') host_counter_add(name, all[i].sum);
        if (all[i].kind == 'g') host_gauge_set(name, all[i].value);
        if (all[i].kind == 'h') host_histogram_record(name, all[i].value);
    }
}
