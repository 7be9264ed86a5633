/* The host's calls as imports of a component. */

#define IMPORT(interface, name) \
    __attribute__((import_module("millstream:operator/" interface "@0.1.0"), import_name(name)))
/* A column and a list as the canonical ABI passes them: addresses and lengths. */
#define COLUMN const void *, uint32_t, const void *, uint32_t, const void *, uint32_t
#define LIST const void *, uint32_t
#define PASS_COLUMN(c) (c)->offsets.data, (c)->offsets.size, (c)->data.data, (c)->data.size, (c)->validity.data, (c)->validity.size
#define PASS_LIST(l) (l).data, (l).size

IMPORT("state", "get-many") void import_get_many(uint32_t, COLUMN, void *);
IMPORT("state", "put-many") void import_put_many(uint32_t, COLUMN, COLUMN, void *);
IMPORT("state", "map-get-many") void import_map_get_many(uint32_t, COLUMN, COLUMN, void *);
IMPORT("state", "map-put-many") void import_map_put_many(const void *, void *);
IMPORT("state", "map-scan") void import_map_scan(uint32_t, LIST, LIST, uint32_t, LIST, uint32_t, void *);
IMPORT("state", "map-clear-many") void import_map_clear_many(uint32_t, COLUMN, void *);
IMPORT("state", "list-append-many") void import_list_append_many(uint32_t, COLUMN, COLUMN, void *);
IMPORT("state", "list-read") void import_list_read(uint32_t, LIST, uint64_t, uint32_t, void *);
IMPORT("state", "list-length") void import_list_length(uint32_t, LIST, void *);
IMPORT("state", "list-clear-many") void import_list_clear_many(uint32_t, COLUMN, void *);
IMPORT("clock", "now-ms") int64_t import_now_ms(void);
IMPORT("clock", "random-u64") uint64_t import_random_u64(void);
IMPORT("log", "enabled") uint32_t import_log_enabled(uint32_t);
IMPORT("log", "write") void import_log_write(uint32_t, LIST);
IMPORT("metrics", "counter-add") void import_counter_add(LIST, uint64_t);
IMPORT("metrics", "gauge-set") void import_gauge_set(LIST, double);
IMPORT("metrics", "histogram-record") void import_histogram_record(LIST, double);

void host_get_many(uint32_t state, const wit_bytes_column *keys, wit_state_column *found) {
    import_get_many(state, PASS_COLUMN(keys), found);
}

void host_put_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *values, wit_state_done *done) {
    import_put_many(state, PASS_COLUMN(keys), PASS_COLUMN(values), done);
}

void host_map_get_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *fields, wit_state_column *found) {
    import_map_get_many(state, PASS_COLUMN(keys), PASS_COLUMN(fields), found);
}

void host_map_put_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *fields,
                       const wit_bytes_column *values, wit_state_done *done) {
    /* Too many to be passed one by one. */
    struct {
        uint32_t state;
        wit_bytes_column keys, fields, values;
    } arguments = {state, *keys, *fields, *values};
    import_map_put_many(&arguments, done);
}

void host_map_scan(uint32_t state, wit_list key, wit_list start, const wit_list *end, uint32_t limit, wit_state_page *found) {
    wit_list until = end ? *end : (wit_list){NULL, 0};
    import_map_scan(state, PASS_LIST(key), PASS_LIST(start), end != NULL, PASS_LIST(until), limit, found);
}

void host_map_clear_many(uint32_t state, const wit_bytes_column *keys, wit_state_done *done) {
    import_map_clear_many(state, PASS_COLUMN(keys), done);
}

void host_list_append_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *values, wit_state_done *done) {
    import_list_append_many(state, PASS_COLUMN(keys), PASS_COLUMN(values), done);
}

void host_list_read(uint32_t state, wit_list key, uint64_t start, uint32_t limit, wit_state_column *found) {
    import_list_read(state, PASS_LIST(key), start, limit, found);
}

void host_list_length(uint32_t state, wit_list key, wit_state_length *found) {
    import_list_length(state, PASS_LIST(key), found);
}

void host_list_clear_many(uint32_t state, const wit_bytes_column *keys, wit_state_done *done) {
    import_list_clear_many(state, PASS_COLUMN(keys), done);
}

int64_t host_now_ms(void) { return import_now_ms(); }
uint64_t host_random(void) { return import_random_u64(); }
bool host_log_enabled(uint32_t level) { return import_log_enabled(level); }
void host_log(uint32_t level, const char *text, uint32_t size) { import_log_write(level, text, size); }
void host_counter_add(wit_list name, uint64_t delta) { import_counter_add(PASS_LIST(name), delta); }
void host_gauge_set(wit_list name, double value) { import_gauge_set(PASS_LIST(name), value); }
void host_histogram_record(wit_list name, double value) { import_histogram_record(PASS_LIST(name), value); }

/* fd_write of WASI's first preview, without the standard library's streams. Standard error is what the host shows as
 * the cause of a trap. */
__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) uint32_t
import_fd_write(uint32_t, const void *, uint32_t, void *);

void host_panic(const char *text, uint32_t size) {
    struct {
        const char *data;
        uint32_t size;
    } vectors[] = {{text, size}, {"\n", 1}};
    uint32_t written;
    (void)import_fd_write(2, vectors, 2, &written);
    __builtin_trap();
}
