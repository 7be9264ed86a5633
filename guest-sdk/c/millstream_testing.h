/* Tests of operators as ordinary C programs: what the host does around an operator, in memory, without WebAssembly.
 *
 * Compile millstream_testing.c in the place of millstream.c. What a call returns lives until the next one that lets the
 * operator work. Mistakes of the test itself end the program with a message. */
#ifndef MILLSTREAM_TESTING_H
#define MILLSTREAM_TESTING_H

#include "millstream.h"

/* Ends the test with file and line unless a condition holds. Unlike assert, it stays in every build. */
#define MS_EXPECT(condition) ((condition) ? (void)0 : ms_expected(__FILE__, __LINE__, #condition))
_Noreturn void ms_expected(const char *file, int line, const char *condition);

/* A record to send. */
typedef struct ms_input {
    ms_bytes key, value;
    int64_t timestamp_ms;
    const ms_header *headers;
    uint32_t header_count;
} ms_input;

/* A record that was emitted. Typed fields are shown as the JSON that the host makes of them. */
typedef struct ms_emitted {
    const char *output;
    uint32_t source;  /* the input record that it came of */
    ms_bytes key, value;
    int64_t timestamp_ms;
    const ms_header *headers;
    uint32_t header_count;
} ms_emitted;

typedef struct ms_failure {
    uint32_t record;
    ms_bytes reason;
} ms_failure;

/* What came of a batch: the emitted records, output by output, and those that failed. */
typedef struct ms_outcome {
    const ms_emitted *emitted;
    uint32_t emitted_count;
    const ms_failure *failed;
    uint32_t failed_count;
    ms_bytes batch_failure;  /* why the batch failed as a whole; none: it did not */
} ms_outcome;

typedef struct ms_harness ms_harness;

/* Why an operator refuses a configuration, JSON text; none: it takes it. */
ms_bytes ms_refusal(const ms_operator *tested, const char *config);
/* An operator under test, configured. It is one at a time: a new one takes the place of the one before. */
ms_harness *ms_test(const ms_operator *tested, const char *config);
/* Takes the state over that another harness has built up, as a swap to this operator does: by the states' names. */
void ms_adopt(ms_harness *harness, const ms_harness *before);

/* Sends records in one batch. */
ms_outcome ms_send_all(ms_harness *harness, const ms_input *records, uint32_t count);
/* Sends one; C strings, NULL for none. */
ms_outcome ms_send(ms_harness *harness, const char *key, const char *value);
/* The only value that was emitted, where nothing failed. */
ms_bytes ms_only(ms_outcome outcome);
/* Lets event time or processing time go on, and fires the timers that are due, in order of time. */
ms_outcome ms_advance_watermark(ms_harness *harness, int64_t watermark_ms);
ms_outcome ms_advance_now(ms_harness *harness, int64_t now_ms);
void ms_set_now(ms_harness *harness, int64_t now_ms);
/* Begins the random numbers again. */
void ms_set_seed(ms_harness *harness, uint64_t seed);

/* What is stored: a value; a field of a map; an element of a list. None: nothing. */
ms_bytes ms_stored(const ms_harness *harness, uint32_t state, const char *key);
ms_bytes ms_stored_field(const ms_harness *harness, uint32_t state, const char *key, ms_bytes field);
ms_bytes ms_stored_element(const ms_harness *harness, uint32_t state, const char *key, uint32_t index);
/* Prepares a value. */
void ms_store(ms_harness *harness, uint32_t state, const char *key, ms_bytes value);

uint64_t ms_counter_sum(const ms_harness *harness, const char *name);
/* The last value of a gauge, or the last observation of a histogram. */
double ms_last_value(const ms_harness *harness, const char *name);
/* A line of the log, by index; NULL behind the last one. */
const char *ms_log_line(const ms_harness *harness, uint32_t index);
/* Calls of the host for state so far: what is prefetched needs none. */
uint32_t ms_state_calls(const ms_harness *harness);

/* An aggregator under test: an accumulator that records are added to. */
typedef struct ms_tally {
    const ms_aggregator *tested;
    ms_bytes accumulator;
    ms_bytes failure;  /* why the last record failed; none: it did not */
} ms_tally;

ms_tally ms_tally_of(const ms_aggregator *tested, const char *config);
void ms_tally_add(ms_tally *tally, ms_input record);
void ms_tally_retract(ms_tally *tally, ms_input record);
void ms_tally_merge(ms_tally *tally, const ms_tally *other);
ms_bytes ms_tally_result(const ms_tally *tally, ms_pane pane);

/* The windows that a window assigner says a record is in. */
typedef struct ms_assigned {
    const ms_pane *windows;  /* without keys */
    uint32_t count;
    ms_bytes failure;  /* why the record failed; none: it did not */
} ms_assigned;

ms_assigned ms_assigned_to(const ms_assigner *tested, const char *config, ms_input record);

/* A trigger under test: a pane that it is asked about. */
typedef struct ms_trigger_test {
    const ms_trigger *tested;
    ms_pane pane;
    ms_bytes state;    /* what is stored of it; none: nothing */
    ms_bytes failure;  /* why the last record failed; none: it did not */
    int64_t event_time_ms, processing_time_ms;  /* when it wants to be asked */
    int64_t now_ms, watermark_ms;
} ms_trigger_test;

ms_trigger_test ms_trigger_test_of(const ms_trigger *tested, const char *config, ms_pane pane);
/* A record comes into the pane. */
ms_verdict ms_trigger_element(ms_trigger_test *test, ms_input record);
/* A clock reaches a time; asks as often as the trigger wants it. MS_CONTINUE where it does not. */
ms_verdict ms_trigger_advance(ms_trigger_test *test, ms_clock clock, int64_t time_ms);
/* Panes become one. */
ms_verdict ms_trigger_merge(ms_trigger_test *into, const ms_trigger_test *from, uint32_t count);

/* What a window function has emitted of a pane. */
typedef struct ms_fired {
    const ms_bytes *values;
    uint32_t count;
    ms_bytes failure;  /* why it failed; none: it did not */
} ms_fired;

/* Fires a pane with these records, which are passed two at a time. */
ms_fired ms_fire(const ms_window_function *tested, const char *config, ms_pane pane, const ms_input *records, uint32_t count);

/* A watermark generator under test: a partition. */
typedef struct ms_generator_test {
    const ms_generator *tested;
    ms_bytes state;
    int64_t now_ms, watermark_ms;  /* the watermark: INT64_MIN where there is none yet */
    bool is_idle;
} ms_generator_test;

ms_generator_test ms_generator_test_of(const ms_generator *tested, const char *config);
/* Reads records from the partition. */
void ms_generator_read(ms_generator_test *test, const ms_input *records, uint32_t count);
/* Lets the host's clock reach a time, and asks the generator. */
void ms_generator_tick(ms_generator_test *test, int64_t now_ms);

#endif
