/* A window function: the records with the largest amounts of a window, as they came. */

#include "millstream.h"

#include <stdlib.h>

/* The field of the records that has the amount. */
static char *field;
/* How many are emitted at most. */
static int64_t top;

static ms_status configure(ms_context *ctx, ms_bytes config) {
    static const char *const names[] = {"field", "top"};
    ms_bytes values[2];
    if (!ms_json_members(ctx, config, names, 2, values, true)) return MS_FAILED;
    if (!values[0].data || !values[1].data) return ms_fail(ctx, "`field` and `top` are needed");
    ms_bytes name = ms_json_text(ctx, values[0]);
    top = ms_json_int64(ctx, values[1]);
    if (!ms_failed(ctx) && (top < 1 || top > 1000)) return ms_fail(ctx, "`top` must be from 1 to 1000");
    free(field);
    field = calloc(1, (size_t)name.size + 1);
    if (!field) ms_panic("out of memory");
    memcpy(field, name.data, name.size);
    return ms_result(ctx);
}

typedef struct {
    double amount;
    uint8_t *value;
    uint32_t size;
} spent;

/* The largest so far: amounts, which do not increase. */
typedef struct {
    spent *largest;
    uint32_t count;
} gathered;

static ms_status element(ms_context *ctx, ms_fired_pane *pane, const ms_record *record) {
    const char *const names[] = {field};
    ms_bytes text = ms_text(ctx, record), found;
    if (!ms_json_members(ctx, text, names, 1, &found, false)) return MS_FAILED;
    if (!found.data) return ms_fail(ctx, "there is no number `%s`", field);
    double amount = ms_json_float64(ctx, found);
    if (ms_failed(ctx)) return MS_FAILED;
    gathered *so_far = pane->gathered;
    if (!so_far->largest) so_far->largest = calloc((size_t)top, sizeof(spent));
    uint8_t *value = malloc(text.size);
    if (!so_far->largest || !value) ms_panic("out of memory");
    memcpy(value, text.data, text.size);
    /* Behind equal ones, which came before. */
    uint32_t place = so_far->count;
    while (place > 0 && so_far->largest[place - 1].amount < amount) place--;
    if (place == top) {
        free(value);
        return MS_OK;
    }
    if (so_far->count == top) free(so_far->largest[--so_far->count].value);
    memmove(&so_far->largest[place + 1], &so_far->largest[place], sizeof(spent) * (so_far->count - place));
    so_far->largest[place] = (spent){amount, value, text.size};
    so_far->count += 1;
    return MS_OK;
}

static ms_status end(ms_context *ctx, ms_fired_pane *pane) {
    gathered *all = pane->gathered;
    ms_log(MS_DEBUG, "%u of %u records of %.*s are its largest", all->count, (unsigned)pane->elements, MS_ARGS(pane->pane.key));
    for (uint32_t i = 0; i < all->count; i++) {
        ms_pane_emit(ctx, (ms_bytes){all->largest[i].value, all->largest[i].size});
        free(all->largest[i].value);
    }
    free(all->largest);
    return ms_result(ctx);
}

const ms_window_function top_spender = {.size = sizeof(gathered), .configure = configure, .element = element, .end = end};
MS_EXPORT_WINDOW_FUNCTION(top_spender);
