/* Typed columns as the host makes them of JSON, and JSON of the columns that come back. */

/* The next part of a path, and where it goes on: "/user/id" is user, then id. */
static ms_bytes path_part(const char **path) {
    const char *start = *path + 1, *end = strchr(start, '/');
    if (!end) end = start + strlen(start);
    *path = end;
    return (ms_bytes){(const uint8_t *)start, (uint32_t)(end - start)};
}

/* The JSON text of a field; none where it is missing or null. */
static ms_bytes json_field(ms_context *ctx, ms_bytes json, const char *path) {
    while (*path && json.data) {
        ms_bytes part = path_part(&path), found = MS_NONE;
        if (json.data[0] != '{') return MS_NONE;
        for (ms_json_items items = ms_json_object(ctx, json); ms_json_next(ctx, &items);) {
            if (ms_equal(items.name, part)) found = items.value;
        }
        json = found;
    }
    return json.data && ms_json_is_null(json) ? MS_NONE : json;
}

/* Decodes a field into its column. */
static void decode_field(ms_context *ctx, const ms_field *field, ms_bytes json, column_builder *into) {
    pending_field decoded = {.is_set = json.data != NULL};
    if (decoded.is_set && field->type == MS_BYTES) decoded.bytes = json;
    if (decoded.is_set && field->type == MS_UTF8) decoded.bytes = ms_json_text(ctx, json);
    if (decoded.is_set && field->type == MS_BOOLEAN) decoded.truth = ms_json_bool(ctx, json);
    if (decoded.is_set && field->type == MS_INT64) decoded.integer = ms_json_int64(ctx, json);
    if (decoded.is_set && field->type == MS_FLOAT64) decoded.number = ms_json_float64(ctx, json);
    if (!decoded.is_set && !field->optional) ms_fail(ctx, "field `%s` is missing", field->path);
    field_push(into, field->type, &decoded);
}

/* Why a record cannot be decoded; none: it can. Appends to the columns either way. */
static ms_bytes decode_record(const ms_operator *tested, ms_bytes value, column_builder *columns) {
    ms_context ctx = {.group = NO_GROUP};
    if (!value.data) ms_fail(&ctx, "this record has no value: it is a tombstone");
    for (uint32_t field = 0; field < tested->read_count; field++) {
        ms_bytes json = value.data ? json_field(&ctx, value, tested->reads[field].path) : MS_NONE;
        decode_field(&ctx, &tested->reads[field], json, &columns[field]);
    }
    return ctx.has_failed ? ctx.reason : MS_NONE;
}

/* Hands decoded columns over as the host does. */
static wit_list decoded_columns(const ms_operator *tested, column_builder *columns) {
    wit_typed_column *passed = memset(arena_take(sizeof(*passed) * (size_t)tested->read_count), 0, sizeof(*passed) * (size_t)tested->read_count);
    for (uint32_t field = 0; field < tested->read_count; field++) {
        const ms_field *read = &tested->reads[field];
        passed[field].name = (wit_list){read->path, (uint32_t)strlen(read->path)};
        passed[field].kind = (uint8_t)read->type;
        passed[field].data = buffer_list(&columns[field].data);
        passed[field].validity = buffer_list(&columns[field].validity);
        if (read->type == MS_BYTES || read->type == MS_UTF8) {
            if (columns[field].offsets.size == 0) buffer_put_u32(&columns[field].offsets, 0);
            passed[field].offsets = buffer_list(&columns[field].offsets);
        }
    }
    return (wit_list){passed, tested->read_count};
}

static void put_field(ms_json_writer *out, const ms_field *field, const ms_column *column, uint32_t row) {
    switch (field->type) {
    case MS_BYTES: ms_json_put_raw(out, ms_column_bytes(column, row)); break;
    case MS_UTF8: ms_json_put_text(out, ms_column_bytes(column, row)); break;
    case MS_BOOLEAN: ms_json_put_bool(out, ms_column_bool(column, row)); break;
    case MS_INT64: ms_json_put_int64(out, ((const int64_t *)column->data)[row]); break;
    case MS_FLOAT64: ms_json_put_float64(out, ((const double *)column->data)[row]); break;
    }
}

/* Writes the members below a path, in order of declaration; each part once, where it first comes. */
static void put_members(ms_json_writer *out, const ms_operator *tested, const ms_column *columns, uint32_t row, ms_bytes below) {
    for (uint32_t field = 0; field < tested->write_count; field++) {
        const char *path = tested->writes[field].path, *rest = path + below.size;
        if (!ms_column_has(&columns[field], row) || memcmp(path, below.data, below.size) != 0 || *rest != '/') continue;
        ms_bytes part = path_part(&rest), whole = {(const uint8_t *)path, (uint32_t)(rest - path)};
        bool came_before = false;
        for (uint32_t other = 0; other < field; other++) {
            const char *name = tested->writes[other].path;
            came_before |= ms_column_has(&columns[other], row) && strncmp(name, path, whole.size) == 0 &&
                           (name[whole.size] == '/' || !name[whole.size]);
        }
        if (came_before) continue;
        char name[128];
        snprintf(name, sizeof(name), "%.*s", MS_ARGS(part));
        ms_json_name(out, name);
        if (!*rest) {
            put_field(out, &tested->writes[field], &columns[field], row);
        } else {
            ms_json_open(out, '{');
            put_members(out, tested, columns, row, whole);
            ms_json_close(out, '}');
        }
    }
}

/* The value that the host makes of a row of written fields. */
static ms_bytes encoded_row(const ms_operator *tested, const ms_column *columns, uint32_t row) {
    ms_json_writer out = ms_json_begin(NULL);
    ms_json_open(&out, '{');
    put_members(&out, tested, columns, row, MS_TEXT(""));
    ms_json_close(&out, '}');
    return ms_json_done(&out);
}
