/* Building the records of each output.
 *
 * Most operators hand on the key, the event time and the headers of what they are given. Such columns are not built
 * at all while every row inherits: they are gathered by source at the end, or are the input's own where every record
 * has come through once. */

static const uint32_t *sources_of(const output_builder *output) { return (const uint32_t *)output->sources.data; }

/* Copies the inherited rows so far, so that others can follow. */
static column_builder *own_column(const output_builder *output, inherited_column *column, const wit_bytes_column *input) {
    if (!column->is_own) {
        column->is_own = true;
        ms_column from = column_of(input);
        const uint32_t *sources = sources_of(output);
        for (uint32_t row = 0; row < output->rows; row++) {
            builder_push(&column->own, ms_column_bytes(&from, sources[row]));
        }
    }
    return &column->own;
}

static void emit_key(ms_context *ctx, output_builder *output, const ms_output *emitted) {
    bool is_own = emitted->key.data || (emitted->flags & MS_NO_KEY);
    if (!is_own && !output->keys.is_own) return;
    column_builder *keys = own_column(output, &output->keys, &ctx->input->keys);
    builder_push(keys, is_own ? emitted->key : ctx->record.key);
}

static void emit_time(ms_context *ctx, output_builder *output, const ms_output *emitted) {
    bool is_own = emitted->flags & MS_AT;
    if (!is_own && !output->own_times) return;
    if (!output->own_times) {
        output->own_times = true;
        const uint32_t *sources = sources_of(output);
        for (uint32_t row = 0; row < output->rows; row++) {
            buffer_put(&output->times, &ctx->batch.timestamps_ms[sources[row]], 8);
        }
    }
    int64_t time_ms = is_own ? emitted->timestamp_ms : ctx->record.timestamp_ms;
    buffer_put(&output->times, &time_ms, 8);
}

static void push_headers(output_builder *output, const ms_record *record) {
    for (uint32_t index = 0; index < ms_header_count(record); index++) {
        ms_header header = ms_header_at(record, index);
        builder_push(&output->header_names, header.name);
        builder_push(&output->header_values, header.value);
    }
}

static void emit_headers(ms_context *ctx, output_builder *output, const ms_output *emitted) {
    bool drops = (emitted->flags & MS_NO_HEADERS) && ctx->input->headers.offsets.size;
    if (!drops && !emitted->header_count && !output->no_headers) return;
    if (!output->no_headers) {
        output->no_headers = true;
        buffer_put_u32(&output->header_offsets, 0);
        const uint32_t *sources = sources_of(output);
        for (uint32_t row = 0; row < output->rows; row++) {
            ms_record record = {.index = sources[row], .batch = &ctx->batch};
            push_headers(output, &record);
            buffer_put_u32(&output->header_offsets, output->header_names.rows);
        }
    }
    if (!(emitted->flags & MS_NO_HEADERS)) push_headers(output, &ctx->record);
    for (uint32_t index = 0; index < emitted->header_count; index++) {
        builder_push(&output->header_names, emitted->headers[index].name);
        builder_push(&output->header_values, emitted->headers[index].value);
    }
    buffer_put_u32(&output->header_offsets, output->header_names.rows);
}

static output_builder *output_of(ms_context *ctx, uint32_t to) {
    if (to >= ctx->output_count) {
        ms_fail_batch(ctx, "there is no output %u: the operator declares %u", to, ctx->output_count);
        return NULL;
    }
    if (!ctx->in_hand) {
        ms_fail_batch(ctx, "something is emitted while no record is in hand");
        return NULL;
    }
    if (ctx->outputs[to].columns) {
        ms_fail_batch(ctx, "output %u already has whole columns", to);
        return NULL;
    }
    return &ctx->outputs[to];
}

static void emit_rest(ms_context *ctx, output_builder *output, const ms_output *emitted) {
    emit_key(ctx, output, emitted);
    emit_time(ctx, output, emitted);
    emit_headers(ctx, output, emitted);
    buffer_put_u32(&output->sources, ctx->record.index);
    output->rows += 1;
}

ms_status ms_emit_with(ms_context *ctx, const ms_output *emitted) {
    if (ctx->has_failed) return MS_FAILED;
    output_builder *output = output_of(ctx, emitted->to);
    if (!output) return MS_FAILED;
    if (output->fields) return ms_fail_batch(ctx, "output %u has both values and rows of fields", emitted->to);
    bool is_same = emitted->flags & MS_SAME;
    if (is_same && ctx->lacks_values) return ms_fail_batch(ctx, "the records' values are not passed; declare `raw_values`");
    if (!is_same || output->values.is_own) {
        column_builder *values = own_column(output, &output->values, &ctx->input->values);
        builder_push(values, is_same ? ctx->record.value : emitted->value);
    }
    emit_rest(ctx, output, emitted);
    return MS_OK;
}

ms_status ms_emit(ms_context *ctx, ms_bytes value) { return ms_emit_with(ctx, &(ms_output){.value = value}); }

ms_status ms_emit_same(ms_context *ctx, uint32_t to) {
    return ms_emit_with(ctx, &(ms_output){.to = to, .flags = MS_SAME});
}

ms_status ms_emit_text(ms_context *ctx, const char *format, ...) {
    ms_bytes text;
    FORMAT(text);
    return ms_emit(ctx, text);
}

/* Takes back what came of the record in hand. */
static void outputs_undo(ms_context *ctx, uint32_t record) {
    for (uint32_t index = 0; index < ctx->output_count; index++) {
        output_builder *output = &ctx->outputs[index];
        uint32_t rows = output->rows;
        while (rows > 0 && sources_of(output)[rows - 1] == record) rows--;
        if (rows == output->rows) continue;
        output->rows = rows;
        output->sources.size = 4 * (size_t)rows;
        if (output->keys.is_own) builder_truncate(&output->keys.own, rows);
        if (output->values.is_own) builder_truncate(&output->values.own, rows);
        if (output->own_times) output->times.size = 8 * (size_t)rows;
        if (output->no_headers) {
            output->header_offsets.size = 4 * ((size_t)rows + 1);
            uint32_t headers = ((const uint32_t *)output->header_offsets.data)[rows];
            builder_truncate(&output->header_names, headers);
            builder_truncate(&output->header_values, headers);
        }
        if (output->fields) fields_truncate(ctx->operator, output->fields, rows);
    }
}

/* The headers of an output none of whose rows changed any. */
static wit_header_column inherited_headers(ms_context *ctx, const uint32_t *sources, uint32_t count, bool all) {
    if (all || ctx->input->headers.offsets.size == 0) return ctx->input->headers;
    output_builder gathered = {0};
    buffer_put_u32(&gathered.header_offsets, 0);
    for (uint32_t row = 0; row < count; row++) {
        ms_record record = {.index = sources[row], .batch = &ctx->batch};
        push_headers(&gathered, &record);
        buffer_put_u32(&gathered.header_offsets, gathered.header_names.rows);
    }
    return (wit_header_column){
        buffer_list(&gathered.header_offsets),
        builder_column(&gathered.header_names),
        builder_column(&gathered.header_values),
    };
}

static wit_list gathered_times(ms_context *ctx, const uint32_t *sources, uint32_t count, bool all) {
    if (all) return ctx->input->timestamps;
    int64_t *times = arena_take(8 * (size_t)count);
    for (uint32_t row = 0; row < count; row++) times[row] = ctx->batch.timestamps_ms[sources[row]];
    return (wit_list){times, 8 * count};
}

/* Whether sources are every record once. */
static bool is_every_record(const uint32_t *sources, uint32_t count, uint32_t records) {
    return count == records && (count == 0 || (sources[0] == 0 && sources[count - 1] == count - 1));
}

static void output_finish(ms_context *ctx, uint32_t index, output_builder *output, wit_output_batch *into) {
    uint32_t count = output->rows;
    const uint32_t *sources = sources_of(output);
    /* Sources do not decrease; a record that comes twice and one that is missing could still make up for each other. */
    bool all = is_every_record(sources, count, ctx->batch.count);
    for (uint32_t row = 0; all && row < count; row++) all = sources[row] == row;
    static const uint32_t nothing = 0;
    memset(into, 0, sizeof(*into));
    into->batch.headers.names.offsets = into->batch.headers.values.offsets = (wit_list){&nothing, 4};
    into->output = index;
    into->sources = (wit_list){sources, 4 * count};
    wit_record_batch *batch = &into->batch;
    batch->count = count;
    inherited_column *keys = &output->keys, *values = &output->values;
    batch->keys = keys->is_own ? builder_column(&keys->own) : column_gather(&ctx->input->keys, sources, count, all);
    if (output->fields || output->columns) {
        fields_finish(ctx->operator, output, batch);
    } else {
        batch->values = values->is_own ? builder_column(&values->own) : column_gather(&ctx->input->values, sources, count, all);
    }
    batch->timestamps = output->own_times ? buffer_list(&output->times) : gathered_times(ctx, sources, count, all);
    if (!output->no_headers) {
        batch->headers = inherited_headers(ctx, sources, count, all);
    } else if (output->header_names.rows > 0) {
        batch->headers = (wit_header_column){
            buffer_list(&output->header_offsets),
            builder_column(&output->header_names),
            builder_column(&output->header_values),
        };
    }
}

static wit_list outputs_finish(ms_context *ctx) {
    wit_output_batch *finished = arena_take(sizeof(wit_output_batch) * ctx->output_count);
    uint32_t used = 0;
    for (uint32_t index = 0; index < ctx->output_count; index++) {
        if (ctx->outputs[index].rows > 0) output_finish(ctx, index, &ctx->outputs[index], &finished[used++]);
    }
    return (wit_list){finished, used};
}
