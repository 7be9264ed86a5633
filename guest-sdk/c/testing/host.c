/* The host's side of the calls: state, time, randomness, log and metrics of the one harness at work. */

/* Something that is stored, in the order of storing. */
typedef struct stored {
    struct stored *next;
    uint32_t state;
    ms_bytes key, field, value;  /* value none: deleted; of a list every element is an entry */
    int64_t expires_ms;
} stored;

typedef struct noted {
    struct noted *next;
    char kind;  /* c, g, h as metrics, l a line */
    char *name;
    uint64_t sum;
    double value;
} noted;

typedef struct set_timer {
    struct set_timer *next;
    ms_clock clock;
    ms_bytes key, name;
    int64_t time_ms;  /* INT64_MIN: deleted or fired */
} set_timer;

struct ms_harness {
    const ms_operator *tested;
    stored *first;
    noted *notes;
    set_timer *timers;
    int64_t now_ms, watermark_ms;
    uint64_t seed;
    uint32_t calls;
};

static ms_harness *at_work;

static void *kept_zeroed(size_t size) {
    void *memory = calloc(1, size ? size : 1);
    if (!memory) host_panic("out of memory", 13);
    return memory;
}

/* A copy that outlives the batch. */
static ms_bytes kept_bytes(ms_bytes bytes) {
    if (!bytes.data) return MS_NONE;
    uint8_t *copy = kept_zeroed((size_t)bytes.size + 1);
    memcpy(copy, bytes.data, bytes.size);
    return (ms_bytes){copy, bytes.size};
}

void ms_expected(const char *file, int line, const char *condition) {
    fprintf(stderr, "%s:%d: expected: %s\n", file, line, condition);
    exit(1);
}

void host_panic(const char *text, uint32_t size) {
    fprintf(stderr, "%.*s\n", (int)size, text);
    abort();
}

static bool is_live(const ms_harness *harness, const stored *entry) {
    return entry->value.data && entry->expires_ms > harness->now_ms;
}

static stored *stored_of(const ms_harness *harness, uint32_t state, ms_bytes key, ms_bytes field) {
    for (stored *entry = harness->first; entry; entry = entry->next) {
        if (entry->state == state && ms_equal(entry->key, key) && ms_equal(entry->field, field)) return entry;
    }
    return NULL;
}

static ms_bytes stored_get(const ms_harness *harness, uint32_t state, ms_bytes key, ms_bytes field) {
    const stored *entry = stored_of(harness, state, key, field);
    return entry && is_live(harness, entry) ? entry->value : MS_NONE;
}

static void stored_append(ms_harness *harness, uint32_t state, ms_bytes key, ms_bytes field, ms_bytes value) {
    stored **end = &harness->first;
    while (*end) end = &(*end)->next;
    stored *entry = kept_zeroed(sizeof(*entry));
    uint64_t ttl_ms = harness->tested->states[state].ttl_ms;
    int64_t expires_ms = ttl_ms ? harness->now_ms + (int64_t)ttl_ms : INT64_MAX;
    *entry = (stored){NULL, state, kept_bytes(key), kept_bytes(field), kept_bytes(value), expires_ms};
    *end = entry;
}

static void stored_put(ms_harness *harness, uint32_t state, ms_bytes key, ms_bytes field, ms_bytes value) {
    stored *entry = stored_of(harness, state, key, field);
    /* Kept in place, but no longer found. */
    if (entry) entry->value = MS_NONE, entry->state = UINT32_MAX;
    if (value.data) stored_append(harness, state, key, field, value);
}

static void stored_clear(ms_harness *harness, uint32_t state, ms_bytes key) {
    for (stored *entry = harness->first; entry; entry = entry->next) {
        if (entry->state == state && ms_equal(entry->key, key)) entry->state = UINT32_MAX;
    }
}

/* What a prefetched state passes along, or what a call reads. */
static wit_bytes_column stored_column(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *fields) {
    column_builder found = {0};
    for (uint32_t row = 0; row < column_rows(keys); row++) {
        ms_bytes field = fields ? wit_get(fields, row) : MS_NONE;
        builder_push(&found, stored_get(at_work, state, wit_get(keys, row), field));
    }
    return builder_column(&found);
}

void host_get_many(uint32_t state, const wit_bytes_column *keys, wit_state_column *found) {
    at_work->calls += 1;
    found->is_err = 0;
    found->ok = stored_column(state, keys, NULL);
}

void host_map_get_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *fields, wit_state_column *found) {
    at_work->calls += 1;
    found->is_err = 0;
    found->ok = stored_column(state, keys, fields);
}

void host_map_put_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *fields,
                       const wit_bytes_column *values, wit_state_done *done) {
    at_work->calls += 1;
    for (uint32_t row = 0; row < column_rows(keys); row++) {
        ms_bytes field = fields ? wit_get(fields, row) : MS_NONE;
        stored_put(at_work, state, wit_get(keys, row), field, wit_get(values, row));
    }
    done->is_err = 0;
}

void host_put_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *values, wit_state_done *done) {
    host_map_put_many(state, keys, NULL, values, done);
}

static int compare_stored(const void *a, const void *b) {
    return compare_bytes((*(stored *const *)a)->field, (*(stored *const *)b)->field);
}

void host_map_scan(uint32_t state, wit_list key, wit_list start, const wit_list *end, uint32_t limit, wit_state_page *found) {
    at_work->calls += 1;
    ms_bytes of = {key.data, key.size}, from = {start.data, start.size}, until = {end ? end->data : NULL, end ? end->size : 0};
    uint32_t count = 0, room = 0;
    for (stored *entry = at_work->first; entry; entry = entry->next) room++;
    stored **sorted = arena_take(sizeof(*sorted) * (size_t)room);
    for (stored *entry = at_work->first; entry; entry = entry->next) {
        bool is_in = entry->state == state && ms_equal(entry->key, of) && is_live(at_work, entry) &&
                     compare_bytes(entry->field, from) >= 0 && (!end || compare_bytes(entry->field, until) < 0);
        if (is_in) sorted[count++] = entry;
    }
    if (count > 1) qsort(sorted, count, sizeof(*sorted), compare_stored);
    column_builder fields = {0}, values = {0};
    for (uint32_t i = 0; i < count && i < limit; i++) {
        builder_push(&fields, sorted[i]->field);
        builder_push(&values, sorted[i]->value);
    }
    found->is_err = 0;
    found->ok = (wit_map_page){builder_column(&fields), builder_column(&values), count > limit};
}

void host_map_clear_many(uint32_t state, const wit_bytes_column *keys, wit_state_done *done) {
    at_work->calls += 1;
    for (uint32_t row = 0; row < column_rows(keys); row++) stored_clear(at_work, state, wit_get(keys, row));
    done->is_err = 0;
}

void host_list_clear_many(uint32_t state, const wit_bytes_column *keys, wit_state_done *done) {
    host_map_clear_many(state, keys, done);
}

void host_list_append_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *values, wit_state_done *done) {
    at_work->calls += 1;
    for (uint32_t row = 0; row < column_rows(keys); row++) {
        stored_append(at_work, state, wit_get(keys, row), MS_NONE, wit_get(values, row));
    }
    done->is_err = 0;
}

void host_list_read(uint32_t state, wit_list key, uint64_t start, uint32_t limit, wit_state_column *found) {
    at_work->calls += 1;
    column_builder elements = {0};
    uint64_t index = 0;
    for (stored *entry = at_work->first; entry; entry = entry->next) {
        if (entry->state != state || !ms_equal(entry->key, (ms_bytes){key.data, key.size}) || !is_live(at_work, entry)) continue;
        if (index++ >= start && elements.rows < limit) builder_push(&elements, entry->value);
    }
    found->is_err = 0;
    found->ok = builder_column(&elements);
}

void host_list_length(uint32_t state, wit_list key, wit_state_length *found) {
    at_work->calls += 1;
    found->is_err = 0;
    found->ok = 0;
    for (stored *entry = at_work->first; entry; entry = entry->next) {
        if (entry->state == state && ms_equal(entry->key, (ms_bytes){key.data, key.size}) && is_live(at_work, entry)) found->ok++;
    }
}

int64_t host_now_ms(void) { return at_work->now_ms; }

/* SplitMix64: every seed gives a different, repeatable sequence. */
uint64_t host_random(void) {
    uint64_t number = at_work->seed += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

/* The note of a name, made at the end if it is new or each is one of its own. */
static noted *note_of(char kind, ms_bytes name, bool is_new) {
    noted **end = &at_work->notes;
    for (; *end; end = &(*end)->next) {
        if (!is_new && (*end)->kind == kind && ms_is(name, (*end)->name)) return *end;
    }
    *end = kept_zeroed(sizeof(noted));
    (*end)->kind = kind;
    (*end)->name = (char *)kept_bytes(name).data;
    return *end;
}

bool host_log_enabled(uint32_t level) {
    (void)level;
    return at_work != NULL;
}

void host_log(uint32_t level, const char *text, uint32_t size) {
    note_of('l', (ms_bytes){(const uint8_t *)text, size}, true)->sum = level;
}

void host_counter_add(wit_list name, uint64_t delta) { note_of('c', (ms_bytes){name.data, name.size}, false)->sum += delta; }

void host_gauge_set(wit_list name, double value) { note_of('g', (ms_bytes){name.data, name.size}, false)->value = value; }

void host_histogram_record(wit_list name, double value) {
    note_of('h', (ms_bytes){name.data, name.size}, false)->value = value;
}
