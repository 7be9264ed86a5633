/* JSON: reading and writing, without a tree. Included by millstream.h.
 *
 * A value is the bytes of its JSON text. Objects and arrays are gone through item by item; each item's value is again
 * such bytes, and one that nobody looks at costs no more than finding its end. Texts are taken as UTF-8: give what
 * ms_text has returned. What is no JSON, or of another type, fails the record in hand with the place in it. */
#ifndef MILLSTREAM_JSON_H
#define MILLSTREAM_JSON_H

typedef struct ms_json_items {
    ms_bytes name;   /* of the item in hand, of an object */
    ms_bytes value;  /* its JSON text */
    const uint8_t *start, *at, *end;
    uint8_t closing;
    bool began;
} ms_json_items;

/* for (ms_json_items items = ms_json_object(ctx, json); ms_json_next(ctx, &items);) */
ms_json_items ms_json_object(ms_context *ctx, ms_bytes json);
ms_json_items ms_json_array(ms_context *ctx, ms_bytes json);
bool ms_json_next(ms_context *ctx, ms_json_items *items);

/* Reads an object whose members have known names: the JSON text of each into `values`, none where it is missing; of a
 * repeated one the last. Other members are skipped, or fail the record where `strict`. False: it failed. */
bool ms_json_members(ms_context *ctx, ms_bytes json, const char *const *names, uint32_t count, ms_bytes *values, bool strict);

/* The value as a type; another one fails the record. Escapes in texts are resolved. */
ms_bytes ms_json_text(ms_context *ctx, ms_bytes json);
int64_t ms_json_int64(ms_context *ctx, ms_bytes json);
double ms_json_float64(ms_context *ctx, ms_bytes json);
/* An array of integers, `most` of them at most; returns how many. */
uint32_t ms_json_int64s(ms_context *ctx, ms_bytes json, int64_t *numbers, uint32_t most);
bool ms_json_bool(ms_context *ctx, ms_bytes json);
static inline bool ms_json_is_null(ms_bytes json) { return ms_is(json, "null"); }

/* A text that grows. Without spaces; floats in the shortest form that reads back the same, always with a point or an
 * exponent, as the other SDKs write them. */
typedef struct ms_json_writer {
    uint8_t *data;
    uint32_t size, capacity;
    bool needs_comma;
} ms_json_writer;

ms_json_writer ms_json_begin(ms_context *ctx);
/* `{`, `}`, `[`, `]`. */
void ms_json_open(ms_json_writer *writer, char bracket);
void ms_json_close(ms_json_writer *writer, char bracket);
/* The name of the member that is written next. */
void ms_json_name_of(ms_json_writer *writer, ms_bytes name);
static inline void ms_json_name(ms_json_writer *writer, const char *name) { ms_json_name_of(writer, ms_string(name)); }
void ms_json_put_text(ms_json_writer *writer, ms_bytes text);
void ms_json_put_int64(ms_json_writer *writer, int64_t value);
/* Infinity and NaN have no JSON: null. */
void ms_json_put_float64(ms_json_writer *writer, double value);
void ms_json_put_bool(ms_json_writer *writer, bool value);
void ms_json_put_null(ms_json_writer *writer);
/* JSON text as it is. */
void ms_json_put_raw(ms_json_writer *writer, ms_bytes json);
static inline ms_bytes ms_json_done(const ms_json_writer *writer) { return (ms_bytes){writer->data, writer->size}; }

#endif
