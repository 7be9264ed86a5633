/* The records of the WIT contract as C structs. On wasm32 their layout is that of the canonical ABI, so that what the
 * host passes is read in place and what is returned needs no conversion. */
#ifndef MILLSTREAM_CONTRACT_H
#define MILLSTREAM_CONTRACT_H

#include <stdbool.h>
#include <stdint.h>

/* list<u8>, string, and lists of anything. */
typedef struct {
    const void *data;
    uint32_t size;
} wit_list;

typedef struct {
    wit_list offsets, data, validity;
} wit_bytes_column;

typedef struct {
    wit_list offsets;
    wit_bytes_column names, values;
} wit_header_column;

typedef struct {
    wit_list name;
    uint8_t kind;
    wit_list offsets, data, validity;
} wit_typed_column;

typedef struct {
    uint32_t count;
    wit_bytes_column keys, values;
    wit_header_column headers;
    wit_list timestamps, columns;
} wit_record_batch;

typedef struct {
    uint8_t is_some;
    wit_list value;
} wit_option_string;

typedef struct {
    wit_list name;
    uint8_t kind;
    uint32_t schema_version;
    struct {
        uint8_t is_some;
        uint64_t value;
    } ttl_ms;
    uint8_t prefetch;
} wit_state_declaration;

typedef struct {
    wit_list path;
    uint8_t kind, optional;
} wit_field_declaration;

typedef struct {
    wit_list outputs, states, reads, writes;
    uint8_t raw_values, timers;
    wit_option_string config_schema;
} wit_description;

typedef struct {
    wit_record_batch batch;
    wit_list groups;
    wit_bytes_column group_keys;
    wit_list states;
    int64_t watermark;
} wit_batch_input;

typedef struct {
    uint32_t output;
    wit_list sources;
    wit_record_batch batch;
} wit_output_batch;

typedef struct {
    uint32_t state;
    wit_list groups;
    wit_bytes_column values;
} wit_state_change;

typedef struct {
    wit_list records;
    wit_bytes_column reasons;
} wit_failure_column;

typedef struct {
    uint8_t domain;
    wit_bytes_column keys, names;
    wit_list times;
} wit_timer_changes;

typedef struct {
    wit_list outputs, changes;
    wit_failure_column failures;
    wit_list timers;
} wit_batch_output;

typedef struct {
    uint8_t domain;
    wit_bytes_column keys, names;
    wit_list times, groups;
    wit_bytes_column group_keys;
    wit_list states;
    int64_t watermark;
} wit_fired_timers;

/* result<T, string> for each T. */
#define WIT_RESULT(T) \
    struct {          \
        uint8_t is_err; \
        union {       \
            T ok;     \
            wit_list err; \
        };            \
    }
typedef WIT_RESULT(wit_batch_output) wit_processed;
typedef WIT_RESULT(uint32_t) wit_configured;

/* Window parts. */
typedef struct {
    wit_list starts, ends;
} wit_window_column;

typedef struct {
    uint32_t schema_version;
    uint8_t retracts;
    wit_option_string config_schema;
} wit_aggregator_description;

typedef struct {
    wit_record_batch batch;
    wit_list rows, targets;
    wit_bytes_column accumulators;
} wit_additions;

typedef struct {
    wit_bytes_column accumulators;
    wit_failure_column failures;
} wit_added;
typedef WIT_RESULT(wit_added) wit_added_result;
typedef WIT_RESULT(wit_bytes_column) wit_column_result;

typedef struct {
    uint8_t merges;
    wit_option_string config_schema;
} wit_assigner_description;

typedef struct {
    wit_record_batch batch;
    int64_t now;
} wit_assign_arguments;

typedef struct {
    wit_list rows;
    wit_window_column windows;
    wit_failure_column failures;
} wit_assigned;
typedef WIT_RESULT(wit_assigned) wit_assigned_result;

typedef struct {
    uint32_t schema_version;
    wit_option_string config_schema;
} wit_trigger_description;

typedef struct {
    wit_bytes_column keys;
    wit_window_column windows;
    wit_bytes_column states;
    wit_list event_times, processing_times;
    int64_t now, watermark;
} wit_trigger_panes;

typedef struct {
    wit_trigger_panes panes;
    wit_record_batch batch;
    wit_list rows, pane_rows;
    wit_window_column windows;
} wit_elements_arguments;

typedef struct {
    wit_trigger_panes panes;
    uint8_t domain;
    wit_list times;
} wit_time_arguments;

typedef struct {
    wit_trigger_panes panes;
    wit_list groups;
    wit_window_column merged;
} wit_merge_arguments;

typedef struct {
    wit_list verdicts;
    wit_bytes_column states;
    wit_list event_times, processing_times;
    wit_failure_column failures;
} wit_verdicts;
typedef WIT_RESULT(wit_verdicts) wit_verdicts_result;

typedef struct {
    struct {
        uint8_t is_some;
        uint64_t value;
    } every_ms;
    wit_option_string config_schema;
} wit_generator_description;

typedef struct {
    wit_list state;
    wit_record_batch batch;
    int64_t now;
} wit_records_arguments;

typedef struct {
    wit_list state;
    struct {
        uint8_t is_some;
        int64_t value;
    } watermark;
    uint8_t idle;
} wit_progress;
typedef WIT_RESULT(wit_progress) wit_progress_result;

/* state-error, and what state calls return. */
typedef struct {
    uint8_t kind;
    wit_list reason;
} wit_state_error;

typedef struct {
    wit_bytes_column fields, values;
    uint8_t more;
} wit_map_page;

#define WIT_STATE_RESULT(T) \
    struct {                \
        uint8_t is_err;     \
        union {             \
            T ok;           \
            wit_state_error err; \
        };                  \
    }
typedef WIT_STATE_RESULT(wit_bytes_column) wit_state_column;
typedef WIT_STATE_RESULT(wit_map_page) wit_state_page;
typedef WIT_STATE_RESULT(uint64_t) wit_state_length;
typedef WIT_STATE_RESULT(uint32_t) wit_state_done;

#ifdef __wasm__
_Static_assert(sizeof(wit_record_batch) == 124 && sizeof(wit_typed_column) == 36, "record-batch");
_Static_assert(sizeof(wit_state_declaration) == 40 && sizeof(wit_field_declaration) == 12, "declarations");
_Static_assert(sizeof(wit_description) == 48, "description");
_Static_assert(sizeof(wit_batch_input) == 176 && sizeof(wit_fired_timers) == 112, "inputs");
_Static_assert(sizeof(wit_output_batch) == 136 && sizeof(wit_state_change) == 36, "outputs");
_Static_assert(sizeof(wit_timer_changes) == 60 && sizeof(wit_batch_output) == 56, "outputs");
_Static_assert(sizeof(wit_processed) == 60 && sizeof(wit_configured) == 12, "results");
_Static_assert(sizeof(wit_additions) == 164 && sizeof(wit_added_result) == 60, "aggregation");
_Static_assert(sizeof(wit_aggregator_description) == 20 && sizeof(wit_column_result) == 28, "aggregation");
_Static_assert(sizeof(wit_assigner_description) == 16 && sizeof(wit_assign_arguments) == 136, "assignment");
_Static_assert(sizeof(wit_assigned_result) == 60, "assignment");
_Static_assert(sizeof(wit_trigger_description) == 16 && sizeof(wit_trigger_panes) == 96, "firing");
_Static_assert(sizeof(wit_elements_arguments) == 256 && sizeof(wit_time_arguments) == 112, "firing");
_Static_assert(sizeof(wit_merge_arguments) == 120 && sizeof(wit_verdicts_result) == 84, "firing");
_Static_assert(sizeof(wit_generator_description) == 32 && sizeof(wit_records_arguments) == 144, "watermarks");
_Static_assert(sizeof(wit_progress_result) == 40, "watermarks");
_Static_assert(sizeof(wit_state_column) == 28 && sizeof(wit_state_page) == 56, "state");
_Static_assert(sizeof(wit_state_length) == 24 && sizeof(wit_state_done) == 16, "state");
#endif

#endif
