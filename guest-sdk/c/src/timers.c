/* Timers that are set and deleted during a batch. */

static void timer_push(ms_context *ctx, ms_clock clock, ms_bytes name, int64_t time_ms) {
    if (ctx->has_failed) return;
    if (!ctx->in_hand || !ctx->record.key.data) {
        context_fail(ctx, MS_TEXT("this record has no key, and timers belong to a key"), false);
        return;
    }
    timer_rows *rows = &ctx->timers[clock == MS_PROCESSING];
    builder_push(&rows->keys, ctx->record.key);
    builder_push(&rows->names, name.data ? name : MS_TEXT(""));
    buffer_put(&rows->times, &time_ms, 8);
}

void ms_set_timer(ms_context *ctx, ms_clock clock, ms_bytes name, int64_t time_ms) {
    if (time_ms == INT64_MIN) {
        ms_fail(ctx, "a timer cannot be set for the smallest time there is");
        return;
    }
    timer_push(ctx, clock, name, time_ms);
}

void ms_delete_timer(ms_context *ctx, ms_clock clock, ms_bytes name) { timer_push(ctx, clock, name, INT64_MIN); }

static void timers_keep(ms_context *ctx) {
    ctx->timers[0].kept = ctx->timers[0].keys.rows;
    ctx->timers[1].kept = ctx->timers[1].keys.rows;
}

static void timers_undo(ms_context *ctx) {
    for (int clock = 0; clock < 2; clock++) {
        timer_rows *rows = &ctx->timers[clock];
        builder_truncate(&rows->keys, rows->kept);
        builder_truncate(&rows->names, rows->kept);
        rows->times.size = 8 * (size_t)rows->kept;
    }
}

static wit_list timers_finish(ms_context *ctx) {
    wit_timer_changes *changes = arena_take(2 * sizeof(wit_timer_changes));
    uint32_t used = 0;
    for (uint8_t clock = 0; clock < 2; clock++) {
        timer_rows *rows = &ctx->timers[clock];
        if (rows->keys.rows == 0) continue;
        wit_bytes_column keys = builder_column(&rows->keys), names = builder_column(&rows->names);
        changes[used++] = (wit_timer_changes){clock, keys, names, buffer_list(&rows->times)};
    }
    return (wit_list){changes, used};
}
