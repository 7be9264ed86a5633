/* Map states: read by host calls when asked for, remembered for the batch, written in one call at its end. */

enum { MAP_PAGE = 256 };

/* What is known of one key's map. Clearing begins a new generation, in which nothing of the host's stands. */
typedef struct map_group {
    uint32_t generation;
    bool is_cleared;
} map_group;

typedef struct {
    ms_bytes value;
    bool is_changed;
} map_value;

typedef struct map_entry {
    uint32_t group, generation, hash;
    ms_bytes field;
    bool is_known;
    map_value now;
} map_entry;

/* Every field that the batch has met, in the order of meeting, and an index of them by hash. */
typedef struct map_table {
    map_entry **entries;
    uint32_t count, capacity;
    uint32_t *slots;
    uint32_t slot_count;
    uint32_t generations;
} map_table;

static void table_index(map_table *table, uint32_t entry) {
    uint32_t slot = table->entries[entry]->hash & (table->slot_count - 1);
    while (table->slots[slot] != UINT32_MAX) slot = (slot + 1) & (table->slot_count - 1);
    table->slots[slot] = entry;
}

static void table_grow(map_table *table) {
    table->capacity = table->capacity ? table->capacity * 2 : 64;
    map_entry **entries = arena_take(sizeof(*entries) * table->capacity);
    if (table->count) memcpy(entries, table->entries, sizeof(*entries) * table->count);
    table->entries = entries;
    table->slot_count = table->capacity * 2;
    table->slots = arena_take(4 * (size_t)table->slot_count);
    memset(table->slots, 0xff, 4 * (size_t)table->slot_count);
    for (uint32_t entry = 0; entry < table->count; entry++) table_index(table, entry);
}

/* The entry of a field of the key in hand, made if it is new. */
static map_entry *map_entry_of(ms_context *ctx, state_store *state, ms_bytes field) {
    map_table *table = state->table;
    uint32_t generation = state->map_groups[ctx->group].generation;
    uint32_t hash = (2166136261u ^ ctx->group) * 16777619u;
    for (uint32_t i = 0; i < field.size; i++) hash = (hash ^ field.data[i]) * 16777619u;
    if (table->count == table->capacity) table_grow(table);
    uint32_t slot = hash & (table->slot_count - 1);
    for (; table->slots[slot] != UINT32_MAX; slot = (slot + 1) & (table->slot_count - 1)) {
        map_entry *entry = table->entries[table->slots[slot]];
        if (entry->hash == hash && entry->group == ctx->group && entry->generation == generation &&
            ms_equal(entry->field, field)) {
            return entry;
        }
    }
    map_entry *entry = arena_take(sizeof(*entry));
    *entry = (map_entry){.group = ctx->group, .generation = generation, .hash = hash, .field = ms_copy(ctx, field)};
    entry->is_known = state->map_groups[ctx->group].is_cleared;
    table->entries[table->count] = entry;
    table->slots[slot] = table->count++;
    return entry;
}

/* A field must have bytes, if only none of them. */
static ms_bytes map_field(ms_bytes field) { return field.data ? field : MS_TEXT(""); }

ms_bytes ms_map_get(ms_context *ctx, uint32_t index, ms_bytes field) {
    state_store *state = state_of(ctx, index, MS_MAP);
    if (!state) return MS_NONE;
    map_entry *entry = map_entry_of(ctx, state, map_field(field));
    if (!entry->is_known) {
        wit_bytes_column key = key_in_hand(ctx), wanted = column_single(entry->field);
        wit_state_column answer;
        host_map_get_many(state->index, &key, &wanted, &answer);
        if (answer.is_err) {
            state_refused(ctx, state, &answer.err);
            return MS_NONE;
        }
        entry->now.value = wit_get(&answer.ok, 0);
        entry->is_known = true;
    }
    return entry->now.value;
}

static void map_replace(ms_context *ctx, uint32_t index, ms_bytes field, ms_bytes value) {
    state_store *state = state_of(ctx, index, MS_MAP);
    if (!state) return;
    map_entry *entry = map_entry_of(ctx, state, map_field(field));
    undo_note(ctx, &entry->now, sizeof(entry->now));
    undo_note(ctx, &entry->is_known, sizeof(entry->is_known));
    entry->now = (map_value){.value = ms_copy(ctx, value), .is_changed = true};
    entry->is_known = true;
}

void ms_map_put(ms_context *ctx, uint32_t index, ms_bytes field, ms_bytes value) { map_replace(ctx, index, field, value); }

void ms_map_remove(ms_context *ctx, uint32_t index, ms_bytes field) { map_replace(ctx, index, field, MS_NONE); }

void ms_map_clear(ms_context *ctx, uint32_t index) {
    state_store *state = state_of(ctx, index, MS_MAP);
    if (!state) return;
    map_group *group = &state->map_groups[ctx->group];
    undo_note(ctx, group, sizeof(*group));
    *group = (map_group){.generation = ++state->table->generations, .is_cleared = true};
}

static int compare_bytes(ms_bytes a, ms_bytes b) {
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_entries(const void *a, const void *b) {
    return compare_bytes((*(map_entry *const *)a)->field, (*(map_entry *const *)b)->field);
}

/* A scan: pages of the host's fields, merged with what the batch changed. */
typedef struct {
    state_store *state;
    ms_bytes key, start, end;
    wit_map_page page;
    uint32_t at, rows;
    bool more;
    map_entry **changed;
    uint32_t changed_at, changed_count;
} map_scan;

static void scan_page(ms_context *ctx, map_scan *scan) {
    wit_list end = {scan->end.data, scan->end.size};
    wit_state_page answer;
    host_map_scan(scan->state->index, (wit_list){scan->key.data, scan->key.size},
                  (wit_list){scan->start.data, scan->start.size}, scan->end.data ? &end : NULL, MAP_PAGE, &answer);
    scan->at = scan->rows = 0;
    scan->more = false;
    if (answer.is_err) {
        state_refused(ctx, scan->state, &answer.err);
        return;
    }
    scan->page = answer.ok;
    scan->rows = column_rows(&answer.ok.fields);
    scan->more = answer.ok.more && scan->rows > 0;
    if (scan->more) {
        /* Goes on with the smallest field after the last one: a zero behind. */
        ms_bytes last = wit_get(&scan->page.fields, scan->rows - 1);
        uint8_t *next = arena_take((size_t)last.size + 1);
        memcpy(next, last.data, last.size);
        next[last.size] = 0;
        scan->start = (ms_bytes){next, last.size + 1};
    }
}

ms_entries ms_map_range(ms_context *ctx, uint32_t index, ms_bytes start, ms_bytes end) {
    state_store *state = state_of(ctx, index, MS_MAP);
    if (!state || (start.data && end.data && compare_bytes(start, end) >= 0)) return (ms_entries){.rest = NULL};
    map_scan *scan = arena_take(sizeof(*scan));
    *scan = (map_scan){.state = state, .key = wit_get(ctx->group_keys, ctx->group), .start = map_field(start), .end = end};
    const map_group *group = &state->map_groups[ctx->group];
    scan->changed = arena_take(sizeof(map_entry *) * (size_t)state->table->count);
    for (uint32_t at = 0; at < state->table->count; at++) {
        map_entry *entry = state->table->entries[at];
        bool is_in = entry->group == ctx->group && entry->generation == group->generation && entry->now.is_changed &&
                     compare_bytes(entry->field, scan->start) >= 0 && (!end.data || compare_bytes(entry->field, end) < 0);
        if (is_in) scan->changed[scan->changed_count++] = entry;
    }
    qsort(scan->changed, scan->changed_count, sizeof(map_entry *), compare_entries);
    scan->more = !group->is_cleared;
    return (ms_entries){.rest = scan};
}

bool ms_next_entry(ms_context *ctx, ms_entries *entries) {
    map_scan *scan = entries->rest;
    while (scan && !ctx->has_failed_batch) {
        if (scan->at == scan->rows && scan->more) scan_page(ctx, scan);
        bool has_stored = scan->at < scan->rows, has_changed = scan->changed_at < scan->changed_count;
        if (!has_stored && !has_changed) break;
        ms_bytes stored = has_stored ? wit_get(&scan->page.fields, scan->at) : MS_NONE;
        int order = 1;
        if (has_stored) order = has_changed ? compare_bytes(stored, scan->changed[scan->changed_at]->field) : -1;
        if (order < 0) {
            entries->field = stored;
            entries->value = wit_get(&scan->page.values, scan->at++);
            return true;
        }
        /* What the batch changed stands in place of what is stored. */
        if (order == 0) scan->at++;
        const map_entry *entry = scan->changed[scan->changed_at++];
        if (!entry->now.value.data) continue;
        entries->field = entry->field;
        entries->value = entry->now.value;
        return true;
    }
    entries->rest = NULL;
    return false;
}

static void maps_finish(ms_context *ctx, state_store *state) {
    column_builder cleared = {0}, keys = {0}, fields = {0}, values = {0};
    for (uint32_t group = 0; group < ctx->batch.group_count; group++) {
        if (state->map_groups[group].is_cleared) builder_push(&cleared, wit_get(ctx->group_keys, group));
    }
    for (uint32_t at = 0; at < state->table->count; at++) {
        const map_entry *entry = state->table->entries[at];
        if (!entry->now.is_changed || entry->generation != state->map_groups[entry->group].generation) continue;
        builder_push(&keys, wit_get(ctx->group_keys, entry->group));
        builder_push(&fields, entry->field);
        builder_push(&values, entry->now.value);
    }
    wit_state_done done = {0};
    if (cleared.rows > 0) {
        wit_bytes_column column = builder_column(&cleared);
        host_map_clear_many(state->index, &column, &done);
    }
    if (!done.is_err && keys.rows > 0) {
        wit_bytes_column key_column = builder_column(&keys), field_column = builder_column(&fields);
        wit_bytes_column value_column = builder_column(&values);
        host_map_put_many(state->index, &key_column, &field_column, &value_column, &done);
    }
    if (done.is_err) state_refused(ctx, state, &done.err);
}
