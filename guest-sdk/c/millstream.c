/* The SDK as one translation unit: compile this file beside those of the operator. */

#include "millstream.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/host.h"

#include "src/arena.c"
#include "src/columns.c"
#include "src/context.h"
#include "src/failing.c"
#include "src/records.c"
#include "src/numbers.c"
#include "src/json_read.c"
#include "src/json_write.c"
static void fields_truncate(const ms_operator *operator, column_builder *fields, uint32_t rows);
static void fields_finish(const ms_operator *operator, output_builder *output, wit_record_batch *into);
#include "src/outputs.c"
#include "src/fields.c"
#include "src/values.c"
#include "src/maps.c"
#include "src/lists.c"
#include "src/timers.c"
#include "src/instance.c"
#include "src/exports.c"
#include "src/parts.c"
#include "src/aggregator.c"
#include "src/assigner.c"
#include "src/trigger.c"
#include "src/window_function.c"
#include "src/generator.c"
#ifdef __wasm__
#include "src/host_wasm.c"
#endif
