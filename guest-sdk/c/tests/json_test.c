/* JSON and numbers, within an operator that reads an object and writes what it found. */

#include "millstream_testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double number;

static ms_status write_number(ms_context *ctx, const ms_record *record) {
    (void)record;
    ms_json_writer out = ms_json_begin(ctx);
    ms_json_put_float64(&out, number);
    return ms_emit(ctx, ms_json_done(&out));
}

static ms_status read_number(ms_context *ctx, const ms_record *record) {
    number = ms_json_float64(ctx, record->value);
    return ms_result(ctx);
}

static ms_status members(ms_context *ctx, const ms_record *record) {
    static const char *const names[] = {"a", "b\n"};
    ms_bytes values[2];
    if (!ms_json_members(ctx, ms_text(ctx, record), names, 2, values, false)) return MS_FAILED;
    ms_bytes sum = MS_TEXT("");
    for (ms_json_items items = ms_json_array(ctx, values[0]); ms_json_next(ctx, &items);) {
        sum = ms_format(ctx, "%.*s<%.*s>", MS_ARGS(sum), MS_ARGS(items.value));
    }
    return ms_emit_text(ctx, "%.*s%.*s", MS_ARGS(sum), MS_ARGS(values[1]));
}

static ms_status texts(ms_context *ctx, const ms_record *record) {
    ms_json_writer out = ms_json_begin(ctx);
    ms_json_open(&out, '[');
    ms_bytes text = ms_json_text(ctx, ms_text(ctx, record));
    ms_json_put_text(&out, text);
    ms_json_put_int64(&out, text.size);
    ms_json_close(&out, ']');
    return ms_emit(ctx, ms_json_done(&out));
}

void floats_are_written_as_short_as_they_read_back(void) {
    static const ms_operator writer = {.process = write_number};
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        {0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {-1.5, "-1.5"}, {10.3, "10.3"}, {0.1 + 0.2, "0.30000000000000004"},
        {1e15, "1000000000000000.0"}, {1e16, "1e+16"}, {123456789012345680.0, "1.2345678901234568e+17"},
        {0.0001, "0.0001"}, {0.00001, "0.00001"}, {0.000001, "1e-06"}, {1.5e-7, "1.5e-07"}, {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"}, {99.99, "99.99"}, {1.0 / 3, "0.3333333333333333"},
        {544431068535091.6, "544431068535091.6"}, {2147483648.25, "2147483648.25"}, {999999999999999.9, "999999999999999.9"},
    };
    ms_harness *harness = ms_test(&writer, "{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        number = cases[i].number;
        ms_bytes written = ms_only(ms_send(harness, NULL, ""));
        if (!ms_is(written, cases[i].text)) fprintf(stderr, "%.*s is not %s\n", MS_ARGS(written), cases[i].text);
        MS_EXPECT(ms_is(written, cases[i].text));
    }
    /* Any number reads back as itself. */
    uint64_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double any = i % 2 ? (double)(int64_t)(bits >> 20) / 100 : 0;
        if (i % 2 == 0) memcpy(&any, &bits, 8);
        if (!isfinite(any)) continue;
        number = any;
        ms_bytes written = ms_only(ms_send(harness, NULL, ""));
        MS_EXPECT(strtod((const char *)ms_format(NULL, "%.*s", MS_ARGS(written)).data, NULL) == any);
    }
}

void floats_are_read_exactly(void) {
    static const ms_operator reader = {.process = read_number};
    static const char *const cases[] = {"0", "-0.0", "1", "1.5", "10.10", "0.30000000000000004", "1e3", "-1.5E-7",
                                        "123456789012345678901234567890", "5e-324", "1.7976931348623157e308", "0.000001234"};
    ms_harness *harness = ms_test(&reader, "{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        MS_EXPECT(ms_send(harness, NULL, cases[i]).failed_count == 0 && number == strtod(cases[i], NULL));
    }
    MS_EXPECT(ms_send(harness, NULL, "1e999").failed_count == 1 && ms_send(harness, NULL, "01").failed_count == 1);
    MS_EXPECT(ms_send(harness, NULL, "\"1\"").failed_count == 1 && ms_send(harness, NULL, "NaN").failed_count == 1);
}

static ms_status integers(ms_context *ctx, const ms_record *record) {
    int64_t numbers[3] = {0, 0, 0};
    uint32_t count = ms_json_int64s(ctx, record->value, numbers, 3);
    return ms_emit_text(ctx, "%u %d", count, (int)(numbers[0] + numbers[1] + numbers[2]));
}

void arrays_of_integers_are_read_at_once(void) {
    static const ms_operator reader = {.process = integers};
    ms_harness *harness = ms_test(&reader, "{}");
    MS_EXPECT(ms_is(ms_only(ms_send(harness, NULL, "[]")), "0 0") && ms_is(ms_only(ms_send(harness, NULL, " [ 1 ,-20, 300 ] ")), "3 281"));
    static const char *const broken[] = {"[1,]", "[1,2,3,4]", "[1.5]", "[1", "1", "[1]x", "[\"1\"]", "[01]", "[-]", "[9223372036854775808]", "[1 2]", "[,]"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) MS_EXPECT(ms_send(harness, NULL, broken[i]).failed_count == 1);
    MS_EXPECT(ms_send(harness, NULL, "[-9223372036854775808,9223372036854775807]").failed_count == 0);
}

void json_is_read_item_by_item(void) {
    static const ms_operator reader = {.process = members};
    ms_harness *harness = ms_test(&reader, "{}");
    ms_bytes found = ms_only(ms_send(harness, NULL, " {\"skip\":{\"a\":[1,{}]},\"a\" : [1 , \"x,]\",[2],{\"a\":null}],\"b\\n\":true} "));
    MS_EXPECT(ms_is(found, "<1><\"x,]\"><[2]><{\"a\":null}>true"));
    MS_EXPECT(ms_is(ms_only(ms_send(harness, NULL, "{\"a\":[],\"a\":[7],\"b\\u000a\":0}")), "<7>0"));
}

void what_is_no_json_fails_with_its_place(void) {
    static const ms_operator reader = {.process = members};
    ms_harness *harness = ms_test(&reader, "{}");
    ms_bytes reason = ms_send(harness, NULL, "{\"a\":tru}").failed[0].reason;
    MS_EXPECT(ms_is(reason, "this is no JSON that is expected: a value at byte 5"));
    static const char *const broken[] = {"", "[]", "{", "{\"a\":[1,]}", "{\"a\" 1}", "{\"a\":[1]} x", "{\"a\":[1],}", "{\"a\":[-]}",
                                         "{\"a\":[\"\\x\"]}", "{\"a\":[\"\t\"]}", "{\"a\":[1.]}", "{\"a\":[.5]}", "{a:1}", "{\"a\":[1}"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) MS_EXPECT(ms_send(harness, NULL, broken[i]).failed_count == 1);
    /* Nothing that nests without end takes the stack. */
    char deep[4000] = "{\"a\":";
    memset(deep + 5, '[', sizeof(deep) - 6);
    MS_EXPECT(ms_send(harness, NULL, deep).failed_count == 1);
}

void texts_are_escaped_and_read_back(void) {
    static const ms_operator both = {.process = texts};
    ms_harness *harness = ms_test(&both, "{}");
    MS_EXPECT(ms_is(ms_only(ms_send(harness, NULL, "\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001z\"")), "[\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001z\",11]"));
    MS_EXPECT(ms_is(ms_only(ms_send(harness, NULL, "\"\\u00e4\\ud83d\\ude00\"")), "[\"\xc3\xa4\xf0\x9f\x98\x80\",6]"));
    MS_EXPECT(ms_send(harness, NULL, "\"\\ud83d\"").failed_count == 1 && ms_send(harness, NULL, "\"\\udc00\"").failed_count == 1);
    MS_EXPECT(ms_is(ms_send(harness, NULL, "\"\xff\"").failed[0].reason, "the value is not UTF-8"));
    MS_EXPECT(ms_is(ms_send(harness, NULL, NULL).failed[0].reason, "this record has no value: it is a tombstone"));
}
