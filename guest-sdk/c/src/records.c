/* Records of the batch in hand. */

/* Whether bytes are UTF-8: no overlong forms, no surrogates. */
static bool is_utf8(ms_bytes text) {
    const uint8_t *at = text.data, *end = at + text.size;
    while (at < end) {
        uint64_t eight;
        while (end - at >= 8 && (memcpy(&eight, at, 8), (eight & 0x8080808080808080u) == 0)) at += 8;
        if (at == end) break;
        uint8_t lead = *at++;
        if (lead < 0x80) continue;
        int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
        if (lead < 0xc2 || lead > 0xf4 || end - at < more) return false;
        uint8_t low = 0x80, high = 0xbf;
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
        for (; more > 0; more--, low = 0x80, high = 0xbf) {
            uint8_t next = *at++;
            if (next < low || next > high) return false;
        }
    }
    return true;
}

ms_bytes ms_value(ms_context *ctx, const ms_record *record) {
    if (!record->value.data) ms_fail(ctx, "this record has no value: it is a tombstone");
    return record->value;
}

ms_bytes ms_text(ms_context *ctx, const ms_record *record) {
    ms_bytes text = ms_value(ctx, record);
    if (text.data && is_utf8(text)) return text;
    if (text.data) ms_fail(ctx, "the value is not UTF-8");
    return MS_TEXT("");
}

static const wit_header_column *headers_of(const ms_record *record) {
    return &((const wit_record_batch *)record->batch->contract)->headers;
}

uint32_t ms_header_count(const ms_record *record) {
    const uint32_t *offsets = headers_of(record)->offsets.data;
    if (headers_of(record)->offsets.size == 0) return 0;
    return offsets[record->index + 1] - offsets[record->index];
}

ms_header ms_header_at(const ms_record *record, uint32_t index) {
    const wit_header_column *headers = headers_of(record);
    uint32_t at = ((const uint32_t *)headers->offsets.data)[record->index] + index;
    return (ms_header){wit_get(&headers->names, at), wit_get(&headers->values, at)};
}

ms_bytes ms_header_value(const ms_record *record, const char *name) {
    for (uint32_t index = ms_header_count(record); index > 0; index--) {
        ms_header header = ms_header_at(record, index - 1);
        if (ms_is(header.name, name)) return header.value;
    }
    return MS_NONE;
}

/* Numbers the distinct keys of a batch that the host did not group. */
static void group_records(ms_context *ctx) {
    uint32_t count = ctx->batch.count, slots = 16;
    while (slots < count * 2) slots *= 2;
    uint32_t *table = arena_take(4 * (size_t)slots), *groups = arena_take(4 * (size_t)count);
    memset(table, 0xff, 4 * (size_t)slots);
    ms_bytes *distinct = arena_take(sizeof(ms_bytes) * (size_t)count);
    column_builder keys = {0};
    for (uint32_t row = 0; row < count; row++) {
        ms_bytes key = ms_column_bytes(&ctx->batch.keys, row);
        groups[row] = NO_GROUP;
        if (!key.data) continue;
        uint32_t hash = 2166136261u;
        for (uint32_t i = 0; i < key.size; i++) hash = (hash ^ key.data[i]) * 16777619u;
        uint32_t slot = hash & (slots - 1);
        while (table[slot] != NO_GROUP && !ms_equal(distinct[table[slot]], key)) slot = (slot + 1) & (slots - 1);
        if (table[slot] == NO_GROUP) {
            table[slot] = keys.rows;
            distinct[keys.rows] = key;
            builder_push(&keys, key);
        }
        groups[row] = table[slot];
    }
    ctx->own_group_keys = builder_column(&keys);
    ctx->group_keys = &ctx->own_group_keys;
    ctx->batch.groups = groups;
    ctx->batch.group_count = keys.rows;
}

/* The group of the key in hand; fails the record where it has none. */
static uint32_t group_in_hand(ms_context *ctx) {
    if (ctx->group == NO_GROUP) {
        context_fail(ctx, MS_TEXT("this record has no key, and state is kept by key"), false);
    }
    return ctx->group;
}
