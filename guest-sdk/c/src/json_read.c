/* Reading JSON. */

enum { JSON_DEPTH = 128 };

static ms_status json_fail(ms_context *ctx, const char *expected, const uint8_t *start, const uint8_t *at) {
    return ms_fail(ctx, "this is no JSON that is expected: %s at byte %u", expected, (unsigned)(at - start));
}

static inline const uint8_t *json_space(const uint8_t *at, const uint8_t *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
    return at;
}

static bool is_hex(uint8_t character) {
    return is_digit(character) || ((character | 32) >= 'a' && (character | 32) <= 'f');
}

/* The first byte of a text from `at` on that is not just itself in JSON: a quote, a backslash, a control character. */
static inline const uint8_t *json_plain_end(const uint8_t *at, const uint8_t *end) {
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    for (uint64_t eight; end - at >= 8; at += 8) {
        memcpy(&eight, at, 8);
        uint64_t quote = eight ^ (ones * '"'), backslash = eight ^ (ones * '\\');
        /* A high bit is set where a byte is 0, or less than 0x20; ones above such a byte may be set wrongly. */
        uint64_t found = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((eight - ones * 0x20) & ~eight);
        /* Of these the lowest is right. */
        if (found & highs) return at + __builtin_ctzll(found & highs) / 8;
    }
    while (at < end && *at >= 0x20 && *at != '"' && *at != '\\') at++;
    return at;
}

/* The end of a string from its first byte on that is not plain. */
static __attribute__((noinline)) const uint8_t *json_escaped_end(const uint8_t *at, const uint8_t *end) {
    for (; at < end; at = json_plain_end(at + 1, end)) {
        if (*at == '"') return at + 1;
        if (*at < 0x20 || ++at == end) return NULL;
        if (*at == 'u') {
            if (end - at < 5 || !is_hex(at[1]) || !is_hex(at[2]) || !is_hex(at[3]) || !is_hex(at[4])) return NULL;
            at += 4;
        } else if (!*at || !strchr("\"\\/bfnrt", *at)) {
            return NULL;
        }
    }
    return NULL;
}

/* The end of the string that begins at `at`, after its closing quote; NULL: it is broken. Tells whether there are escapes
 * in it. */
static inline const uint8_t *json_string_end(const uint8_t *at, const uint8_t *end, bool *has_escapes) {
    at = json_plain_end(at + 1, end);
    *has_escapes = at == end || *at != '"';
    return *has_escapes ? json_escaped_end(at, end) : at + 1;
}

static const uint8_t *json_digits(const uint8_t *at, const uint8_t *end) {
    if (at == end || !is_digit(*at)) return NULL;
    while (at < end && is_digit(*at)) at++;
    return at;
}

static const uint8_t *json_number_end(const uint8_t *at, const uint8_t *end) {
    if (*at == '-') at++;
    at = at < end && *at == '0' ? at + 1 : json_digits(at, end);
    /* Mostly that is all. */
    if (at && at < end && *at != '.' && (*at | 32) != 'e') return at;
    if (at && at < end && *at == '.') at = json_digits(at + 1, end);
    if (at && at < end && (*at | 32) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        at = json_digits(at, end);
    }
    return at;
}

static const uint8_t *json_nested_end(const uint8_t *at, const uint8_t *end, int depth);

/* The end of the value that begins at `at`; NULL: there is none. */
static inline const uint8_t *json_value_end(const uint8_t *at, const uint8_t *end, int depth) {
    bool has_escapes;
    if (at == end) return NULL;
    if (*at == '"') return json_string_end(at, end, &has_escapes);
    if (*at == '-' || is_digit(*at)) return json_number_end(at, end);
    return json_nested_end(at, end, depth);
}

/* The same of objects, arrays and words. */
static const uint8_t *json_nested_end(const uint8_t *at, const uint8_t *end, int depth) {
    if (depth > JSON_DEPTH) return NULL;
    uint8_t first = *at;
    bool has_escapes;
    if (first != '{' && first != '[') {
        const char *word = first == 't' ? "true" : first == 'f' ? "false" : "null";
        size_t size = strlen(word);
        return (size_t)(end - at) >= size && memcmp(at, word, size) == 0 ? at + size : NULL;
    }
    uint8_t closing = first == '{' ? '}' : ']';
    at = json_space(at + 1, end);
    if (at < end && *at == closing) return at + 1;
    for (;;) {
        if (first == '{') {
            at = at < end && *at == '"' ? json_string_end(at, end, &has_escapes) : NULL;
            if (!at) return NULL;
            at = json_space(at, end);
            if (at == end || *at != ':') return NULL;
            at = json_space(at + 1, end);
        }
        at = json_value_end(at, end, depth + 1);
        if (!at) return NULL;
        at = json_space(at, end);
        if (at == end) return NULL;
        if (*at == closing) return at + 1;
        if (*at != ',') return NULL;
        at = json_space(at + 1, end);
    }
}

static ms_json_items json_items(ms_context *ctx, ms_bytes json, char opening, const char *expected) {
    ms_json_items items = {.start = json.data, .at = json.data, .end = json.data + json.size};
    items.closing = opening == '{' ? '}' : ']';
    items.at = json.data ? json_space(items.at, items.end) : items.end;
    if (items.at == items.end || *items.at != opening) {
        json_fail(ctx, expected, items.start, items.at);
        items.at = NULL;
    } else {
        items.at++;
    }
    return items;
}

ms_json_items ms_json_object(ms_context *ctx, ms_bytes json) { return json_items(ctx, json, '{', "an object"); }

ms_json_items ms_json_array(ms_context *ctx, ms_bytes json) { return json_items(ctx, json, '[', "an array"); }

static bool json_stop(ms_context *ctx, ms_json_items *items, const char *expected, const uint8_t *at) {
    if (expected) json_fail(ctx, expected, items->start, at);
    items->at = NULL;
    return false;
}

static inline bool json_next(ms_context *ctx, ms_json_items *items) {
    if (!items->at) return false;
    const uint8_t *end = items->end, *at = json_space(items->at, end);
    if (at < end && *at == items->closing) {
        at = json_space(at + 1, end);
        return json_stop(ctx, items, at == end ? NULL : "nothing more", at);
    }
    if (items->began) {
        if (at == end || *at != ',') return json_stop(ctx, items, "a comma or the end", at);
        at = json_space(at + 1, end);
    }
    items->began = true;
    if (items->closing == '}') {
        bool has_escapes = false;
        const uint8_t *name_end = at < end && *at == '"' ? json_string_end(at, end, &has_escapes) : NULL;
        if (!name_end) return json_stop(ctx, items, "a name", at);
        items->name = (ms_bytes){at + 1, (uint32_t)(name_end - at - 2)};
        if (has_escapes) items->name = ms_json_text(ctx, (ms_bytes){at, (uint32_t)(name_end - at)});
        at = json_space(name_end, end);
        if (at == end || *at != ':') return json_stop(ctx, items, "a colon", at);
        at = json_space(at + 1, end);
    }
    const uint8_t *value_end = json_value_end(at, end, 1);
    if (!value_end) return json_stop(ctx, items, "a value", at);
    items->value = (ms_bytes){at, (uint32_t)(value_end - at)};
    items->at = value_end;
    return true;
}

bool ms_json_next(ms_context *ctx, ms_json_items *items) { return json_next(ctx, items); }

/* Whether a name is this C string. Names are short, and mostly differ in their first byte. */
static inline bool is_named(ms_bytes name, const char *text) {
    uint32_t at = 0;
    while (at < name.size && text[at] && (uint8_t)text[at] == name.data[at]) at++;
    return at == name.size && !text[at];
}

bool ms_json_members(ms_context *ctx, ms_bytes json, const char *const *names, uint32_t count, ms_bytes *values, bool strict) {
    for (uint32_t i = 0; i < count; i++) values[i] = MS_NONE;
    uint32_t likely = 0;
    for (ms_json_items items = ms_json_object(ctx, json); json_next(ctx, &items);) {
        /* Members mostly come in the order in which they are named. */
        uint32_t tried = 0;
        for (; tried < count && !is_named(items.name, names[likely]); tried++) likely = likely + 1 < count ? likely + 1 : 0;
        if (tried < count) {
            values[likely] = items.value;
            likely = likely + 1 < count ? likely + 1 : 0;
        } else if (strict) {
            ms_fail(ctx, "unknown field `%.*s`", MS_ARGS(items.name));
        }
    }
    return !ctx->has_failed;
}

/* One UTF-16 unit of an escape: four hexadecimal digits. */
static uint32_t json_unit(const uint8_t *at) {
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) unit = unit * 16 + (is_digit(at[i]) ? at[i] - '0' : (at[i] | 32) - 'a' + 10);
    return unit;
}

static uint8_t *json_utf8(uint8_t *into, uint32_t point) {
    if (point < 0x80) {
        *into++ = (uint8_t)point;
        return into;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    *into++ = (uint8_t)(leads[more] | point >> (6 * more));
    while (more-- > 0) *into++ = (uint8_t)(0x80 | (point >> (6 * more) & 0x3f));
    return into;
}

ms_bytes ms_json_text(ms_context *ctx, ms_bytes json) {
    bool is_text = json.size >= 2 && json.data[0] == '"', has_escapes = false;
    if (!is_text || json_string_end(json.data, json.data + json.size, &has_escapes) != json.data + json.size) {
        json_fail(ctx, "a text", json.data, json.data);
        return MS_TEXT("");
    }
    const uint8_t *at = json.data + 1, *end = json.data + json.size - 1;
    if (!has_escapes) return (ms_bytes){at, (uint32_t)(end - at)};
    uint8_t *text = arena_take(json.size), *into = text;
    bool is_whole = true;
    while (at < end && is_whole) {
        if (*at != '\\') {
            *into++ = *at++;
            continue;
        }
        uint8_t escaped = at[1];
        at += 2;
        if (escaped != 'u') {
            static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
            *into++ = (uint8_t)meant[strchr(plain, escaped) - plain];
            continue;
        }
        uint32_t point = json_unit(at);
        at += 4;
        if (point >= 0xd800 && point <= 0xdfff) {
            uint32_t low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? json_unit(at + 2) : 0;
            is_whole = point <= 0xdbff && low >= 0xdc00 && low <= 0xdfff;
            if (!is_whole) break;
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
        into = json_utf8(into, point);
    }
    if (!is_whole) json_fail(ctx, "a pair of surrogates", json.data, at);
    return (ms_bytes){text, (uint32_t)(into - text)};
}

/* Whether a value is a whole JSON number. */
static bool json_is_number(ms_bytes json) {
    bool begins = json.size > 0 && (json.data[0] == '-' || is_digit(json.data[0]));
    return begins && json_number_end(json.data, json.data + json.size) == json.data + json.size;
}

int64_t ms_json_int64(ms_context *ctx, ms_bytes json) {
    int64_t value = 0;
    if (!json.data || !read_int64(json, &value)) {
        ms_fail(ctx, "an integer of 64 bits is expected, not %.*s", (int)(json.size < 40 ? json.size : 40), (const char *)json.data);
    }
    return value;
}

uint32_t ms_json_int64s(ms_context *ctx, ms_bytes json, int64_t *numbers, uint32_t most) {
    ms_json_items items = ms_json_array(ctx, json);
    if (!items.at) return 0;
    const uint8_t *at = json_space(items.at, items.end), *end = items.end;
    uint32_t count = 0;
    bool is_one = true, is_done = at < end && *at == ']';
    while (is_one && !is_done) {
        const uint8_t *start = at;
        while (at < end && (is_digit(*at) || *at == '-')) at++;
        is_one = count < most && read_int64((ms_bytes){start, (uint32_t)(at - start)}, &numbers[count]);
        count += is_one;
        at = json_space(at, end);
        is_done = at < end && *at == ']';
        is_one = is_one && (is_done || (at < end && *at == ','));
        if (is_one && !is_done) at = json_space(at + 1, end);
    }
    if (is_one && json_space(at + 1, end) == end) return count;
    ms_fail(ctx, "at most %u integers of 64 bits are expected, not %.*s", most, (int)(json.size < 40 ? json.size : 40), (const char *)json.data);
    return 0;
}

double ms_json_float64(ms_context *ctx, ms_bytes json) {
    double value;
    if (json.data && read_decimal(json, &value)) return value;
    if (json_is_number(json)) {
        value = read_float64(json);
        if (isfinite(value)) return value;
    }
    ms_fail(ctx, "a number is expected, not %.*s", (int)(json.size < 40 ? json.size : 40), (const char *)json.data);
    return 0;
}

bool ms_json_bool(ms_context *ctx, ms_bytes json) {
    if (ms_is(json, "true")) return true;
    if (!ms_is(json, "false")) {
        ms_fail(ctx, "true or false is expected, not %.*s", (int)(json.size < 40 ? json.size : 40), (const char *)json.data);
    }
    return false;
}
