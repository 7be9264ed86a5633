/* What the files of the conformance operator `probe` share. */
#ifndef PROBE_H
#define PROBE_H

#include "millstream.h"

enum { MAIN, OTHER };
enum { COUNT, NOTE, FIELDS, ITEMS };

/* The modes whose values are commands. */
ms_status probe_fields(ms_context *ctx, ms_bytes text);
ms_status probe_items(ms_context *ctx, ms_bytes text);
ms_status probe_timers(ms_context *ctx, ms_bytes text);

/* Reads a decimal integer of 64 bits. */
bool probe_integer(ms_bytes text, int64_t *value);

#endif
