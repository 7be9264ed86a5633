/* What is remembered of a user: the payments of the last hour, counted by the minute of their own time. */
#ifndef HISTORY_H
#define HISTORY_H

#include "millstream.h"

/* The payments of a minute: minutes since 1970, number, sum in cents. */
typedef struct slice {
    int64_t minute;
    int64_t count;
    int64_t cents;
} slice;

typedef struct history {
    slice *slices;   /* minutes in which something was paid, ascending; with room for one more */
    uint32_t count;
    bool has_last;
    int64_t last_ms; /* the latest payment by its own time */
    ms_bytes country; /* of that payment's card; none: not known */
} history;

/* What a user did up to a payment. */
typedef struct features {
    int64_t count_5m, count_1h;
    double spend_5m, spend_1h;
    bool has_before;
    int64_t since_last_ms; /* 0 for a payment that comes out of order */
    bool country_changed;
} features;

/* Reads the stored form, JSON; none is an empty history. What is no stored form fails the record. */
history history_read(ms_context *ctx, ms_bytes stored);
ms_bytes history_stored(ms_context *ctx, const history *of);

/* Counts a payment and says how things stand at its time. One that is later than what is kept is not counted. */
features history_add(history *of, int64_t ts_ms, int64_t cents, ms_bytes country);

#endif
