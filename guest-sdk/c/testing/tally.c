/* An aggregator under test. */

/* Makes ready to call a part: what it logs and counts goes to nobody. */
static void part_begins(void) {
    static ms_harness nobody;
    at_work = &nobody;
}

static void part_configure(ms_status (*configure)(ms_context *, ms_bytes), const char *config) {
    part_begins();
    ms_bytes refusal = configure_by(configure, ms_string(config));
    if (refusal.data) host_panic((const char *)refusal.data, refusal.size);
}

static wit_record_batch part_batch(const ms_input *records, uint32_t count) {
    part_begins();
    return pass_records(&no_operator, records, count).batch;
}

ms_tally ms_tally_of(const ms_aggregator *tested, const char *config) {
    part_configure(tested->configure, config);
    return (ms_tally){.tested = tested};
}

static void tally_change(ms_tally *tally, const ms_input *record, bool retract) {
    static const uint32_t first = 0;
    wit_additions additions = {.rows = {&first, 4}, .targets = {&first, 4}};
    additions.batch = part_batch(record, 1);
    column_builder accumulators = {0};
    builder_push(&accumulators, tally->accumulator);
    additions.accumulators = builder_column(&accumulators);
    const wit_added_result *result = ms_aggregator_add(tally->tested, &additions, retract);
    tally->failure = MS_NONE;
    if (result->is_err) {
        tally->failure = kept_bytes((ms_bytes){result->err.data, result->err.size});
        return;
    }
    if (result->ok.failures.records.size) tally->failure = kept_bytes(wit_get(&result->ok.failures.reasons, 0));
    tally->accumulator = kept_bytes(wit_get(&result->ok.accumulators, 0));
}

void ms_tally_add(ms_tally *tally, ms_input record) { tally_change(tally, &record, false); }

void ms_tally_retract(ms_tally *tally, ms_input record) { tally_change(tally, &record, true); }

/* Ends the test where a merge or a result failed; none is expected to. */
static wit_bytes_column tally_column(const void *answer) {
    const wit_column_result *result = answer;
    if (result->is_err) host_panic(result->err.data, result->err.size);
    return result->ok;
}

void ms_tally_merge(ms_tally *tally, const ms_tally *other) {
    part_begins();
    column_builder both = {0};
    if (tally->accumulator.data) builder_push(&both, tally->accumulator);
    if (other->accumulator.data) builder_push(&both, other->accumulator);
    static const uint32_t groups[] = {0, 0};
    wit_bytes_column accumulators = builder_column(&both);
    ms_column column = column_of(&accumulators);
    wit_bytes_column merged = tally_column(ms_aggregator_merge(tally->tested, &column, both.rows, groups, 1));
    tally->accumulator = kept_bytes(wit_get(&merged, 0));
}

ms_bytes ms_tally_result(const ms_tally *tally, ms_pane pane) {
    part_begins();
    column_builder accumulators = {0}, keys = {0};
    builder_push(&accumulators, tally->accumulator);
    builder_push(&keys, pane.key.data ? pane.key : MS_TEXT(""));
    wit_bytes_column accumulator_column = builder_column(&accumulators), key_column = builder_column(&keys);
    ms_column of = column_of(&accumulator_column), key = column_of(&key_column);
    wit_bytes_column values = tally_column(ms_aggregator_results(tally->tested, &of, 1, &key, &pane.start_ms, &pane.end_ms));
    return kept_bytes(wit_get(&values, 0));
}
