#include "history.h"

enum { MINUTE_MS = 60000, SHORT = 5, LONG = 60, KEPT = LONG + 5 };

static int64_t minute_of(int64_t ts_ms) { return ts_ms / MINUTE_MS - (ts_ms % MINUTE_MS < 0); }

static slice read_slice(ms_context *ctx, ms_bytes json) {
    int64_t numbers[3] = {0, 0, 0};
    uint32_t count = ms_json_int64s(ctx, json, numbers, 3);
    if (count != 3) ms_fail(ctx, "state `history`: what is stored does not decode: a slice of %u numbers", count);
    return (slice){numbers[0], numbers[1], numbers[2]};
}

history history_read(ms_context *ctx, ms_bytes stored) {
    history found = {.slices = ms_alloc(ctx, sizeof(slice))};
    static const char *const names[] = {"m", "l", "c"};
    ms_bytes values[3];
    if (!stored.data || !ms_json_members(ctx, stored, names, 3, values, false)) return found;
    uint32_t room = 1;
    for (uint32_t i = 0; i < values[0].size; i++) room += values[0].data[i] == '[';
    found.slices = ms_alloc(ctx, sizeof(slice) * room);
    for (ms_json_items items = ms_json_array(ctx, values[0]); ms_json_next(ctx, &items);) {
        found.slices[found.count++] = read_slice(ctx, items.value);
    }
    found.has_last = values[1].data && !ms_json_is_null(values[1]);
    if (found.has_last) found.last_ms = ms_json_int64(ctx, values[1]);
    if (values[2].data && !ms_json_is_null(values[2])) found.country = ms_json_text(ctx, values[2]);
    return found;
}

ms_bytes history_stored(ms_context *ctx, const history *of) {
    ms_json_writer out = ms_json_begin(ctx);
    ms_json_open(&out, '{');
    ms_json_name(&out, "m");
    ms_json_open(&out, '[');
    for (uint32_t i = 0; i < of->count; i++) {
        ms_json_open(&out, '[');
        ms_json_put_int64(&out, of->slices[i].minute);
        ms_json_put_int64(&out, of->slices[i].count);
        ms_json_put_int64(&out, of->slices[i].cents);
        ms_json_close(&out, ']');
    }
    ms_json_close(&out, ']');
    ms_json_name(&out, "l");
    if (of->has_last) ms_json_put_int64(&out, of->last_ms);
    else ms_json_put_null(&out);
    ms_json_name(&out, "c");
    if (of->country.data) ms_json_put_text(&out, of->country);
    else ms_json_put_null(&out);
    ms_json_close(&out, '}');
    return ms_json_done(&out);
}

/* Adds to the slice of a minute, which is nearly always the last one. */
static void count_payment(history *of, int64_t minute, int64_t cents) {
    uint32_t at = of->count;
    while (at > 0 && of->slices[at - 1].minute > minute) at--;
    if (at > 0 && of->slices[at - 1].minute == minute) {
        of->slices[at - 1].count += 1;
        of->slices[at - 1].cents += cents;
        return;
    }
    memmove(of->slices + at + 1, of->slices + at, sizeof(slice) * (of->count - at));
    of->slices[at] = (slice){minute, 1, cents};
    of->count += 1;
}

static void keep_recent(history *of, int64_t minute) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < of->count; i++) {
        if (of->slices[i].minute > minute - KEPT) of->slices[kept++] = of->slices[i];
    }
    of->count = kept;
}

features history_add(history *of, int64_t ts_ms, int64_t cents, ms_bytes country) {
    int64_t minute = minute_of(ts_ms), since_last_ms;
    if (__builtin_sub_overflow(ts_ms, of->last_ms, &since_last_ms)) since_last_ms = ts_ms > 0 ? INT64_MAX : 0;
    features found = {
        .has_before = of->has_last,
        .since_last_ms = since_last_ms > 0 ? since_last_ms : 0,
        .country_changed = country.data && of->country.data && !ms_equal(country, of->country),
    };
    if (!of->has_last || ts_ms >= of->last_ms) {
        of->has_last = true;
        of->last_ms = ts_ms;
        if (country.data) of->country = country;
        keep_recent(of, minute);
    }
    if (minute > minute_of(of->last_ms) - KEPT) count_payment(of, minute, cents);
    int64_t cents_5m = 0, cents_1h = 0;
    for (uint32_t i = 0; i < of->count; i++) {
        const slice *at = &of->slices[i];
        if (at->minute > minute || at->minute <= minute - LONG) continue;
        found.count_1h += at->count;
        cents_1h += at->cents;
        if (at->minute <= minute - SHORT) continue;
        found.count_5m += at->count;
        cents_5m += at->cents;
    }
    found.spend_5m = (double)cents_5m / 100;
    found.spend_1h = (double)cents_1h / 100;
    return found;
}
