/* The batch in hand. */
#ifndef MILLSTREAM_CONTEXT_H
#define MILLSTREAM_CONTEXT_H

enum { NO_GROUP = UINT32_MAX };

/* A failure that stands: which record, and why. */
typedef struct {
    buffer records;
    column_builder reasons;
} failures;

/* What the key of a group has of a value state. */
typedef struct {
    const uint8_t *data;
    uint32_t size;
    bool is_known, is_changed;
} value_slot;

/* What a batch knows and changes of one state. */
typedef struct {
    const ms_state *declaration;
    uint32_t index;
    uint32_t prefetched;  /* index among the prefetched ones */
    wit_bytes_column stored;
    value_slot *slots;    /* a value: one for each group */
    struct map_group *map_groups;
    struct map_table *table;
    struct list_group *list_groups;
} state_store;

/* What the record in hand replaced, to be put back from the last to the first. */
typedef struct {
    void *place;
    uint32_t size;
    uint64_t before[4];
} undo_entry;

/* A column of an output whose rows are inherited until one is not. */
typedef struct {
    column_builder own;
    bool is_own;
} inherited_column;

/* One field of the row in hand. */
typedef struct {
    bool is_set;
    union {
        int64_t integer;
        double number;
        bool truth;
        ms_bytes bytes;
    };
} pending_field;

typedef struct {
    buffer sources;
    uint32_t rows;
    inherited_column keys, values;
    buffer times;
    bool own_times;
    /* Headers: offsets from the first row that has any. */
    buffer header_offsets;
    column_builder header_names, header_values;
    bool no_headers;      /* some row leaves its record's headers out, or adds some */
    column_builder *fields; /* one for each declared write */
    const ms_column *columns; /* whole columns instead */
    const uint32_t *column_sources;
    uint32_t column_count;
} output_builder;

typedef struct {
    const char *name;
    char kind;  /* c, g, h */
    uint64_t sum;
    double value;
} metric;

typedef struct {
    column_builder keys, names;
    buffer times;
    uint32_t kept;
} timer_rows;

struct ms_context {
    const ms_operator *operator;
    const wit_record_batch *input;
    ms_batch batch;
    ms_record record;      /* in hand */
    uint32_t group;        /* its key's */
    bool in_hand;          /* there is one */
    bool lacks_values;     /* typed fields are read instead */
    bool has_failed, has_failed_batch;
    ms_bytes reason;
    const wit_bytes_column *group_keys;
    wit_bytes_column own_group_keys;
    int64_t watermark_ms, now_ms;
    bool knows_now;
    state_store *states;
    buffer undo;           /* of undo_entry */
    output_builder *outputs;
    uint32_t output_count;
    pending_field *pending;
    timer_rows timers[2];
    failures failed;
    buffer metrics;        /* of metric */
    void *part;            /* what the call of a part of windows gathers */
};

/* Fails the record or the batch in hand; the first reason counts. */
static ms_status context_fail(ms_context *ctx, ms_bytes reason, bool batch);

#endif
