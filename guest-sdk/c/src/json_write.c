/* Writing JSON. */

ms_json_writer ms_json_begin(ms_context *ctx) {
    (void)ctx;
    enum { FIRST = 256 };
    return (ms_json_writer){.data = arena_take(FIRST), .capacity = FIRST};
}

/* Room for `size` bytes at the end. */
static inline uint8_t *json_room(ms_json_writer *writer, size_t size) {
    if (writer->capacity - writer->size < size) {
        buffer grown = {writer->data, writer->size, writer->capacity};
        buffer_grow(&grown, size);
        writer->data = grown.data;
        writer->capacity = (uint32_t)grown.capacity;
    }
    return writer->data + writer->size;
}

static void json_append(ms_json_writer *writer, const void *text, size_t size) {
    copy_bytes(json_room(writer, size), text, size);
    writer->size += (uint32_t)size;
}

static inline void json_put(ms_json_writer *writer, char character) {
    *json_room(writer, 1) = (uint8_t)character;
    writer->size += 1;
}

/* The comma before a value or a name, where one is due. */
static inline void json_separate(ms_json_writer *writer) {
    if (writer->needs_comma) json_put(writer, ',');
    writer->needs_comma = true;
}

void ms_json_open(ms_json_writer *writer, char bracket) {
    json_separate(writer);
    json_put(writer, bracket);
    writer->needs_comma = false;
}

void ms_json_close(ms_json_writer *writer, char bracket) {
    json_put(writer, bracket);
    writer->needs_comma = true;
}

static void json_escaped(ms_json_writer *writer, ms_bytes text) {
    json_put(writer, '"');
    const uint8_t *plain = text.data, *end = plain + text.size;
    for (;;) {
        const uint8_t *special = json_plain_end(plain, end);
        json_append(writer, plain, (size_t)(special - plain));
        if (special == end) break;
        uint8_t character = *special;
        plain = special + 1;
        static const char meant[] = "\"\\\b\f\n\r\t", shown[] = "\"\\bfnrt";
        const char *known = character ? strchr(meant, character) : NULL;
        char escape[8] = {'\\', known ? shown[known - meant] : 'u'};
        if (!known) snprintf(escape, sizeof(escape), "\\u%04x", character);
        json_append(writer, escape, strlen(escape));
    }
    json_put(writer, '"');
}

void ms_json_name_of(ms_json_writer *writer, ms_bytes name) {
    json_separate(writer);
    json_escaped(writer, name);
    json_put(writer, ':');
    writer->needs_comma = false;
}

void ms_json_put_text(ms_json_writer *writer, ms_bytes text) {
    json_separate(writer);
    json_escaped(writer, text);
}

void ms_json_put_int64(ms_json_writer *writer, int64_t value) {
    json_separate(writer);
    writer->size += write_int64(json_room(writer, 24), value);
}

void ms_json_put_float64(ms_json_writer *writer, double value) {
    if (!isfinite(value)) {
        ms_json_put_null(writer);
        return;
    }
    json_separate(writer);
    writer->size += write_float64(json_room(writer, 40), value);
}

void ms_json_put_bool(ms_json_writer *writer, bool value) { ms_json_put_raw(writer, value ? MS_TEXT("true") : MS_TEXT("false")); }

void ms_json_put_null(ms_json_writer *writer) { ms_json_put_raw(writer, MS_TEXT("null")); }

void ms_json_put_raw(ms_json_writer *writer, ms_bytes json) {
    json_separate(writer);
    json_append(writer, json.data, json.size);
}
