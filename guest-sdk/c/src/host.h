/* What the host answers: imports of the component (host_wasm.c), or of a test's harness (millstream_testing.c). */
#ifndef MILLSTREAM_HOST_H
#define MILLSTREAM_HOST_H

#include "contract.h"

void host_get_many(uint32_t state, const wit_bytes_column *keys, wit_state_column *found);
void host_put_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *values, wit_state_done *done);
void host_map_get_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *fields, wit_state_column *found);
void host_map_put_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *fields,
                       const wit_bytes_column *values, wit_state_done *done);
/* `end`: NULL where there is none. */
void host_map_scan(uint32_t state, wit_list key, wit_list start, const wit_list *end, uint32_t limit, wit_state_page *found);
void host_map_clear_many(uint32_t state, const wit_bytes_column *keys, wit_state_done *done);
void host_list_append_many(uint32_t state, const wit_bytes_column *keys, const wit_bytes_column *values, wit_state_done *done);
void host_list_read(uint32_t state, wit_list key, uint64_t start, uint32_t limit, wit_state_column *found);
void host_list_length(uint32_t state, wit_list key, wit_state_length *found);
void host_list_clear_many(uint32_t state, const wit_bytes_column *keys, wit_state_done *done);

int64_t host_now_ms(void);
uint64_t host_random(void);
bool host_log_enabled(uint32_t level);
void host_log(uint32_t level, const char *text, uint32_t size);
void host_counter_add(wit_list name, uint64_t delta);
void host_gauge_set(wit_list name, double value);
void host_histogram_record(wit_list name, double value);
/* Ends the instance. */
_Noreturn void host_panic(const char *text, uint32_t size);

#endif
