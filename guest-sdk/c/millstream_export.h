/* How a component exports what it is. Included by millstream.h. */
#ifndef MILLSTREAM_EXPORT_H
#define MILLSTREAM_EXPORT_H

/* What the exported functions call. Arguments and results that are addresses are records of the contract. */
const void *ms_operator_describe(const ms_operator *exported);
const void *ms_operator_configure(const ms_operator *exported, const uint8_t *config, uint32_t size);
const void *ms_operator_process(const ms_operator *exported, const void *input);
const void *ms_operator_on_timer(const ms_operator *exported, const void *fired);
const void *ms_aggregator_describe(const ms_aggregator *exported);
const void *ms_aggregator_configure(const ms_aggregator *exported, const uint8_t *config, uint32_t size);
const void *ms_aggregator_add(const ms_aggregator *exported, const void *additions, bool retract);
const void *ms_aggregator_merge(const ms_aggregator *exported, const ms_column *accumulators, uint32_t rows,
                                const uint32_t *groups, uint32_t count);
const void *ms_aggregator_results(const ms_aggregator *exported, const ms_column *accumulators, uint32_t rows,
                                  const ms_column *keys, const int64_t *starts, const int64_t *ends);
const void *ms_assigner_describe(const ms_assigner *exported);
const void *ms_assigner_configure(const ms_assigner *exported, const uint8_t *config, uint32_t size);
const void *ms_assigner_assign(const ms_assigner *exported, const void *arguments);
const void *ms_trigger_describe(const ms_trigger *exported);
const void *ms_trigger_configure(const ms_trigger *exported, const uint8_t *config, uint32_t size);
const void *ms_trigger_on_elements(const ms_trigger *exported, const void *arguments);
const void *ms_trigger_on_time(const ms_trigger *exported, const void *arguments);
const void *ms_trigger_on_merge(const ms_trigger *exported, const void *arguments);
const void *ms_window_function_describe(const ms_window_function *exported);
const void *ms_window_function_configure(const ms_window_function *exported, const uint8_t *config, uint32_t size);
const void *ms_window_function_begin(const ms_window_function *exported, const ms_fired_pane *pane);
const void *ms_window_function_elements(const ms_window_function *exported, const void *page);
const void *ms_window_function_end(const ms_window_function *exported);
const void *ms_generator_describe(const ms_generator *exported);
const void *ms_generator_configure(const ms_generator *exported, const uint8_t *config, uint32_t size);
const void *ms_generator_on_records(const ms_generator *exported, const void *arguments);
const void *ms_generator_on_time(const ms_generator *exported, const uint8_t *state, uint32_t size, int64_t now_ms);
/* Called when the host has read what was returned. */
void ms_call_done(void);

#ifdef __wasm__
#define MS_PROCESSOR "millstream:operator/processor@0.1.0#"
#define MS_AGGREGATION "millstream:window/aggregation@0.1.0#"
#define MS_ASSIGNMENT "millstream:window/assignment@0.1.0#"
#define MS_FIRING "millstream:window/firing@0.1.0#"
#define MS_FUNCTION "millstream:window/window-function@0.1.0#"
#define MS_WATERMARKS "millstream:window/watermarks@0.1.0#"

#define MS_EXPORT_NAME(name) __attribute__((export_name(name)))
/* A function of an interface, and what the host calls when it has read the result: MS_EXPORT(I, "f", f, (..), call(..)) */
#define MS_EXPORT(interface, function, id, parameters, call)                                              \
    MS_EXPORT_NAME(interface function) const void *ms_exported_##id parameters { return call; }           \
    MS_EXPORT_NAME("cabi_post_" interface function) void ms_post_##id(const void *result) {               \
        (void)result;                                                                                     \
        ms_call_done();                                                                                   \
    }
/* What every interface has; `of` is operator, aggregator, .. */
#define MS_EXPORT_DECLARED(interface, of, exported)                                                       \
    MS_EXPORT(interface, "describe", describe, (void), ms_##of##_describe(&exported))                     \
    MS_EXPORT(interface, "configure", configure, (const uint8_t *config, uint32_t size),                  \
              ms_##of##_configure(&exported, config, size))
/* One whose arguments are more than cross one by one. */
#define MS_EXPORT_CALL(interface, function, id, of, exported)                                             \
    MS_EXPORT(interface, function, id, (const void *arguments), ms_##of##_##id(&exported, arguments))

/* A column as the canonical ABI passes it. */
#define MS_ABI_COLUMN(c) const uint32_t *c##_offsets, uint32_t c##_o, const uint8_t *c##_data, uint32_t c##_d, \
                         const uint8_t *c##_validity, uint32_t c##_v
#define MS_ABI_OF(c) ((void)c##_o, &(ms_column){MS_BYTES, c##_data, c##_d, c##_offsets, c##_v ? c##_validity : NULL})

/* Exports an operator, a `const ms_operator` of this name. One export in a component, in any of its files. */
#define MS_EXPORT_OPERATOR(exported)                                                                      \
    MS_EXPORT_DECLARED(MS_PROCESSOR, operator, exported)                                                  \
    MS_EXPORT_CALL(MS_PROCESSOR, "process", process, operator, exported)                                  \
    MS_EXPORT_CALL(MS_PROCESSOR, "on-timer", on_timer, operator, exported)                                \
    extern const ms_operator exported

/* Exports an aggregator. */
#define MS_EXPORT_AGGREGATOR(exported)                                                                    \
    MS_EXPORT_DECLARED(MS_AGGREGATION, aggregator, exported)                                              \
    MS_EXPORT(MS_AGGREGATION, "add", add, (const void *additions),                                        \
              ms_aggregator_add(&exported, additions, false))                                             \
    MS_EXPORT(MS_AGGREGATION, "retract", retract, (const void *additions),                                \
              ms_aggregator_add(&exported, additions, true))                                              \
    MS_EXPORT(MS_AGGREGATION, "merge", merge,                                                             \
              (MS_ABI_COLUMN(a), const uint32_t *groups, uint32_t g, uint32_t count),                     \
              ((void)g, ms_aggregator_merge(&exported, MS_ABI_OF(a), a_o / 4 - 1, groups, count)))        \
    MS_EXPORT(MS_AGGREGATION, "results", results,                                                         \
              (MS_ABI_COLUMN(a), MS_ABI_COLUMN(k), const int64_t *starts, uint32_t s, const int64_t *ends, uint32_t e), \
              ((void)s, (void)e,                                                                          \
               ms_aggregator_results(&exported, MS_ABI_OF(a), a_o / 4 - 1, MS_ABI_OF(k), starts, ends)))  \
    extern const ms_aggregator exported

/* Exports a window assigner. */
#define MS_EXPORT_ASSIGNER(exported)                                                                      \
    MS_EXPORT_DECLARED(MS_ASSIGNMENT, assigner, exported)                                                 \
    MS_EXPORT_CALL(MS_ASSIGNMENT, "assign", assign, assigner, exported)                                   \
    extern const ms_assigner exported

/* Exports a trigger. */
#define MS_EXPORT_TRIGGER(exported)                                                                       \
    MS_EXPORT_DECLARED(MS_FIRING, trigger, exported)                                                      \
    MS_EXPORT_CALL(MS_FIRING, "on-elements", on_elements, trigger, exported)                              \
    MS_EXPORT_CALL(MS_FIRING, "on-time", on_time, trigger, exported)                                      \
    MS_EXPORT_CALL(MS_FIRING, "on-merge", on_merge, trigger, exported)                                    \
    extern const ms_trigger exported

/* Exports a window function. */
#define MS_EXPORT_WINDOW_FUNCTION(exported)                                                               \
    MS_EXPORT_DECLARED(MS_FUNCTION, window_function, exported)                                            \
    MS_EXPORT(MS_FUNCTION, "begin", begin,                                                                \
              (const uint8_t *key, uint32_t size, int64_t start, int64_t end, uint64_t elements, int64_t now, int64_t mark), \
              ms_window_function_begin(&exported, &(ms_fired_pane){{{key, size}, start, end}, elements, now, mark, NULL})) \
    MS_EXPORT_CALL(MS_FUNCTION, "elements", elements, window_function, exported)                          \
    MS_EXPORT(MS_FUNCTION, "end", end, (void), ms_window_function_end(&exported))                         \
    extern const ms_window_function exported

/* Exports a watermark generator. */
#define MS_EXPORT_GENERATOR(exported)                                                                     \
    MS_EXPORT_DECLARED(MS_WATERMARKS, generator, exported)                                                \
    MS_EXPORT_CALL(MS_WATERMARKS, "on-records", on_records, generator, exported)                          \
    MS_EXPORT(MS_WATERMARKS, "on-time", on_time, (const uint8_t *state, uint32_t size, int64_t now),      \
              ms_generator_on_time(&exported, state, size, now))                                          \
    extern const ms_generator exported
#else
/* Natively there is nothing to export: tests name the operator. */
#define MS_EXPORT_OPERATOR(exported) extern const ms_operator exported
#define MS_EXPORT_AGGREGATOR(exported) extern const ms_aggregator exported
#define MS_EXPORT_ASSIGNER(exported) extern const ms_assigner exported
#define MS_EXPORT_TRIGGER(exported) extern const ms_trigger exported
#define MS_EXPORT_WINDOW_FUNCTION(exported) extern const ms_window_function exported
#define MS_EXPORT_GENERATOR(exported) extern const ms_generator exported
#endif

#endif
