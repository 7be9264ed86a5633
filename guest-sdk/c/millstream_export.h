/* How a component exports what it is. Included by millstream.h. */
#ifndef MILLSTREAM_EXPORT_H
#define MILLSTREAM_EXPORT_H

/* What the exported functions call: addresses of the contract's records. */
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
/* Called when the host has read what was returned. */
void ms_call_done(void);

#ifdef __wasm__
#define MS_EXPORT_NAME(name) __attribute__((export_name(name)))
#define MS_EXPORT_POST(interface, function, id) \
    MS_EXPORT_NAME("cabi_post_" interface function) void id(const void *result) { (void)result; ms_call_done(); }
#define MS_PROCESSOR "millstream:operator/processor@0.1.0#"
#define MS_AGGREGATION "millstream:window/aggregation@0.1.0#"

/* Exports an operator, a `const ms_operator` of this name. Once in a component, in any of its files. */
#define MS_EXPORT_OPERATOR(exported)                                                                     \
    MS_EXPORT_NAME(MS_PROCESSOR "describe") const void *ms_exported_describe(void) {                     \
        return ms_operator_describe(&exported);                                                          \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_PROCESSOR "configure") const void *ms_exported_configure(const uint8_t *c, uint32_t n) { \
        return ms_operator_configure(&exported, c, n);                                                   \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_PROCESSOR "process") const void *ms_exported_process(const void *input) {          \
        return ms_operator_process(&exported, input);                                                    \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_PROCESSOR "on-timer") const void *ms_exported_on_timer(const void *fired) {        \
        return ms_operator_on_timer(&exported, fired);                                                   \
    }                                                                                                    \
    MS_EXPORT_POST(MS_PROCESSOR, "describe", ms_post_describe)                                           \
    MS_EXPORT_POST(MS_PROCESSOR, "configure", ms_post_configure)                                         \
    MS_EXPORT_POST(MS_PROCESSOR, "process", ms_post_process)                                             \
    MS_EXPORT_POST(MS_PROCESSOR, "on-timer", ms_post_on_timer)                                           \
    extern const ms_operator exported

/* A column and a list of numbers as the canonical ABI passes them. */
#define MS_ABI_COLUMN(c) const uint32_t *c##_offsets, uint32_t c##_o, const uint8_t *c##_data, uint32_t c##_d, \
                         const uint8_t *c##_validity, uint32_t c##_v
#define MS_ABI_OF(c) &(ms_column){MS_BYTES, c##_data, c##_d, c##_offsets, c##_v ? c##_validity : NULL}

/* Exports an aggregator. */
#define MS_EXPORT_AGGREGATOR(exported)                                                                   \
    MS_EXPORT_NAME(MS_AGGREGATION "describe") const void *ms_exported_describe(void) {                   \
        return ms_aggregator_describe(&exported);                                                        \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_AGGREGATION "configure") const void *ms_exported_configure(const uint8_t *c, uint32_t n) { \
        return ms_aggregator_configure(&exported, c, n);                                                 \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_AGGREGATION "add") const void *ms_exported_add(const void *additions) {            \
        return ms_aggregator_add(&exported, additions, false);                                           \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_AGGREGATION "retract") const void *ms_exported_retract(const void *additions) {    \
        return ms_aggregator_add(&exported, additions, true);                                            \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_AGGREGATION "merge")                                                               \
    const void *ms_exported_merge(MS_ABI_COLUMN(a), const uint32_t *groups, uint32_t g, uint32_t count) { \
        (void)g;                                                                                         \
        return ms_aggregator_merge(&exported, MS_ABI_OF(a), a_o / 4 - 1, groups, count);                 \
    }                                                                                                    \
    MS_EXPORT_NAME(MS_AGGREGATION "results")                                                             \
    const void *ms_exported_results(MS_ABI_COLUMN(a), MS_ABI_COLUMN(k), const int64_t *starts, uint32_t s, \
                                    const int64_t *ends, uint32_t e) {                                   \
        (void)k_o, (void)s, (void)e;                                                                     \
        return ms_aggregator_results(&exported, MS_ABI_OF(a), a_o / 4 - 1, MS_ABI_OF(k), starts, ends);  \
    }                                                                                                    \
    MS_EXPORT_POST(MS_AGGREGATION, "describe", ms_post_describe)                                         \
    MS_EXPORT_POST(MS_AGGREGATION, "configure", ms_post_configure)                                       \
    MS_EXPORT_POST(MS_AGGREGATION, "add", ms_post_add)                                                   \
    MS_EXPORT_POST(MS_AGGREGATION, "retract", ms_post_retract)                                           \
    MS_EXPORT_POST(MS_AGGREGATION, "merge", ms_post_merge)                                               \
    MS_EXPORT_POST(MS_AGGREGATION, "results", ms_post_results)                                           \
    extern const ms_aggregator exported
#else
/* Natively there is nothing to export: tests name the operator. */
#define MS_EXPORT_OPERATOR(exported) extern const ms_operator exported
#define MS_EXPORT_AGGREGATOR(exported) extern const ms_aggregator exported
#endif

#endif
