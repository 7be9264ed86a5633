/* Runs a trigger: panes with their states in memory that may be written to, verdicts of each call. */

const void *ms_trigger_describe(const ms_trigger *trigger) {
    wit_trigger_description *description = arena_take(sizeof(*description));
    *description = (wit_trigger_description){trigger->version ? trigger->version : 1, option_of_string(trigger->config_schema)};
    return description;
}

const void *ms_trigger_configure(const ms_trigger *trigger, const uint8_t *config, uint32_t size) {
    return configured(configure_by(trigger->configure, (ms_bytes){config, size}));
}

/* The panes that the host asks about. */
static ms_trigger_pane *panes_read(ms_context *ctx, const ms_trigger *trigger, const wit_trigger_panes *from, uint32_t *count) {
    *count = column_rows(&from->keys);
    ms_trigger_pane *panes = arena_take(sizeof(*panes) * (size_t)*count);
    const int64_t *starts = from->windows.starts.data, *ends = from->windows.ends.data;
    const int64_t *event_times = from->event_times.data, *processing_times = from->processing_times.data;
    for (uint32_t i = 0; i < *count; i++) {
        panes[i] = (ms_trigger_pane){
            .pane = {wit_get(&from->keys, i), starts[i], ends[i]},
            .state = state_read(ctx, wit_get(&from->states, i), trigger->size),
            .event_time_ms = event_times[i],
            .processing_time_ms = processing_times[i],
            .now_ms = from->now,
            .watermark_ms = from->watermark,
        };
    }
    ctx->watermark_ms = from->watermark;
    return panes;
}

static bool is_zero(const uint8_t *bytes, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        if (bytes[i]) return false;
    }
    return true;
}

/* The answer: verdicts, and what the panes are now. */
static const void *verdicts_result(ms_context *ctx, const ms_trigger *trigger, const buffer *verdicts,
                                   const ms_trigger_pane *panes, uint32_t count) {
    wit_verdicts_result *result = memset(arena_take(sizeof(*result)), 0, sizeof(*result));
    if (ctx->has_failed) {
        result->is_err = 1;
        result->err = bytes_list(ctx->reason);
        return result;
    }
    metrics_send(ctx);
    column_builder states = {0};
    int64_t *times = arena_take(16 * (size_t)count);
    for (uint32_t i = 0; i < count; i++) {
        bool is_stored = !is_zero(panes[i].state, trigger->size);
        builder_push(&states, is_stored ? (ms_bytes){panes[i].state, trigger->size} : MS_NONE);
        times[i] = panes[i].event_time_ms;
        times[count + i] = panes[i].processing_time_ms;
    }
    result->ok = (wit_verdicts){
        .verdicts = buffer_list(verdicts),
        .states = builder_column(&states),
        .event_times = {times, 8 * count},
        .processing_times = {times + count, 8 * count},
        .failures = failures_finish(&ctx->failed),
    };
    return result;
}

static void verdict_put(buffer *verdicts, ms_verdict verdict) {
    *buffer_room(verdicts, 1) = (uint8_t)verdict;
    verdicts->size += 1;
}

const void *ms_trigger_on_elements(const ms_trigger *trigger, const void *passed) {
    const wit_elements_arguments *arguments = passed;
    ms_context context, *ctx = &context;
    context_begin(ctx, &no_operator, &arguments->batch);
    uint32_t count;
    ms_trigger_pane *panes = panes_read(ctx, trigger, &arguments->panes, &count);
    const uint32_t *rows = arguments->rows.data, *of = arguments->pane_rows.data;
    const int64_t *starts = arguments->windows.starts.data, *ends = arguments->windows.ends.data;
    void *state_before = arena_take(trigger->size);
    buffer verdicts = {0};
    for (uint32_t i = 0; i < arguments->rows.size / 4 && !ctx->has_failed; i++) {
        ms_trigger_pane *pane = &panes[of[i]], before = *pane;
        memcpy(state_before, pane->state, trigger->size);
        pane->pane.start_ms = starts[i];
        pane->pane.end_ms = ends[i];
        record_begin(ctx, rows[i]);
        ms_verdict verdict = trigger->on_element(ctx, pane, &ctx->record);
        if (ctx->has_failed && !ctx->has_failed_batch) {
            record_failed(ctx, rows[i]);
            *pane = before;
            memcpy(pane->state, state_before, trigger->size);
            verdict = MS_CONTINUE;
        }
        verdict_put(&verdicts, verdict);
    }
    return verdicts_result(ctx, trigger, &verdicts, panes, count);
}

const void *ms_trigger_on_time(const ms_trigger *trigger, const void *passed) {
    const wit_time_arguments *arguments = passed;
    ms_context context = part_context(), *ctx = &context;
    uint32_t count;
    ms_trigger_pane *panes = panes_read(ctx, trigger, &arguments->panes, &count);
    const int64_t *times = arguments->times.data;
    bool is_event = arguments->domain == MS_EVENT;
    ms_verdict (*call)(ms_context *, ms_trigger_pane *, int64_t) = is_event ? trigger->on_event_time : trigger->on_processing_time;
    buffer verdicts = {0};
    for (uint32_t i = 0; i < count && !ctx->has_failed; i++) {
        int64_t *next_ms = is_event ? &panes[i].event_time_ms : &panes[i].processing_time_ms;
        *next_ms = MS_NEVER;
        verdict_put(&verdicts, call ? call(ctx, &panes[i], times[i]) : MS_CONTINUE);
        /* It would be asked for ever. */
        if (*next_ms <= times[i]) {
            ms_fail(ctx, "the trigger is asked at %" PRId64 ", and wants to be asked again at %" PRId64 ", which is not later",
                    times[i], *next_ms);
        }
    }
    return verdicts_result(ctx, trigger, &verdicts, panes, count);
}

const void *ms_trigger_on_merge(const ms_trigger *trigger, const void *passed) {
    const wit_merge_arguments *arguments = passed;
    ms_context context = part_context(), *ctx = &context;
    uint32_t count, merged = arguments->merged.starts.size / 8;
    ms_trigger_pane *panes = panes_read(ctx, trigger, &arguments->panes, &count);
    const uint32_t *groups = arguments->groups.data;
    const int64_t *starts = arguments->merged.starts.data, *ends = arguments->merged.ends.data;
    ms_trigger_pane *into = arena_take(sizeof(*into) * (size_t)merged), *from = arena_take(sizeof(*from) * (size_t)count);
    if (!trigger->on_merge) ms_fail(ctx, "the trigger has no `on_merge`, which windows that merge need");
    buffer verdicts = {0};
    for (uint32_t group = 0; group < merged && !ctx->has_failed; group++) {
        uint32_t parts = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (groups[i] == group) from[parts++] = panes[i];
        }
        into[group] = (ms_trigger_pane){
            .pane = {parts ? from[0].pane.key : MS_TEXT(""), starts[group], ends[group]},
            .state = state_read(ctx, MS_NONE, trigger->size),
            .event_time_ms = MS_NEVER,
            .processing_time_ms = MS_NEVER,
            .now_ms = arguments->panes.now,
            .watermark_ms = arguments->panes.watermark,
        };
        verdict_put(&verdicts, trigger->on_merge(ctx, &into[group], from, parts));
    }
    return verdicts_result(ctx, trigger, &verdicts, into, merged);
}
