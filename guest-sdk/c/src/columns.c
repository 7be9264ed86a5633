/* Columns: reading those of the host, building those for it. */

/* Reads a column of the contract; rows beyond a broken one are none, as the host never passes. */
static ms_column column_of(const wit_bytes_column *from) {
    return (ms_column){
        .type = MS_BYTES,
        /* Empty bytes have an address. */
        .data = from->data.data ? from->data.data : (const void *)"",
        .size = from->data.size,
        .offsets = from->offsets.data,
        .validity = from->validity.size ? from->validity.data : NULL,
    };
}

static wit_list bytes_list(ms_bytes bytes) { return (wit_list){bytes.data, bytes.size}; }

static uint32_t column_rows(const wit_bytes_column *column) {
    return column->offsets.size >= 4 ? column->offsets.size / 4 - 1 : 0;
}

static ms_bytes wit_get(const wit_bytes_column *column, uint32_t row) {
    ms_column found = column_of(column);
    return ms_column_bytes(&found, row);
}

/* Builds a column of byte strings, or of fixed-width values without offsets. */
typedef struct {
    buffer offsets, data, validity;
    uint32_t rows;
    bool has_null;
} column_builder;

/* One bit for row `row`, the next one. */
static void bits_put(buffer *bits, uint32_t row, bool value) {
    if (row % 8 == 0) {
        *buffer_room(bits, 1) = 0;
        bits->size += 1;
    }
    if (value) bits->data[row / 8] |= (uint8_t)(1u << (row % 8));
}

/* Notes that the next row has a value, or has none. */
static inline void builder_note(column_builder *into, bool is_valid) {
    if (!is_valid && !into->has_null) {
        into->has_null = true;
        into->validity.size = 0;
        for (uint32_t row = 0; row < into->rows; row++) bits_put(&into->validity, row, true);
    }
    if (into->has_null) bits_put(&into->validity, into->rows, is_valid);
    into->rows += 1;
}

/* Ends a row of bytes that were put into `data`. */
static inline void builder_end(column_builder *into, bool is_valid) {
    if (into->offsets.size == 0) buffer_put_u32(&into->offsets, 0);
    buffer_put_u32(&into->offsets, (uint32_t)into->data.size);
    builder_note(into, is_valid);
}

static inline void builder_push(column_builder *into, ms_bytes value) {
    if (value.data) buffer_put(&into->data, value.data, value.size);
    builder_end(into, value.data != NULL);
}

/* Takes rows at the end back: bytes. */
static void builder_truncate(column_builder *into, uint32_t rows) {
    if (into->rows <= rows) return;
    into->rows = rows;
    into->offsets.size = 4 * ((size_t)rows + 1);
    uint32_t size;
    memcpy(&size, into->offsets.data + 4 * (size_t)rows, 4);
    into->data.size = size;
    if (into->has_null) {
        into->validity.size = (rows + 7) / 8;
        if (rows % 8) into->validity.data[rows / 8] &= (uint8_t)((1u << (rows % 8)) - 1);
    }
}

static wit_bytes_column builder_column(column_builder *of) {
    if (of->offsets.size == 0) buffer_put_u32(&of->offsets, 0);
    return (wit_bytes_column){buffer_list(&of->offsets), buffer_list(&of->data), buffer_list(&of->validity)};
}

/* A column of one value. */
static wit_bytes_column column_single(ms_bytes value) {
    uint32_t *offsets = arena_take(8);
    offsets[0] = 0;
    offsets[1] = value.size;
    return (wit_bytes_column){{offsets, 8}, bytes_list(value), {NULL, 0}};
}

/* The rows of a column at `sources`, or the column itself where these are all rows in order. */
static wit_bytes_column column_gather(const wit_bytes_column *from, const uint32_t *sources, uint32_t count, bool all) {
    if (all) return *from;
    ms_column column = column_of(from);
    column_builder gathered = {0};
    buffer_room(&gathered.offsets, 4 * ((size_t)count + 1));
    for (uint32_t row = 0; row < count; row++) builder_push(&gathered, ms_column_bytes(&column, sources[row]));
    return builder_column(&gathered);
}
