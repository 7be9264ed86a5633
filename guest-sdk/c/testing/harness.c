/* An operator under test. */

ms_bytes ms_refusal(const ms_operator *tested, const char *config) {
    return configure_by(tested->configure, ms_string(config));
}

ms_harness *ms_test(const ms_operator *tested, const char *config) {
    ms_bytes refusal = ms_refusal(tested, config);
    if (refusal.data) host_panic((const char *)refusal.data, refusal.size);
    ms_harness *harness = kept_zeroed(sizeof(*harness));
    harness->tested = tested;
    harness->watermark_ms = INT64_MIN;
    return harness;
}

void ms_adopt(ms_harness *harness, const ms_harness *before) {
    for (const stored *entry = before->first; entry; entry = entry->next) {
        if (entry->state == UINT32_MAX) continue;
        const char *name = before->tested->states[entry->state].name;
        for (uint32_t state = 0; state < harness->tested->state_count; state++) {
            if (strcmp(harness->tested->states[state].name, name) != 0) continue;
            stored_append(harness, state, entry->key, entry->field, entry->value);
        }
    }
    for (const set_timer *timer = before->timers; timer; timer = timer->next) {
        set_timer *copy = kept_zeroed(sizeof(*copy));
        *copy = *timer;
        copy->next = harness->timers;
        harness->timers = copy;
    }
}

/* The distinct keys of a batch with what prefetched states have of them. */
typedef struct {
    wit_list groups;
    wit_bytes_column keys;
    wit_list states;
} grouped;

static grouped group_batch(ms_harness *harness, const wit_record_batch *batch) {
    ms_context ctx = {.batch = {.count = batch->count, .keys = column_of(&batch->keys)}};
    group_records(&ctx);
    buffer states = {0};
    for (uint32_t state = 0; state < harness->tested->state_count; state++) {
        const ms_state *declared = &harness->tested->states[state];
        if (declared->kind != MS_VALUE || declared->on_demand) continue;
        wit_bytes_column column = stored_column(state, ctx.group_keys, NULL);
        buffer_put(&states, &column, sizeof(column));
    }
    grouped found = {{NULL, 0}, *ctx.group_keys, {states.data, (uint32_t)(states.size / sizeof(wit_bytes_column))}};
    /* The host passes groups only along with prefetched state. */
    if (found.states.size) found.groups = (wit_list){ctx.batch.groups, 4 * batch->count};
    return found;
}

static ms_outcome outcome_of(const buffer *emitted, const buffer *failed, const wit_processed *processed) {
    return (ms_outcome){
        .emitted = (const ms_emitted *)emitted->data,
        .emitted_count = (uint32_t)(emitted->size / sizeof(ms_emitted)),
        .failed = (const ms_failure *)failed->data,
        .failed_count = (uint32_t)(failed->size / sizeof(ms_failure)),
        .batch_failure = processed->is_err ? (ms_bytes){processed->err.data, processed->err.size} : MS_NONE,
    };
}

ms_outcome ms_send_all(ms_harness *harness, const ms_input *records, uint32_t count) {
    at_work = harness;
    arena_reset();
    passed_batch passed = pass_records(harness->tested, records, count);
    grouped groups = group_batch(harness, &passed.batch);
    wit_batch_input input = {passed.batch, groups.groups, groups.keys, groups.states, harness->watermark_ms};
    wit_processed processed;
    instance_process(harness->tested, &input, &processed);
    buffer emitted = {0}, failed = {0};
    buffer_put(&failed, passed.failed, sizeof(ms_failure) * (size_t)passed.failed_count);
    if (!processed.is_err) take_processed(harness, &processed, &groups.keys, passed.rows, &emitted, &failed);
    return outcome_of(&emitted, &failed, &processed);
}

ms_outcome ms_send(ms_harness *harness, const char *key, const char *value) {
    ms_input record = {.key = key ? ms_string(key) : MS_NONE, .value = value ? ms_string(value) : MS_NONE};
    return ms_send_all(harness, &record, 1);
}

ms_bytes ms_only(ms_outcome outcome) {
    if (outcome.failed_count > 0) {
        fprintf(stderr, "a record failed: %.*s\n", MS_ARGS(outcome.failed[0].reason));
        exit(1);
    }
    if (outcome.batch_failure.data || outcome.emitted_count != 1) {
        fprintf(stderr, "expected one record, got %u %.*s\n", outcome.emitted_count, MS_ARGS(outcome.batch_failure));
        exit(1);
    }
    return outcome.emitted[0].value;
}

/* Fires what is due on a clock, moment by moment, also what is set meanwhile. */
static ms_outcome fire(ms_harness *harness, ms_clock clock, int64_t up_to_ms) {
    at_work = harness;
    arena_reset();
    buffer emitted = {0}, failed = {0};
    wit_processed processed = {0};
    for (;;) {
        int64_t next_ms = INT64_MAX;
        for (const set_timer *timer = harness->timers; timer; timer = timer->next) {
            bool is_due = timer->clock == clock && timer->time_ms != INT64_MIN && timer->time_ms <= up_to_ms;
            if (is_due && timer->time_ms < next_ms) next_ms = timer->time_ms;
        }
        if (next_ms == INT64_MAX) break;
        column_builder keys = {0}, names = {0};
        buffer times = {0};
        for (set_timer *timer = harness->timers; timer; timer = timer->next) {
            if (timer->clock != clock || timer->time_ms != next_ms) continue;
            timer->time_ms = INT64_MIN;
            builder_push(&keys, timer->key);
            builder_push(&names, timer->name);
            buffer_put(&times, &next_ms, 8);
        }
        wit_fired_timers fired = {.domain = (uint8_t)clock, .keys = builder_column(&keys), .names = builder_column(&names)};
        fired.times = buffer_list(&times);
        fired.watermark = harness->watermark_ms;
        wit_record_batch batch = {.count = keys.rows, .keys = fired.keys};
        grouped groups = group_batch(harness, &batch);
        fired.groups = groups.groups;
        fired.group_keys = groups.keys;
        fired.states = groups.states;
        instance_on_timer(harness->tested, &fired, &processed);
        if (processed.is_err) break;
        take_processed(harness, &processed, &groups.keys, NULL, &emitted, &failed);
    }
    return outcome_of(&emitted, &failed, &processed);
}

ms_outcome ms_advance_watermark(ms_harness *harness, int64_t watermark_ms) {
    if (watermark_ms > harness->watermark_ms) harness->watermark_ms = watermark_ms;
    return fire(harness, MS_EVENT, watermark_ms);
}

ms_outcome ms_advance_now(ms_harness *harness, int64_t now_ms) {
    if (now_ms > harness->now_ms) harness->now_ms = now_ms;
    return fire(harness, MS_PROCESSING, now_ms);
}

void ms_set_now(ms_harness *harness, int64_t now_ms) { harness->now_ms = now_ms; }

void ms_set_seed(ms_harness *harness, uint64_t seed) { harness->seed = seed; }

ms_bytes ms_stored(const ms_harness *harness, uint32_t state, const char *key) {
    return stored_get(harness, state, ms_string(key), MS_NONE);
}

ms_bytes ms_stored_field(const ms_harness *harness, uint32_t state, const char *key, ms_bytes field) {
    return stored_get(harness, state, ms_string(key), field);
}

ms_bytes ms_stored_element(const ms_harness *harness, uint32_t state, const char *key, uint32_t index) {
    for (const stored *entry = harness->first; entry; entry = entry->next) {
        bool is_one = entry->state == state && ms_is(entry->key, key) && is_live(harness, entry);
        if (is_one && index-- == 0) return entry->value;
    }
    return MS_NONE;
}

void ms_store(ms_harness *harness, uint32_t state, const char *key, ms_bytes value) {
    stored_put(harness, state, ms_string(key), MS_NONE, value);
}

uint64_t ms_counter_sum(const ms_harness *harness, const char *name) {
    for (const noted *note = harness->notes; note; note = note->next) {
        if (note->kind == 'c' && strcmp(note->name, name) == 0) return note->sum;
    }
    return 0;
}

double ms_last_value(const ms_harness *harness, const char *name) {
    for (const noted *note = harness->notes; note; note = note->next) {
        if ((note->kind == 'g' || note->kind == 'h') && strcmp(note->name, name) == 0) return note->value;
    }
    return NAN;
}

const char *ms_log_line(const ms_harness *harness, uint32_t index) {
    for (const noted *note = harness->notes; note; note = note->next) {
        if (note->kind == 'l' && index-- == 0) return note->name;
    }
    return NULL;
}

uint32_t ms_state_calls(const ms_harness *harness) { return harness->calls; }
