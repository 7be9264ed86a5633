/* Operators of Millstream pipelines, and parts of windows (millstream_window.h), in C (C11).
 *
 * A component is one `ms_operator`, or one part: a table of what it declares and of functions that the SDK calls,
 * exported by MS_EXPORT_OPERATOR or the like.
 *
 * Failures are sticky. A call that fails (no key, a value that does not decode, no number where one is expected)
 * fails the record in hand with its reason and returns a neutral value: results need not be checked one by one. What
 * a failed record emitted and changed is undone, whatever the operator returns.
 *
 * Memory is an arena that is emptied after each batch: what the SDK returns lives until then, and nothing is freed.
 */
#ifndef MILLSTREAM_H
#define MILLSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- bytes --------------------------------------------------------------------------------------------------- */

/* Bytes that somebody else owns. `data` is NULL where there are none: no key, a tombstone, no value stored. Empty
 * bytes have an address. */
typedef struct ms_bytes {
    const uint8_t *data;
    uint32_t size;
} ms_bytes;

/* A text of the program as bytes: MS_TEXT("main"). */
#define MS_TEXT(literal) ((ms_bytes){(const uint8_t *)("" literal), (uint32_t)(sizeof(literal) - 1)})
/* No bytes. */
#define MS_NONE ((ms_bytes){NULL, 0})
/* For printf: "%.*s", MS_ARGS(bytes). */
#define MS_ARGS(bytes) (int)(bytes).size, (const char *)(bytes).data

/* A C string as bytes. */
static inline ms_bytes ms_string(const char *text) {
    return (ms_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

/* Whether bytes are the same; none and empty differ. */
static inline bool ms_equal(ms_bytes a, ms_bytes b) {
    return a.size == b.size && !a.data == !b.data && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Whether bytes are this C string. */
static inline bool ms_is(ms_bytes bytes, const char *text) { return bytes.data && ms_equal(bytes, ms_string(text)); }

/* Whether bytes begin with this C string. */
static inline bool ms_begins(ms_bytes bytes, const char *text) {
    size_t size = strlen(text);
    return bytes.data && bytes.size >= size && memcmp(bytes.data, text, size) == 0;
}

/* ---- what an operator declares --------------------------------------------------------------------------------- */

/* What a function of an operator returns: 0, or MS_FAILED to fail the record in hand. */
typedef int ms_status;
enum { MS_OK = 0, MS_FAILED = 1 };

typedef enum ms_state_kind { MS_VALUE, MS_MAP, MS_LIST } ms_state_kind;

/* A state that is kept for each key. Calls name it by its index in the operator's table. */
typedef struct ms_state {
    const char *name;
    ms_state_kind kind;
    uint32_t version;  /* of the stored values' format; 0 means 1 */
    uint64_t ttl_ms;   /* since the last write, processing time; 0: kept for good */
    bool on_demand;    /* values: read by a host call when asked for, instead of with every batch */
} ms_state;

typedef enum ms_type { MS_BYTES, MS_UTF8, MS_BOOLEAN, MS_INT64, MS_FLOAT64 } ms_type;

/* A typed field that is read from the records or written into them. Calls name it by its index. MS_BYTES is the
 * field's JSON text, whatever it is. */
typedef struct ms_field {
    const char *path;  /* "/user/id" */
    ms_type type;
    bool optional;     /* may be null; a record that lacks another one fails before the operator sees it */
} ms_field;

typedef struct ms_context ms_context;
typedef struct ms_batch ms_batch;

/* A record. What it points to lives until the batch is done. */
typedef struct ms_record {
    ms_bytes key;          /* none: the record has no key */
    ms_bytes value;        /* none: a tombstone; also where typed fields are read without `raw_values` */
    int64_t timestamp_ms;  /* event time */
    uint32_t index;        /* in the batch */
    const ms_batch *batch;
} ms_record;

typedef enum ms_clock { MS_EVENT, MS_PROCESSING } ms_clock;

/* A timer that fired. */
typedef struct ms_timer {
    ms_bytes key;
    ms_bytes name;
    int64_t time_ms;  /* that it was set for; it fires then or later */
    ms_clock clock;
} ms_timer;

/* A table of declarations: MS_TABLE(array) for its address and length. */
#define MS_TABLE(array) (array), (uint32_t)(sizeof(array) / sizeof((array)[0]))

typedef struct ms_operator {
    /* Names, the main output first. None: one, `main`. */
    const char *const *outputs;
    uint32_t output_count;
    const ms_state *states;
    uint32_t state_count;
    const ms_field *reads;
    uint32_t read_count;
    const ms_field *writes;
    uint32_t write_count;
    bool raw_values;            /* pass the records' bytes although typed fields are read */
    const char *config_schema;  /* JSON Schema of the configuration, or NULL */
    /* Takes the step's configuration, JSON text, before anything else; ms_fail refuses it. What is kept of it must be
     * copied. NULL: takes none. */
    ms_status (*configure)(ms_context *ctx, ms_bytes config);
    /* Called for each record. */
    ms_status (*process)(ms_context *ctx, const ms_record *record);
    /* Called for each batch instead of `process`, for whole columns. */
    ms_status (*process_batch)(ms_context *ctx, const ms_batch *batch);
    /* Called for each timer that fired; NULL: the operator sets none. */
    ms_status (*on_timer)(ms_context *ctx, const ms_timer *timer);
} ms_operator;

/* ---- failures ---------------------------------------------------------------------------------------------------- */

#if defined(__GNUC__)
#define MS_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define MS_PRINTF(text, first)
#endif

/* Fails the record in hand, or refuses the configuration, with a reason: a lower-case clause without a full stop.
 * The first reason counts. Returns MS_FAILED. */
ms_status ms_fail(ms_context *ctx, const char *format, ...) MS_PRINTF(2, 3);
/* Fails the whole batch, for what is no record's fault. */
ms_status ms_fail_batch(ms_context *ctx, const char *format, ...) MS_PRINTF(2, 3);
/* Whether the record in hand has failed. */
bool ms_failed(const ms_context *ctx);
/* MS_FAILED where the record in hand has failed: `return ms_result(ctx);`. */
static inline ms_status ms_result(const ms_context *ctx) { return ms_failed(ctx) ? MS_FAILED : MS_OK; }
/* Ends the instance with a message: a trap. For what cannot be. */
_Noreturn void ms_panic(const char *format, ...) MS_PRINTF(1, 2);

/* ---- records ------------------------------------------------------------------------------------------------------- */

/* The value, or a failure where there is none. */
ms_bytes ms_value(ms_context *ctx, const ms_record *record);
/* The value as UTF-8 text, or a failure. */
ms_bytes ms_text(ms_context *ctx, const ms_record *record);

typedef struct ms_header {
    ms_bytes name;
    ms_bytes value;  /* none is not the same as empty */
} ms_header;

uint32_t ms_header_count(const ms_record *record);
ms_header ms_header_at(const ms_record *record, uint32_t index);
/* The value of the last header of this name; none where there is none. */
ms_bytes ms_header_value(const ms_record *record, const char *name);

/* ---- typed fields ---------------------------------------------------------------------------------------------------- */

/* A column of `count` values in the Arrow layout. */
typedef struct ms_column {
    ms_type type;
    const void *data;         /* int64_t, double, a bitmap (least significant bit first), or all bytes */
    uint32_t size;            /* of `data`, bytes */
    const uint32_t *offsets;  /* count + 1, of bytes and text */
    const uint8_t *validity;  /* a bitmap, 1 where there is a value; NULL: everywhere */
} ms_column;

/* A batch as columns. */
struct ms_batch {
    uint32_t count;
    ms_column keys;               /* bytes; no value: no key */
    ms_column values;             /* bytes; no value: a tombstone */
    const int64_t *timestamps_ms;
    const ms_column *columns;     /* the declared reads, in order */
    uint32_t column_count;
    /* For each record the index of its key among the distinct ones of the batch, UINT32_MAX without a key; NULL
     * where no state is declared. */
    const uint32_t *groups;
    uint32_t group_count;
    const void *contract;         /* the SDK's own */
};

static inline bool ms_column_has(const ms_column *column, uint32_t row) {
    return !column->validity || (column->validity[row / 8] >> (row % 8) & 1);
}
static inline ms_bytes ms_column_bytes(const ms_column *column, uint32_t row) {
    if (!ms_column_has(column, row)) return MS_NONE;
    uint32_t start = column->offsets[row];
    return (ms_bytes){(const uint8_t *)column->data + start, column->offsets[row + 1] - start};
}
static inline bool ms_column_bool(const ms_column *column, uint32_t row) {
    return ((const uint8_t *)column->data)[row / 8] >> (row % 8) & 1;
}

/* The field of a record; of one that is null, 0, false and none. */
static inline bool ms_has(const ms_record *record, uint32_t field) {
    return ms_column_has(&record->batch->columns[field], record->index);
}
static inline int64_t ms_int64(const ms_record *record, uint32_t field) {
    return ((const int64_t *)record->batch->columns[field].data)[record->index];
}
static inline double ms_float64(const ms_record *record, uint32_t field) {
    return ((const double *)record->batch->columns[field].data)[record->index];
}
static inline bool ms_bool(const ms_record *record, uint32_t field) {
    return ms_column_bool(&record->batch->columns[field], record->index);
}
static inline ms_bytes ms_field_bytes(const ms_record *record, uint32_t field) {
    return ms_column_bytes(&record->batch->columns[field], record->index);
}

/* ---- outputs ----------------------------------------------------------------------------------------------------------- */

enum {
    MS_SAME = 1,       /* the record's own value */
    MS_NO_KEY = 2,     /* no key */
    MS_AT = 4,         /* `timestamp_ms` counts */
    MS_NO_HEADERS = 8, /* without the record's headers */
};

/* What is emitted. What is not said of it is as in the record: key, event time, headers. */
typedef struct ms_output {
    uint32_t to;      /* the output; 0 is the main one */
    uint32_t flags;
    ms_bytes value;   /* none: a tombstone, unless MS_SAME */
    ms_bytes key;     /* none: the record's own, unless MS_NO_KEY */
    int64_t timestamp_ms;
    const ms_header *headers;  /* after the record's own */
    uint32_t header_count;
} ms_output;

ms_status ms_emit_with(ms_context *ctx, const ms_output *output);
/* Emits `value` to the main output. */
ms_status ms_emit(ms_context *ctx, ms_bytes value);
/* Emits the record as it is. */
ms_status ms_emit_same(ms_context *ctx, uint32_t to);
/* Emits a text to the main output. */
ms_status ms_emit_text(ms_context *ctx, const char *format, ...) MS_PRINTF(2, 3);

/* The row in hand of declared writes: set fields, then emit it. Each emit begins a new row, all null. Infinity and NaN,
 * which have no form in JSON, fail the record. */
void ms_set_int64(ms_context *ctx, uint32_t field, int64_t value);
void ms_set_float64(ms_context *ctx, uint32_t field, double value);
void ms_set_bool(ms_context *ctx, uint32_t field, bool value);
void ms_set_bytes(ms_context *ctx, uint32_t field, ms_bytes value);
/* Emits the row; `output` says where and with which key, time and headers, NULL: as the record, to the main output. */
ms_status ms_emit_row(ms_context *ctx, const ms_output *output);
/* For whole batches: emits `count` rows of every declared write to an output, in one go. `sources` are the records
 * that they come of, ascending, from which they have key, time and headers; NULL: every record, one row each. The
 * columns are taken as they are and must live until the batch is done. A record that fails must not be in them. */
ms_status ms_emit_columns(ms_context *ctx, uint32_t to, const uint32_t *sources, uint32_t count, const ms_column *columns);
/* For whole batches: makes a record the one in hand, so that states, timers and emits concern it. */
const ms_record *ms_seek(ms_context *ctx, uint32_t row);

/* ---- state --------------------------------------------------------------------------------------------------------------- */

/* Of the key of the record in hand. Integers and floats are stored as 8 little-endian bytes, as other SDKs do. */
ms_bytes ms_get(ms_context *ctx, uint32_t state);
void ms_put(ms_context *ctx, uint32_t state, ms_bytes value);
void ms_remove(ms_context *ctx, uint32_t state);
int64_t ms_get_int64(ms_context *ctx, uint32_t state, int64_t otherwise);
void ms_put_int64(ms_context *ctx, uint32_t state, int64_t value);
double ms_get_float64(ms_context *ctx, uint32_t state, double otherwise);
void ms_put_float64(ms_context *ctx, uint32_t state, double value);

/* Maps: fields in ascending order of their bytes. */
ms_bytes ms_map_get(ms_context *ctx, uint32_t state, ms_bytes field);
void ms_map_put(ms_context *ctx, uint32_t state, ms_bytes field, ms_bytes value);
void ms_map_remove(ms_context *ctx, uint32_t state, ms_bytes field);
void ms_map_clear(ms_context *ctx, uint32_t state);
typedef struct ms_entries {
    ms_bytes field, value;  /* the entry in hand */
    void *rest;
} ms_entries;
/* The fields from `start` on, none: from the first; before `end`, none: to the last.
 * for (ms_entries entries = ms_map_range(..); ms_next_entry(ctx, &entries);) */
ms_entries ms_map_range(ms_context *ctx, uint32_t state, ms_bytes start, ms_bytes end);
bool ms_next_entry(ms_context *ctx, ms_entries *entries);

/* Lists: in the order of appending. */
void ms_list_push(ms_context *ctx, uint32_t state, ms_bytes element);
uint64_t ms_list_length(ms_context *ctx, uint32_t state);
void ms_list_clear(ms_context *ctx, uint32_t state);
typedef struct ms_elements {
    ms_bytes element;  /* in hand */
    void *rest;
} ms_elements;
ms_elements ms_list_from(ms_context *ctx, uint32_t state, uint64_t start);
bool ms_next_element(ms_context *ctx, ms_elements *elements);

/* The stored form of numbers, and back; what is none fails the record. */
ms_bytes ms_stored_int64(ms_context *ctx, int64_t value);
ms_bytes ms_stored_float64(ms_context *ctx, double value);
int64_t ms_read_int64(ms_context *ctx, ms_bytes stored);
double ms_read_float64(ms_context *ctx, ms_bytes stored);
/* An integer as the field of a map: sorts as numbers do. */
ms_bytes ms_field_of_int64(ms_context *ctx, int64_t value);
int64_t ms_int64_of_field(ms_context *ctx, ms_bytes field);

/* ---- timers ---------------------------------------------------------------------------------------------------------------- */

/* Sets a timer of the key in hand; a key has at most one of a name and clock. */
void ms_set_timer(ms_context *ctx, ms_clock clock, ms_bytes name, int64_t time_ms);
void ms_delete_timer(ms_context *ctx, ms_clock clock, ms_bytes name);

/* ---- time, randomness, log, metrics, memory ------------------------------------------------------------------------------------ */

/* Processing time, constant within a batch. */
int64_t ms_now_ms(ms_context *ctx);
/* The event time that the input has reached; INT64_MIN: unknown. */
int64_t ms_watermark_ms(const ms_context *ctx);
/* The same again for a batch that is replayed. */
uint64_t ms_random(ms_context *ctx);

typedef enum ms_level { MS_TRACE, MS_DEBUG, MS_INFO, MS_WARN, MS_ERROR } ms_level;
/* Writes a line; it is not formatted where the level is not kept. */
void ms_log(ms_level level, const char *format, ...) MS_PRINTF(2, 3);

/* Summed up and sent once a batch; what a failing record adds stays. Names match [a-z][a-z0-9_]*. */
void ms_count(ms_context *ctx, const char *name, uint64_t delta);
void ms_gauge(ms_context *ctx, const char *name, double value);
void ms_observe(ms_context *ctx, const char *name, double value);

/* Memory until the batch is done, aligned to 8, not zeroed. Never NULL. */
void *ms_alloc(ms_context *ctx, size_t size);
ms_bytes ms_copy(ms_context *ctx, ms_bytes bytes);
ms_bytes ms_format(ms_context *ctx, const char *format, ...) MS_PRINTF(2, 3);

#include "millstream_window.h"
#include "millstream_json.h"
#include "millstream_export.h"

#endif
