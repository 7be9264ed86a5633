/* Runs an operator over batches: goes from record to record, keeps or undoes what each did, hands over what came. */

static const char *const only_main[] = {"main"};

static wit_list list_of_string(const char *text) { return (wit_list){text, (uint32_t)strlen(text)}; }

static wit_option_string option_of_string(const char *text) {
    return text ? (wit_option_string){1, list_of_string(text)} : (wit_option_string){0, {NULL, 0}};
}

static uint32_t output_count_of(const ms_operator *operator) {
    return operator->output_count ? operator->output_count : 1;
}

static wit_list declared_fields(const ms_field *fields, uint32_t count) {
    wit_field_declaration *declared = arena_take(sizeof(*declared) * (size_t)count);
    for (uint32_t i = 0; i < count; i++) {
        declared[i] = (wit_field_declaration){list_of_string(fields[i].path), (uint8_t)fields[i].type, fields[i].optional};
    }
    return (wit_list){declared, count};
}

/* What an operator declares, as the host takes it. */
static const wit_description *instance_describe(const ms_operator *operator) {
    uint32_t output_count = output_count_of(operator);
    const char *const *names = operator->output_count ? operator->outputs : only_main;
    wit_list *outputs = arena_take(sizeof(*outputs) * (size_t)output_count);
    for (uint32_t i = 0; i < output_count; i++) outputs[i] = list_of_string(names[i]);
    wit_state_declaration *states = arena_take(sizeof(*states) * (size_t)operator->state_count);
    memset(states, 0, sizeof(*states) * (size_t)operator->state_count);
    for (uint32_t i = 0; i < operator->state_count; i++) {
        const ms_state *state = &operator->states[i];
        states[i].name = list_of_string(state->name);
        states[i].kind = (uint8_t)state->kind;
        states[i].schema_version = state->version ? state->version : 1;
        states[i].ttl_ms.is_some = state->ttl_ms != 0;
        states[i].ttl_ms.value = state->ttl_ms;
        states[i].prefetch = state->kind == MS_VALUE && !state->on_demand;
    }
    wit_description *description = arena_take(sizeof(*description));
    *description = (wit_description){
        .outputs = {outputs, output_count},
        .states = {states, operator->state_count},
        .reads = declared_fields(operator->reads, operator->read_count),
        .writes = declared_fields(operator->writes, operator->write_count),
        .raw_values = operator->raw_values,
        .timers = operator->on_timer != NULL,
        .config_schema = option_of_string(operator->config_schema),
    };
    return description;
}

/* Whether a configuration says nothing. */
static bool is_empty_config(ms_bytes config) {
    char packed[5];
    uint32_t size = 0;
    for (uint32_t i = 0; i < config.size; i++) {
        if (strchr(" \t\r\n", config.data[i]) && config.data[i]) continue;
        if (size == sizeof(packed)) return false;
        packed[size++] = (char)config.data[i];
    }
    return size == 0 || (size == 2 && memcmp(packed, "{}", 2) == 0) || (size == 4 && memcmp(packed, "null", 4) == 0);
}

/* Calls a `configure`. Returns the reason of a refusal, or none. */
static ms_bytes configure_by(ms_status (*configure)(ms_context *, ms_bytes), ms_bytes config) {
    ms_context ctx = {.group = NO_GROUP};
    if (!configure && is_empty_config(config)) return MS_NONE;
    if (!configure) {
        ms_json_items items = ms_json_object(&ctx, config);
        bool has_field = ms_json_next(&ctx, &items);
        ms_bytes field = has_field ? items.name : MS_TEXT("");
        return ms_format(&ctx, "the configuration is refused: none is taken, and there is `%.*s`", MS_ARGS(field));
    }
    if (is_empty_config(config)) config = MS_TEXT("{}");
    if (configure(&ctx, config) != MS_OK && !ctx.has_failed) ms_fail(&ctx, "the configuration is refused without a reason");
    return ctx.has_failed ? ctx.reason : MS_NONE;
}

static void context_begin(ms_context *ctx, const ms_operator *operator, const wit_record_batch *input) {
    memset(ctx, 0, sizeof(*ctx));
    ctx->operator = operator;
    ctx->input = input;
    ctx->group = NO_GROUP;
    ctx->batch = (ms_batch){
        .count = input->count,
        .keys = column_of(&input->keys),
        .values = column_of(&input->values),
        .timestamps_ms = input->timestamps.data,
        .contract = input,
    };
    ctx->lacks_values = input->values.offsets.size == 0 && input->count > 0;
    if (input->columns.size) fields_read(ctx);
}

/* The states of the keys of a batch. */
static void states_begin(ms_context *ctx, wit_list groups, const wit_bytes_column *group_keys, wit_list prefetched) {
    const ms_operator *operator = ctx->operator;
    if (operator->state_count == 0) return;
    if (groups.size) {
        ctx->batch.groups = groups.data;
        ctx->batch.group_count = column_rows(group_keys);
        ctx->group_keys = group_keys;
    } else {
        group_records(ctx);
    }
    uint32_t next = 0, group_count = ctx->batch.group_count;
    ctx->states = arena_take(sizeof(state_store) * (size_t)operator->state_count);
    memset(ctx->states, 0, sizeof(state_store) * (size_t)operator->state_count);
    for (uint32_t i = 0; i < operator->state_count; i++) {
        state_store *state = &ctx->states[i];
        state->declaration = &operator->states[i];
        state->index = i;
        size_t size = 0;
        if (operator->states[i].kind == MS_VALUE) {
            size = sizeof(value_slot) * (size_t)group_count;
            state->slots = arena_take(size);
            memset(state->slots, 0, size);
            if (operator->states[i].on_demand) continue;
            state->prefetched = next;
            if (next < prefetched.size) state->stored = ((const wit_bytes_column *)prefetched.data)[next];
            if (column_rows(&state->stored) != group_count) {
                ms_fail_batch(ctx, "the host did not pass the values of state `%s`", operator->states[i].name);
            }
            next += 1;
        } else if (operator->states[i].kind == MS_MAP) {
            size = sizeof(map_group) * (size_t)group_count;
            state->map_groups = memset(arena_take(size), 0, size);
            state->table = memset(arena_take(sizeof(map_table)), 0, sizeof(map_table));
        } else {
            size = sizeof(list_group) * (size_t)group_count;
            state->list_groups = memset(arena_take(size), 0, size);
        }
    }
}

static void outputs_begin(ms_context *ctx) {
    ctx->output_count = output_count_of(ctx->operator);
    size_t size = sizeof(output_builder) * ctx->output_count;
    ctx->outputs = memset(arena_take(size), 0, size);
    size = sizeof(pending_field) * (size_t)ctx->operator->write_count;
    ctx->pending = memset(arena_take(size), 0, size);
}

/* Takes note that a record has failed, so that the next one can be taken in hand. */
static void record_failed(ms_context *ctx, uint32_t record) {
    buffer_put_u32(&ctx->failed.records, record);
    builder_push(&ctx->failed.reasons, ctx->reason);
    ctx->has_failed = false;
}

/* Done with the record in hand: what it did stands, or is undone. */
static void record_end(ms_context *ctx) {
    if (!ctx->in_hand) return;
    ctx->in_hand = false;
    if (!ctx->has_failed) {
        ctx->undo.size = 0;
        timers_keep(ctx);
        return;
    }
    if (ctx->has_failed_batch) return;
    state_undo(ctx);
    timers_undo(ctx);
    outputs_undo(ctx, ctx->record.index);
    for (uint32_t field = 0; field < ctx->operator->write_count; field++) ctx->pending[field].is_set = false;
    record_failed(ctx, ctx->record.index);
}

/* Takes a record in hand. */
static inline void record_begin(ms_context *ctx, uint32_t row) {
    ctx->record.key = ms_column_bytes(&ctx->batch.keys, row);
    ctx->record.value = ctx->lacks_values ? MS_NONE : ms_column_bytes(&ctx->batch.values, row);
    ctx->record.timestamp_ms = ctx->batch.timestamps_ms[row];
    ctx->record.index = row;
    ctx->record.batch = &ctx->batch;
    ctx->group = ctx->batch.groups ? ctx->batch.groups[row] : NO_GROUP;
    ctx->in_hand = true;
}

const ms_record *ms_seek(ms_context *ctx, uint32_t row) {
    record_end(ctx);
    if (row >= ctx->batch.count) {
        ms_fail_batch(ctx, "there is no record %u: the batch has %u", row, ctx->batch.count);
        row = 0;
    }
    record_begin(ctx, row);
    return &ctx->record;
}

/* Holds a function to its word where it says that it failed, and not why. */
static void must_say_why(ms_context *ctx, ms_status status) {
    if (status != MS_OK && !ctx->has_failed) ms_fail(ctx, "it failed without a reason");
}

static void ended(ms_context *ctx, ms_status status) {
    must_say_why(ctx, status);
    record_end(ctx);
}

/* Hands over what came of a batch, or why it failed as a whole. */
static void instance_finish(ms_context *ctx, wit_processed *into) {
    buffer changes = {0};
    for (uint32_t i = 0; i < ctx->operator->state_count && !ctx->has_failed_batch; i++) {
        state_store *state = &ctx->states[i];
        if (state->declaration->kind == MS_VALUE) values_finish(ctx, state, &changes);
        if (state->declaration->kind == MS_MAP) maps_finish(ctx, state);
        if (state->declaration->kind == MS_LIST) lists_finish(ctx, state);
    }
    memset(into, 0, sizeof(*into));
    if (ctx->has_failed_batch) {
        into->is_err = 1;
        into->err = bytes_list(ctx->reason);
        return;
    }
    metrics_send(ctx);
    into->ok.outputs = outputs_finish(ctx);
    into->ok.changes = (wit_list){changes.data, (uint32_t)(changes.size / sizeof(wit_state_change))};
    into->ok.failures = (wit_failure_column){buffer_list(&ctx->failed.records), builder_column(&ctx->failed.reasons)};
    into->ok.timers = timers_finish(ctx);
}

static void instance_process(const ms_operator *operator, const wit_batch_input *input, wit_processed *into) {
    ms_context context, *ctx = &context;
    context_begin(ctx, operator, &input->batch);
    ctx->watermark_ms = input->watermark;
    outputs_begin(ctx);
    states_begin(ctx, input->groups, &input->group_keys, input->states);
    if (operator->process_batch && !ctx->has_failed) {
        ms_status status = operator->process_batch(ctx, &ctx->batch);
        if (status != MS_OK && !ctx->has_failed) ms_fail_batch(ctx, "it failed without a reason");
        if (ctx->has_failed && !ctx->in_hand) ctx->has_failed_batch = true;
        record_end(ctx);
    }
    for (uint32_t row = 0; !operator->process_batch && row < ctx->batch.count && !ctx->has_failed; row++) {
        record_begin(ctx, row);
        ended(ctx, operator->process(ctx, &ctx->record));
    }
    instance_finish(ctx, into);
}

static void instance_on_timer(const ms_operator *operator, const wit_fired_timers *fired, wit_processed *into) {
    /* A timer is to what it emits as a record is that has its key, its time and no value. */
    uint32_t count = fired->times.size / 8;
    column_builder values = {0};
    for (uint32_t row = 0; row < count; row++) builder_push(&values, MS_NONE);
    static const uint32_t nothing = 0;
    wit_record_batch batch = {.count = count, .keys = fired->keys, .values = builder_column(&values), .timestamps = fired->times};
    batch.headers.names.offsets = batch.headers.values.offsets = (wit_list){&nothing, 4};
    ms_context context, *ctx = &context;
    context_begin(ctx, operator, &batch);
    ctx->watermark_ms = fired->watermark;
    outputs_begin(ctx);
    states_begin(ctx, fired->groups, &fired->group_keys, fired->states);
    for (uint32_t row = 0; row < count && !ctx->has_failed && operator->on_timer; row++) {
        record_begin(ctx, row);
        ms_timer timer = {ctx->record.key, wit_get(&fired->names, row), ctx->record.timestamp_ms, (ms_clock)fired->domain};
        ended(ctx, operator->on_timer(ctx, &timer));
    }
    instance_finish(ctx, into);
}
