/* Parts of windows: aggregators, window assigners, triggers, window functions, watermark generators. Included by
 * millstream.h.
 *
 * Each is a table as `ms_operator` is one, and a component exports one of them. Parts keep nothing between calls but what
 * is said here; they have no clock but the one that they are given, and no state of keys. */
#ifndef MILLSTREAM_WINDOW_H
#define MILLSTREAM_WINDOW_H

/* A window of a key. */
typedef struct ms_pane {
    ms_bytes key;
    int64_t start_ms;  /* INT64_MIN: none */
    int64_t end_ms;    /* not included; INT64_MAX: none */
} ms_pane;

/* ---- aggregators: `aggregator:` of a window step ------------------------------------------------------------------ */

/* An accumulator in hand. It may be written to in place; ms_resize makes it longer or shorter. */
typedef struct ms_accumulator {
    uint8_t *data;  /* aligned to 8 */
    uint32_t size;
    bool is_new;    /* nothing has been added yet: `size` zeroes */
} ms_accumulator;

void ms_resize(ms_context *ctx, ms_accumulator *accumulator, uint32_t size);

typedef struct ms_aggregator {
    uint32_t version;  /* of the accumulators' format; 0 means 1 */
    uint32_t size;     /* of a new accumulator, zeroes; for those of one size also checked */
    const char *config_schema;
    ms_status (*configure)(ms_context *ctx, ms_bytes config);
    ms_status (*add)(ms_context *ctx, ms_accumulator *accumulator, const ms_record *record);
    ms_status (*retract)(ms_context *ctx, ms_accumulator *accumulator, const ms_record *record); /* may be NULL */
    ms_status (*merge)(ms_context *ctx, ms_accumulator *into, ms_bytes from);
    /* Returns the value to emit by `value`; none is a tombstone. */
    ms_status (*result)(ms_context *ctx, ms_bytes accumulator, const ms_pane *pane, ms_bytes *value);
} ms_aggregator;

/* ---- window assigners: `assigner:` of a window --------------------------------------------------------------------- */

/* Says that the record in hand is in a window, which must start before it ends; to say so again changes nothing. A record
 * that is in none is dropped. */
void ms_assign(ms_context *ctx, int64_t start_ms, int64_t end_ms);

typedef struct ms_assigner {
    bool merges;  /* windows of one key that overlap or touch become one, as sessions do */
    const char *config_schema;
    ms_status (*configure)(ms_context *ctx, ms_bytes config);
    /* Assigns the record's windows by nothing but the record, the configuration and the host's clock: read again after a
     * crash, it must be in the same ones. */
    ms_status (*assign)(ms_context *ctx, const ms_record *record, int64_t now_ms);
} ms_assigner;

/* ---- triggers: `trigger: { operator: .. }` of a window --------------------------------------------------------------- */

/* What becomes of a pane. */
typedef enum ms_verdict {
    MS_CONTINUE,        /* nothing */
    MS_FIRE,            /* its result is emitted */
    MS_PURGE,           /* what it has is forgotten */
    MS_FIRE_AND_PURGE,  /* one after the other */
} ms_verdict;

/* The time that does not come. */
#define MS_NEVER INT64_MAX

/* A pane that a trigger is asked about. */
typedef struct ms_trigger_pane {
    ms_pane pane;
    void *state;  /* what is remembered of it: `size` bytes, aligned to 8, at first zeroes */
    int64_t event_time_ms, processing_time_ms;  /* when to be asked again, by each clock; MS_NEVER unless set */
    int64_t now_ms, watermark_ms;               /* the watermark: INT64_MIN where it is unknown */
} ms_trigger_pane;

/* Says when windows fire, in the place of their end. Functions return the verdict; one that fails returns anything. */
typedef struct ms_trigger {
    uint32_t version;  /* of the states' format; 0 means 1 */
    uint32_t size;     /* of the state of a pane, of which zeroes are not stored */
    const char *config_schema;
    ms_status (*configure)(ms_context *ctx, ms_bytes config);
    /* A record comes into a pane, which fires after it. A failure is the record's, and undoes what was changed. */
    ms_verdict (*on_element)(ms_context *ctx, ms_trigger_pane *pane, const ms_record *record);
    /* A time has come that was set, and is not set any more; NULL: none is set. A failure stops the pipeline. */
    ms_verdict (*on_event_time)(ms_context *ctx, ms_trigger_pane *pane, int64_t time_ms);
    ms_verdict (*on_processing_time)(ms_context *ctx, ms_trigger_pane *pane, int64_t time_ms);
    /* Several panes become one, which has no state and no times yet; NULL: not for windows that merge. */
    ms_verdict (*on_merge)(ms_context *ctx, ms_trigger_pane *into, const ms_trigger_pane *from, uint32_t count);
} ms_trigger;

/* ---- window functions: `process:` of a window step ------------------------------------------------------------------- */

/* A pane that has fired. It lives until `end` returns. */
typedef struct ms_fired_pane {
    ms_pane pane;
    uint64_t elements;  /* how many records it has */
    int64_t now_ms, watermark_ms;
    void *gathered;     /* `size` bytes, aligned to 8, at first zeroes */
} ms_fired_pane;

/* Emits a record with this value, none is a tombstone. Its key is the pane's, its time the window's last moment. */
ms_status ms_pane_emit(ms_context *ctx, ms_bytes value);

/* Sees all records of a window, which the host keeps until it fires. Any failure stops the pipeline. */
typedef struct ms_window_function {
    uint32_t size;  /* of what is gathered of a pane */
    const char *config_schema;
    ms_status (*configure)(ms_context *ctx, ms_bytes config);
    /* The next record, in order of arrival. It does not outlive the call: what is kept of it must be copied by malloc,
     * for `end` to free. */
    ms_status (*element)(ms_context *ctx, ms_fired_pane *pane, const ms_record *record);
    /* There are no more. NULL: nothing is emitted then. */
    ms_status (*end)(ms_context *ctx, ms_fired_pane *pane);
} ms_window_function;

/* ---- watermark generators: `watermark: { generator: .. }` of a source ------------------------------------------------- */

/* A partition of a source. */
typedef struct ms_partition {
    void *state;     /* what is remembered of it until a restart: `size` bytes, aligned to 8, at first zeroes */
    int64_t now_ms;  /* the host's clock */
    bool has_watermark, is_idle;
    int64_t watermark_ms;
} ms_partition;

/* No record of the partition with this timestamp or an earlier one is expected any more. */
static inline void ms_advance(ms_partition *partition, int64_t watermark_ms) {
    if (partition->has_watermark && watermark_ms <= partition->watermark_ms) return;
    partition->has_watermark = true;
    partition->watermark_ms = watermark_ms;
}

/* The partition holds nobody back until records come from it again. */
static inline void ms_set_idle(ms_partition *partition) { partition->is_idle = true; }

/* Says how far event time has come. Any failure stops the pipeline. There are no metrics in this world. */
typedef struct ms_generator {
    uint32_t size;      /* of the state of a partition */
    uint64_t every_ms;  /* how often `on_time` is called, by the host's clock */
    const char *config_schema;
    ms_status (*configure)(ms_context *ctx, ms_bytes config);
    /* A record was read. The watermark holds for what comes after the batch that it is in. */
    ms_status (*on_record)(ms_context *ctx, ms_partition *partition, const ms_record *record);
    /* Time has passed; NULL: never called. */
    ms_status (*on_time)(ms_context *ctx, ms_partition *partition);
} ms_generator;

#endif
