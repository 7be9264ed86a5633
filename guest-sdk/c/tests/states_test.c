/* Values, maps and lists: an operator whose value is a command. */

#include "millstream_testing.h"

#include <inttypes.h>

enum { COUNT, NOTE, FIELDS, ITEMS, RATIO };

static ms_status listed(ms_context *ctx, ms_entries entries) {
    ms_bytes all = MS_TEXT("");
    while (ms_next_entry(ctx, &entries)) all = ms_format(ctx, "%.*s%.*s=%.*s ", MS_ARGS(all), MS_ARGS(entries.field), MS_ARGS(entries.value));
    return ms_emit(ctx, all);
}

static ms_status process(ms_context *ctx, const ms_record *record) {
    ms_bytes rest = {record->value.data + 1, record->value.size - 1};
    bool fails = record->value.data[record->value.size - 1] == '!';
    switch (record->value.data[0]) {
    case 'c': ms_put_int64(ctx, COUNT, ms_get_int64(ctx, COUNT, 0) + 1); break;
    case 'f': ms_put_float64(ctx, RATIO, 1.0); break;
    case 'n': ms_put(ctx, NOTE, rest); break;
    case 'r': return ms_emit(ctx, ms_get(ctx, NOTE));
    case 'd': ms_remove(ctx, NOTE); break;
    case '+': ms_map_put(ctx, FIELDS, rest, MS_TEXT("v")); break;
    case '-': ms_map_remove(ctx, FIELDS, rest); break;
    case '?': return ms_emit(ctx, ms_map_get(ctx, FIELDS, rest));
    case '0': ms_map_clear(ctx, FIELDS); break;
    case '*': return listed(ctx, ms_map_range(ctx, FIELDS, MS_NONE, MS_NONE));
    case '~': return listed(ctx, ms_map_range(ctx, FIELDS, MS_TEXT("b"), MS_TEXT("d")));
    case 'F':
        for (int i = 0; i < 600; i++) ms_map_put(ctx, FIELDS, ms_format(ctx, "%03d", i), MS_TEXT(""));
        break;
    case 'N': {
        int count = 0;
        for (ms_entries all = ms_map_range(ctx, FIELDS, MS_NONE, MS_NONE); ms_next_entry(ctx, &all);) count++;
        return ms_emit_text(ctx, "%d", count);
    }
    case 'p': ms_list_push(ctx, ITEMS, rest); break;
    case 'z': ms_list_clear(ctx, ITEMS); break;
    case 'i': {
        ms_bytes all = MS_TEXT("");
        for (ms_elements items = ms_list_from(ctx, ITEMS, rest.size); ms_next_element(ctx, &items);) {
            all = ms_format(ctx, "%.*s%.*s,", MS_ARGS(all), MS_ARGS(items.element));
        }
        return ms_emit_text(ctx, "%" PRIu64 ":%.*s", ms_list_length(ctx, ITEMS), MS_ARGS(all));
    }
    }
    return fails ? ms_fail(ctx, "undone") : ms_result(ctx);
}

static const ms_state states[] = {
    [COUNT] = {"count", MS_VALUE},
    [NOTE] = {"note", MS_VALUE, .ttl_ms = 1000, .on_demand = true},
    [FIELDS] = {"fields", MS_MAP},
    [ITEMS] = {"items", MS_LIST},
    [RATIO] = {"ratio", MS_VALUE},
};
static const ms_operator tested = {.states = states, .state_count = 5, .process = process};

/* Sends values of one key in one batch. */
static ms_outcome send(ms_harness *harness, const char *const *values, uint32_t count) {
    static ms_input records[16];
    for (uint32_t i = 0; i < count; i++) records[i] = (ms_input){.key = MS_TEXT("k"), .value = ms_string(values[i])};
    return ms_send_all(harness, records, count);
}
#define SEND(harness, ...) \
    send(harness, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

void records_without_a_key_have_no_state(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    ms_outcome outcome = ms_send(harness, NULL, "c");
    MS_EXPECT(ms_is(outcome.failed[0].reason, "this record has no key, and state is kept by key"));
    MS_EXPECT(ms_send(harness, NULL, "+a").failed_count == 1 && ms_send(harness, NULL, "pa").failed_count == 1);
}

void values_are_stored_in_the_standard_form(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    for (int i = 0; i < 258; i++) ms_send(harness, "k", "c");
    ms_send(harness, "k", "f");
    MS_EXPECT(ms_equal(ms_stored(harness, COUNT, "k"), MS_TEXT("\2\1\0\0\0\0\0\0")));
    MS_EXPECT(ms_equal(ms_stored(harness, RATIO, "k"), MS_TEXT("\0\0\0\0\0\0\xf0\x3f")));
    MS_EXPECT(ms_state_calls(harness) == 0);
    ms_store(harness, COUNT, "k", MS_TEXT("1234"));
    ms_bytes reason = ms_send(harness, "k", "c").failed[0].reason;
    MS_EXPECT(ms_is(reason, "state `count`: what is stored does not decode: an int64 takes 8 bytes, not 4"));
}

void values_expire_and_on_demand_ones_cost_a_call(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    SEND(harness, "nx", "ny!");
    MS_EXPECT(ms_is(ms_stored(harness, NOTE, "k"), "x") && ms_state_calls(harness) == 1);
    MS_EXPECT(ms_is(ms_only(SEND(harness, "r")), "x"));
    ms_set_now(harness, 1000);
    MS_EXPECT(!ms_only(SEND(harness, "r")).data);
    SEND(harness, "nz");
    SEND(harness, "d");
    MS_EXPECT(!ms_stored(harness, NOTE, "k").data);
}

void maps_are_read_through_what_the_batch_changed(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    SEND(harness, "+a", "+b", "+c", "+d");
    ms_outcome outcome = SEND(harness, "-b", "+bb", "+x!", "*");
    MS_EXPECT(outcome.failed_count == 1 && ms_is(outcome.emitted[0].value, "a=v bb=v c=v d=v "));
    outcome = SEND(harness, "+e", "-a", "*");
    MS_EXPECT(ms_is(outcome.emitted[0].value, "bb=v c=v d=v e=v "));
    MS_EXPECT(ms_is(SEND(harness, "~").emitted[0].value, "bb=v c=v "));
    outcome = SEND(harness, "0!", "?c", "0", "?c", "+q", "*");
    MS_EXPECT(ms_is(outcome.emitted[0].value, "v") && !outcome.emitted[1].value.data);
    MS_EXPECT(ms_is(outcome.emitted[2].value, "q=v "));
    MS_EXPECT(ms_is(ms_only(SEND(harness, "*")), "q=v "));
    MS_EXPECT(!ms_stored_field(harness, FIELDS, "k", MS_TEXT("c")).data);
}

void maps_of_many_fields_are_scanned_page_by_page(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    SEND(harness, "F");
    uint32_t before = ms_state_calls(harness);
    MS_EXPECT(ms_is(ms_only(SEND(harness, "-000", "+9999", "N")), "600"));
    MS_EXPECT(ms_state_calls(harness) == before + 4);
}

void lists_keep_the_order_of_appending(void) {
    ms_harness *harness = ms_test(&tested, "{}");
    SEND(harness, "pa", "pb");
    ms_outcome outcome = SEND(harness, "pc", "pd!", "pe", "i", "i.", "i...");
    MS_EXPECT(ms_is(outcome.emitted[0].value, "4:a,b,c,e,") && ms_is(outcome.emitted[1].value, "4:b,c,e,"));
    MS_EXPECT(ms_is(outcome.emitted[2].value, "4:e,"));
    outcome = SEND(harness, "z!", "i", "z", "px", "i");
    MS_EXPECT(ms_is(outcome.emitted[0].value, "4:a,b,c,e,") && ms_is(outcome.emitted[1].value, "1:x,"));
    MS_EXPECT(ms_is(ms_stored_element(harness, ITEMS, "k", 0), "x") && !ms_stored_element(harness, ITEMS, "k", 1).data);
}

void integers_sort_as_fields(void) {
    static const int64_t numbers[] = {INT64_MIN, -300, -1, 0, 1, 255, 256, INT64_MAX};
    for (int i = 0; i < 8; i++) {
        ms_bytes field = ms_field_of_int64(NULL, numbers[i]);
        MS_EXPECT(ms_int64_of_field(NULL, field) == numbers[i]);
        MS_EXPECT(i == 0 || memcmp(ms_field_of_int64(NULL, numbers[i - 1]).data, field.data, 8) < 0);
    }
}

void state_is_taken_over_by_name(void) {
    static const ms_state others[] = {{"ratio", MS_VALUE}, {"count", MS_VALUE}};
    static const ms_operator next = {.states = others, .state_count = 2, .process = process};
    ms_harness *before = ms_test(&tested, "{}");
    SEND(before, "c");
    ms_harness *after = ms_test(&next, "{}");
    ms_adopt(after, before);
    MS_EXPECT(*ms_stored(after, 1, "k").data == 1 && !ms_stored(after, 0, "k").data);
}
