/* The modes of `probe` whose values are commands. */

#include "probe.h"

#include <inttypes.h>

enum { WORDS = 4 };

/* Splits a command at single spaces; returns how many words there are. */
static int split(ms_bytes text, ms_bytes words[WORDS]) {
    int count = 0;
    uint32_t start = 0;
    for (uint32_t at = 0; at <= text.size; at++) {
        if (at < text.size && text.data[at] != ' ') continue;
        if (count < WORDS) words[count] = (ms_bytes){text.data + start, at - start};
        count++;
        start = at + 1;
    }
    return count;
}

static ms_status unknown(ms_context *ctx, ms_bytes text) {
    return ms_fail(ctx, "unknown command `%.*s`", MS_ARGS(text));
}

/* Emits `a=1,b=2`. */
static ms_status listed(ms_context *ctx, ms_entries entries) {
    ms_bytes all = MS_TEXT("");
    while (ms_next_entry(ctx, &entries)) {
        int64_t value = ms_read_int64(ctx, entries.value);
        all = ms_format(ctx, "%.*s%s%.*s=%" PRId64, MS_ARGS(all), all.size ? "," : "", MS_ARGS(entries.field), value);
    }
    return ms_emit(ctx, all);
}

ms_status probe_fields(ms_context *ctx, ms_bytes text) {
    ms_bytes words[WORDS];
    int count = split(text, words);
    int64_t number;
    if (ms_failed(ctx)) return MS_FAILED;
    if (count == 3 && ms_is(words[0], "set") && probe_integer(words[2], &number)) {
        ms_map_put(ctx, FIELDS, words[1], ms_stored_int64(ctx, number));
    } else if (count == 2 && ms_is(words[0], "remove")) {
        ms_map_remove(ctx, FIELDS, words[1]);
    } else if (count == 1 && ms_is(words[0], "clear")) {
        ms_map_clear(ctx, FIELDS);
    } else if (count == 2 && ms_is(words[0], "get")) {
        ms_bytes stored = ms_map_get(ctx, FIELDS, words[1]);
        if (!stored.data) return ms_emit(ctx, MS_TEXT("none"));
        return ms_emit_text(ctx, "%" PRId64, ms_read_int64(ctx, stored));
    } else if (count == 1 && ms_is(words[0], "list")) {
        return listed(ctx, ms_map_range(ctx, FIELDS, MS_NONE, MS_NONE));
    } else if (count == 3 && ms_is(words[0], "range")) {
        return listed(ctx, ms_map_range(ctx, FIELDS, words[1], words[2]));
    } else {
        return unknown(ctx, text);
    }
    return MS_OK;
}

ms_status probe_items(ms_context *ctx, ms_bytes text) {
    if (ms_failed(ctx)) return MS_FAILED;
    if (ms_begins(text, "push ")) {
        ms_list_push(ctx, ITEMS, (ms_bytes){text.data + 5, text.size - 5});
        return MS_OK;
    }
    if (ms_is(text, "clear")) {
        ms_list_clear(ctx, ITEMS);
        return MS_OK;
    }
    if (ms_is(text, "length")) return ms_emit_text(ctx, "%" PRIu64, ms_list_length(ctx, ITEMS));
    if (!ms_is(text, "list")) return unknown(ctx, text);
    ms_bytes all = MS_NONE;
    for (ms_elements items = ms_list_from(ctx, ITEMS, 0); ms_next_element(ctx, &items);) {
        all = all.data ? ms_format(ctx, "%.*s,%.*s", MS_ARGS(all), MS_ARGS(items.element)) : items.element;
    }
    return ms_emit(ctx, all.data ? all : MS_TEXT(""));
}

ms_status probe_timers(ms_context *ctx, ms_bytes text) {
    ms_bytes words[WORDS];
    int count = split(text, words);
    int64_t time_ms;
    if (ms_failed(ctx)) return MS_FAILED;
    bool sets = count == 3 && probe_integer(words[2], &time_ms);
    if (sets && ms_is(words[0], "event")) {
        ms_set_timer(ctx, MS_EVENT, words[1], time_ms);
    } else if (sets && ms_is(words[0], "processing")) {
        ms_set_timer(ctx, MS_PROCESSING, words[1], time_ms);
    } else if (count == 2 && ms_is(words[0], "delete-event")) {
        ms_delete_timer(ctx, MS_EVENT, words[1]);
    } else if (count == 2 && ms_is(words[0], "delete-processing")) {
        ms_delete_timer(ctx, MS_PROCESSING, words[1]);
    } else {
        return unknown(ctx, text);
    }
    return MS_OK;
}
