/* Parts of windows under test, by the calls that the host makes. */

/* The reason of an error, in memory that stays. */
static ms_bytes kept_reason(wit_list reason) { return kept_bytes((ms_bytes){reason.data, reason.size}); }

static _Noreturn void part_failed(wit_list reason) { host_panic(reason.data, reason.size); }

ms_assigned ms_assigned_to(const ms_assigner *tested, const char *config, ms_input record) {
    part_configure(tested->configure, config);
    wit_assign_arguments arguments = {.batch = part_batch(&record, 1)};
    const wit_assigned_result *result = ms_assigner_assign(tested, &arguments);
    if (result->is_err) part_failed(result->err);
    uint32_t count = result->ok.rows.size / 4;
    const int64_t *starts = result->ok.windows.starts.data, *ends = result->ok.windows.ends.data;
    ms_pane *windows = kept_zeroed(sizeof(*windows) * (size_t)count);
    for (uint32_t i = 0; i < count; i++) windows[i] = (ms_pane){MS_NONE, starts[i], ends[i]};
    bool has_failed = result->ok.failures.records.size > 0;
    return (ms_assigned){windows, count, has_failed ? kept_bytes(wit_get(&result->ok.failures.reasons, 0)) : MS_NONE};
}

ms_trigger_test ms_trigger_test_of(const ms_trigger *tested, const char *config, ms_pane pane) {
    part_configure(tested->configure, config);
    if (!pane.key.data) pane.key = MS_TEXT("");
    return (ms_trigger_test){
        .tested = tested, .pane = pane, .event_time_ms = MS_NEVER, .processing_time_ms = MS_NEVER, .watermark_ms = INT64_MIN,
    };
}

/* Panes as they are passed. */
static wit_trigger_panes passed_panes(const ms_trigger_test *tests, uint32_t count) {
    column_builder keys = {0}, states = {0};
    buffer starts = {0}, ends = {0}, event_times = {0}, processing_times = {0};
    for (uint32_t i = 0; i < count; i++) {
        builder_push(&keys, tests[i].pane.key);
        builder_push(&states, tests[i].state);
        buffer_put(&starts, &tests[i].pane.start_ms, 8);
        buffer_put(&ends, &tests[i].pane.end_ms, 8);
        buffer_put(&event_times, &tests[i].event_time_ms, 8);
        buffer_put(&processing_times, &tests[i].processing_time_ms, 8);
    }
    return (wit_trigger_panes){
        .keys = builder_column(&keys),
        .windows = {buffer_list(&starts), buffer_list(&ends)},
        .states = builder_column(&states),
        .event_times = buffer_list(&event_times),
        .processing_times = buffer_list(&processing_times),
        .now = tests->now_ms,
        .watermark = tests->watermark_ms,
    };
}

/* Takes over what came of the only pane. */
static ms_verdict take_verdict(ms_trigger_test *test, const void *answer) {
    const wit_verdicts_result *result = answer;
    if (result->is_err) part_failed(result->err);
    const wit_verdicts *verdicts = &result->ok;
    test->failure = verdicts->failures.records.size ? kept_bytes(wit_get(&verdicts->failures.reasons, 0)) : MS_NONE;
    test->state = kept_bytes(wit_get(&verdicts->states, 0));
    test->event_time_ms = *(const int64_t *)verdicts->event_times.data;
    test->processing_time_ms = *(const int64_t *)verdicts->processing_times.data;
    return (ms_verdict)*(const uint8_t *)verdicts->verdicts.data;
}

ms_verdict ms_trigger_element(ms_trigger_test *test, ms_input record) {
    static const uint32_t first = 0;
    wit_elements_arguments arguments = {
        .batch = part_batch(&record, 1),
        .panes = passed_panes(test, 1),
        .rows = {&first, 4},
        .pane_rows = {&first, 4},
        .windows = {{&test->pane.start_ms, 8}, {&test->pane.end_ms, 8}},
    };
    return take_verdict(test, ms_trigger_on_elements(test->tested, &arguments));
}

ms_verdict ms_trigger_advance(ms_trigger_test *test, ms_clock clock, int64_t time_ms) {
    part_begins();
    *(clock == MS_EVENT ? &test->watermark_ms : &test->now_ms) = time_ms;
    const int64_t *next_ms = clock == MS_EVENT ? &test->event_time_ms : &test->processing_time_ms;
    unsigned verdict = MS_CONTINUE;
    while (*next_ms != MS_NEVER && *next_ms <= time_ms) {
        int64_t at_ms = *next_ms;
        wit_time_arguments arguments = {.panes = passed_panes(test, 1), .domain = (uint8_t)clock, .times = {&at_ms, 8}};
        verdict |= take_verdict(test, ms_trigger_on_time(test->tested, &arguments));
    }
    return (ms_verdict)verdict;
}

ms_verdict ms_trigger_merge(ms_trigger_test *into, const ms_trigger_test *from, uint32_t count) {
    part_begins();
    uint32_t *groups = memset(arena_take(4 * (size_t)count), 0, 4 * (size_t)count);
    wit_merge_arguments arguments = {
        .panes = passed_panes(from, count),
        .groups = {groups, 4 * count},
        .merged = {{&into->pane.start_ms, 8}, {&into->pane.end_ms, 8}},
    };
    return take_verdict(into, ms_trigger_on_merge(into->tested, &arguments));
}

/* Adds what was emitted; false: it failed. */
static bool take_emitted(ms_fired *fired, const void *answer) {
    const wit_column_result *result = answer;
    if (result->is_err) {
        fired->failure = kept_reason(result->err);
        return false;
    }
    uint32_t more = column_rows(&result->ok);
    ms_bytes *values = kept_zeroed(sizeof(*values) * (size_t)(fired->count + more));
    if (fired->count) memcpy(values, fired->values, sizeof(*values) * (size_t)fired->count);
    for (uint32_t i = 0; i < more; i++) values[fired->count + i] = kept_bytes(wit_get(&result->ok, i));
    fired->values = values;
    fired->count += more;
    /* What the function has of the call is gone now. */
    ms_call_done();
    return true;
}

ms_fired ms_fire(const ms_window_function *tested, const char *config, ms_pane pane, const ms_input *records, uint32_t count) {
    part_configure(tested->configure, config);
    if (!pane.key.data) pane.key = MS_TEXT("");
    ms_fired told = {.count = 0};
    ms_window_function_begin(tested, &(ms_fired_pane){.pane = pane, .elements = count, .watermark_ms = INT64_MIN});
    bool goes_on = true;
    for (uint32_t at = 0; at < count && goes_on; at += 2) {
        wit_record_batch page = part_batch(records + at, count - at < 2 ? 1 : 2);
        goes_on = take_emitted(&told, ms_window_function_elements(tested, &page));
    }
    if (goes_on) take_emitted(&told, ms_window_function_end(tested));
    return told;
}

ms_generator_test ms_generator_test_of(const ms_generator *tested, const char *config) {
    part_configure(tested->configure, config);
    return (ms_generator_test){.tested = tested, .watermark_ms = INT64_MIN};
}

static void take_progress(ms_generator_test *test, const void *answer) {
    const wit_progress_result *result = answer;
    if (result->is_err) part_failed(result->err);
    test->state = kept_reason(result->ok.state);
    test->is_idle = result->ok.idle;
    bool is_later = result->ok.watermark.is_some && result->ok.watermark.value > test->watermark_ms;
    if (is_later) test->watermark_ms = result->ok.watermark.value;
}

void ms_generator_read(ms_generator_test *test, const ms_input *records, uint32_t count) {
    wit_records_arguments arguments = {
        .state = {test->state.data, test->state.size}, .batch = part_batch(records, count), .now = test->now_ms,
    };
    take_progress(test, ms_generator_on_records(test->tested, &arguments));
}

void ms_generator_tick(ms_generator_test *test, int64_t now_ms) {
    part_begins();
    test->now_ms = now_ms;
    take_progress(test, ms_generator_on_time(test->tested, test->state.data, test->state.size, now_ms));
}
