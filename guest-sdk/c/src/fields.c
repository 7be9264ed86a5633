/* Typed fields: columns that the host decoded, rows of fields that the operator writes. */

/* Reads the declared columns of a batch. */
static void fields_read(ms_context *ctx) {
    const wit_typed_column *from = ctx->input->columns.data;
    uint32_t count = ctx->input->columns.size;
    ms_column *columns = arena_take(sizeof(ms_column) * (size_t)count);
    for (uint32_t index = 0; index < count; index++) {
        columns[index] = (ms_column){
            .type = (ms_type)from[index].kind,
            .data = from[index].data.data ? from[index].data.data : (const void *)"",
            .size = from[index].data.size,
            .offsets = from[index].offsets.data,
            .validity = from[index].validity.size ? from[index].validity.data : NULL,
        };
    }
    ctx->batch.columns = columns;
    ctx->batch.column_count = count;
}

static pending_field *pending_of(ms_context *ctx, uint32_t field, ms_type type) {
    const ms_operator *operator = ctx->operator;
    if (field >= operator->write_count) {
        ms_fail_batch(ctx, "there is no field %u to write: the operator declares %u", field, operator->write_count);
        return NULL;
    }
    ms_type declared = operator->writes[field].type;
    if (declared != type && !(declared == MS_BYTES && type == MS_UTF8)) {
        ms_fail_batch(ctx, "field `%s` is declared with another type", operator->writes[field].path);
        return NULL;
    }
    ctx->pending[field].is_set = true;
    return &ctx->pending[field];
}

void ms_set_int64(ms_context *ctx, uint32_t field, int64_t value) {
    pending_field *pending = pending_of(ctx, field, MS_INT64);
    if (pending) pending->integer = value;
}

void ms_set_float64(ms_context *ctx, uint32_t field, double value) {
    pending_field *pending = pending_of(ctx, field, MS_FLOAT64);
    if (pending) pending->number = value;
    if (pending && !isfinite(value)) ms_fail(ctx, "field `%s`: %f has no form in JSON", ctx->operator->writes[field].path, value);
}

void ms_set_bool(ms_context *ctx, uint32_t field, bool value) {
    pending_field *pending = pending_of(ctx, field, MS_BOOLEAN);
    if (pending) pending->truth = value;
}

void ms_set_bytes(ms_context *ctx, uint32_t field, ms_bytes value) {
    pending_field *pending = pending_of(ctx, field, MS_UTF8);
    if (pending) pending->bytes = value;
    if (pending && !value.data) pending->is_set = false;
}

/* Appends a field to its column, null where it is not set. */
static void field_push(column_builder *column, ms_type type, const pending_field *field) {
    switch (type) {
    case MS_BYTES:
    case MS_UTF8:
        builder_push(column, field->is_set ? field->bytes : MS_NONE);
        return;
    case MS_BOOLEAN:
        bits_put(&column->data, column->rows, field->is_set && field->truth);
        break;
    case MS_INT64:
    case MS_FLOAT64:
        memset(buffer_room(&column->data, 8), 0, 8);
        if (field->is_set) memcpy(column->data.data + column->data.size, &field->integer, 8);
        column->data.size += 8;
        break;
    }
    builder_note(column, field->is_set);
}

ms_status ms_emit_row(ms_context *ctx, const ms_output *emitted) {
    if (ctx->has_failed) return MS_FAILED;
    static const ms_output as_it_is = {.flags = 0};
    if (!emitted) emitted = &as_it_is;
    output_builder *output = output_of(ctx, emitted->to);
    if (!output) return MS_FAILED;
    const ms_operator *operator = ctx->operator;
    if (!output->fields) {
        if (output->rows > 0) return ms_fail_batch(ctx, "output %u has both values and rows of fields", emitted->to);
        output->fields = arena_take(sizeof(column_builder) * operator->write_count);
        memset(output->fields, 0, sizeof(column_builder) * operator->write_count);
    }
    for (uint32_t field = 0; field < operator->write_count; field++) {
        if (!ctx->pending[field].is_set && !operator->writes[field].optional) {
            return ms_fail(ctx, "field `%s` is not optional, and is not set", operator->writes[field].path);
        }
    }
    for (uint32_t field = 0; field < operator->write_count; field++) {
        field_push(&output->fields[field], operator->writes[field].type, &ctx->pending[field]);
        ctx->pending[field].is_set = false;
    }
    emit_rest(ctx, output, emitted);
    return MS_OK;
}

static void fields_truncate(const ms_operator *operator, column_builder *fields, uint32_t rows) {
    for (uint32_t field = 0; field < operator->write_count; field++) {
        column_builder *column = &fields[field];
        ms_type type = operator->writes[field].type;
        if (type == MS_BYTES || type == MS_UTF8) {
            builder_truncate(column, rows);
            continue;
        }
        if (column->has_null) {
            column->validity.size = (rows + 7) / 8;
            if (rows % 8) column->validity.data[rows / 8] &= (uint8_t)((1u << (rows % 8)) - 1);
        }
        column->data.size = type == MS_BOOLEAN ? (rows + 7) / 8 : 8 * (size_t)rows;
        if (type == MS_BOOLEAN && rows % 8) column->data.data[rows / 8] &= (uint8_t)((1u << (rows % 8)) - 1);
        column->rows = rows;
    }
}

ms_status ms_emit_columns(ms_context *ctx, uint32_t to, const uint32_t *sources, uint32_t count, const ms_column *columns) {
    if (to >= ctx->output_count) return ms_fail_batch(ctx, "there is no output %u", to);
    output_builder *output = &ctx->outputs[to];
    if (output->rows > 0) return ms_fail_batch(ctx, "output %u already has records", to);
    if (count == 0) return MS_OK;
    if (sources) {
        buffer_put(&output->sources, sources, 4 * (size_t)count);
    } else {
        if (count != ctx->batch.count) return ms_fail_batch(ctx, "%u rows cannot be of %u records", count, ctx->batch.count);
        for (uint32_t row = 0; row < count; row++) buffer_put_u32(&output->sources, row);
    }
    output->rows = count;
    output->columns = columns;
    return MS_OK;
}

/* The length of a bitmap of `count` bits, bytes. */
static uint32_t bitmap_size(uint32_t count) { return (count + 7) / 8; }

/* Hands the written fields over. */
static void fields_finish(const ms_operator *operator, output_builder *output, wit_record_batch *into) {
    uint32_t count = operator->write_count;
    wit_typed_column *columns = arena_take(sizeof(wit_typed_column) * (size_t)count);
    memset(columns, 0, sizeof(wit_typed_column) * (size_t)count);
    for (uint32_t field = 0; field < count; field++) {
        const ms_field *declared = &operator->writes[field];
        bool has_offsets = declared->type == MS_BYTES || declared->type == MS_UTF8;
        columns[field].name = (wit_list){declared->path, (uint32_t)strlen(declared->path)};
        columns[field].kind = (uint8_t)declared->type;
        if (output->columns) {
            const ms_column *given = &output->columns[field];
            uint32_t size = declared->type == MS_BOOLEAN ? bitmap_size(output->rows) : 8 * output->rows;
            if (has_offsets) size = given->offsets[output->rows];
            columns[field].data = (wit_list){given->data, size};
            if (has_offsets) columns[field].offsets = (wit_list){given->offsets, 4 * (output->rows + 1)};
            if (given->validity) columns[field].validity = (wit_list){given->validity, bitmap_size(output->rows)};
        } else {
            column_builder *built = &output->fields[field];
            columns[field].data = buffer_list(&built->data);
            if (has_offsets) columns[field].offsets = buffer_list(&built->offsets);
            columns[field].validity = buffer_list(&built->validity);
        }
    }
    into->columns = (wit_list){columns, count};
}
