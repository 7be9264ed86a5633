/* Batches as the host passes them, and what comes back. */

/* Records as columns; those that the host cannot decode fail here and are left out, as they are there. */
typedef struct {
    wit_record_batch batch;
    uint32_t *rows;       /* the input record of each that is passed */
    ms_failure *failed;
    uint32_t failed_count;
} passed_batch;

static passed_batch pass_records(const ms_operator *tested, const ms_input *records, uint32_t count) {
    passed_batch passed = {.rows = arena_take(4 * (size_t)count), .failed = arena_take(sizeof(ms_failure) * (size_t)count)};
    column_builder keys = {0}, values = {0}, names = {0}, header_values = {0};
    size_t size = sizeof(column_builder) * (size_t)tested->read_count;
    column_builder *columns = memset(arena_take(size), 0, size);
    buffer offsets = {0}, times = {0};
    buffer_put_u32(&offsets, 0);
    uint32_t rows = 0;
    for (uint32_t i = 0; i < count; i++) {
        ms_bytes reason = tested->read_count ? decode_record(tested, records[i].value, columns) : MS_NONE;
        if (reason.data) {
            fields_truncate(&(ms_operator){.writes = tested->reads, .write_count = tested->read_count}, columns, rows);
            passed.failed[passed.failed_count++] = (ms_failure){i, reason};
            continue;
        }
        passed.rows[rows++] = i;
        builder_push(&keys, records[i].key);
        builder_push(&values, records[i].value);
        buffer_put(&times, &records[i].timestamp_ms, 8);
        for (uint32_t header = 0; header < records[i].header_count; header++) {
            builder_push(&names, records[i].headers[header].name);
            builder_push(&header_values, records[i].headers[header].value);
        }
        buffer_put_u32(&offsets, names.rows);
    }
    bool has_headers = names.rows > 0;
    passed.batch = (wit_record_batch){.count = rows, .keys = builder_column(&keys), .timestamps = buffer_list(&times)};
    if (!tested->read_count || tested->raw_values) passed.batch.values = builder_column(&values);
    if (tested->read_count) passed.batch.columns = decoded_columns(tested, columns);
    if (has_headers) passed.batch.headers.offsets = buffer_list(&offsets);
    passed.batch.headers.names = builder_column(&names);
    passed.batch.headers.values = builder_column(&header_values);
    return passed;
}

/* The columns that an output holds, as the operator's side reads columns. */
static ms_column *written_columns(const wit_list *columns) {
    const wit_typed_column *from = columns->data;
    ms_column *written = arena_take(sizeof(*written) * (size_t)columns->size);
    for (uint32_t field = 0; field < columns->size; field++) {
        written[field] = (ms_column){
            .type = (ms_type)from[field].kind,
            .data = from[field].data.data,
            .offsets = from[field].offsets.data,
            .validity = from[field].validity.size ? from[field].validity.data : NULL,
        };
    }
    return written;
}

static void take_output(const ms_harness *harness, const wit_output_batch *output, buffer *emitted) {
    const ms_operator *tested = harness->tested;
    const wit_record_batch *batch = &output->batch;
    ms_column *columns = written_columns(&batch->columns);
    for (uint32_t row = 0; row < batch->count; row++) {
        ms_emitted one = {
            .output = tested->output_count ? tested->outputs[output->output] : only_main[0],
            .source = ((const uint32_t *)output->sources.data)[row],
            .key = wit_get(&batch->keys, row),
            .value = batch->columns.size ? encoded_row(tested, columns, row) : wit_get(&batch->values, row),
            .timestamp_ms = ((const int64_t *)batch->timestamps.data)[row],
        };
        if (batch->headers.offsets.size) {
            const uint32_t *offsets = batch->headers.offsets.data;
            ms_header *headers = arena_take(sizeof(*headers) * (size_t)(offsets[row + 1] - offsets[row]));
            for (uint32_t at = offsets[row]; at < offsets[row + 1]; at++) {
                ms_header header = {wit_get(&batch->headers.names, at), wit_get(&batch->headers.values, at)};
                headers[one.header_count++] = header;
            }
            one.headers = headers;
        }
        buffer_put(emitted, &one, sizeof(one));
    }
}

static void take_timers(ms_harness *harness, const wit_list *changes) {
    for (uint32_t i = 0; i < changes->size; i++) {
        const wit_timer_changes *change = (const wit_timer_changes *)changes->data + i;
        for (uint32_t row = 0; row < column_rows(&change->keys); row++) {
            ms_bytes key = wit_get(&change->keys, row), name = wit_get(&change->names, row);
            set_timer **end = &harness->timers;
            while (*end && !((*end)->clock == (ms_clock)change->domain && ms_equal((*end)->key, key) && ms_equal((*end)->name, name))) {
                end = &(*end)->next;
            }
            if (!*end) {
                *end = kept_zeroed(sizeof(set_timer));
                **end = (set_timer){NULL, (ms_clock)change->domain, kept_bytes(key), kept_bytes(name), 0};
            }
            (*end)->time_ms = ((const int64_t *)change->times.data)[row];
        }
    }
}

/* Takes over what came of a batch. `rows`: the input record of each passed one, NULL: they are the same. */
static void take_processed(ms_harness *harness, const wit_processed *processed, const wit_bytes_column *group_keys,
                           const uint32_t *rows, buffer *emitted, buffer *failed) {
    const wit_batch_output *output = &processed->ok;
    uint32_t before = (uint32_t)(emitted->size / sizeof(ms_emitted));
    for (uint32_t i = 0; i < output->outputs.size; i++) {
        take_output(harness, (const wit_output_batch *)output->outputs.data + i, emitted);
    }
    ms_emitted *all = (ms_emitted *)emitted->data;
    for (uint32_t i = before; rows && i < emitted->size / sizeof(ms_emitted); i++) all[i].source = rows[all[i].source];
    for (uint32_t i = 0; i < output->failures.records.size / 4; i++) {
        uint32_t record = ((const uint32_t *)output->failures.records.data)[i];
        ms_failure failure = {rows ? rows[record] : record, wit_get(&output->failures.reasons, i)};
        buffer_put(failed, &failure, sizeof(failure));
    }
    for (uint32_t i = 0; i < output->changes.size; i++) {
        const wit_state_change *change = (const wit_state_change *)output->changes.data + i;
        uint32_t state = 0, prefetched = 0;
        for (; state < harness->tested->state_count; state++) {
            const ms_state *declared = &harness->tested->states[state];
            if (declared->kind == MS_VALUE && !declared->on_demand && prefetched++ == change->state) break;
        }
        for (uint32_t row = 0; row < change->groups.size / 4; row++) {
            ms_bytes key = wit_get(group_keys, ((const uint32_t *)change->groups.data)[row]);
            stored_put(harness, state, key, MS_NONE, wit_get(&change->values, row));
        }
    }
    take_timers(harness, &output->timers);
}
