/* The sum by user of JSON values, parsed and written here. */

#include "millstream.h"
#include "millstream_json.h"

enum { SUM };
static const ms_state states[] = {[SUM] = {"sum", MS_VALUE}};

static ms_status process(ms_context *ctx, const ms_record *record) {
    static const char *const names[] = {"user", "amount"};
    ms_bytes values[2];
    if (!ms_json_members(ctx, ms_text(ctx, record), names, 2, values, false)) return MS_FAILED;
    ms_bytes user = ms_json_text(ctx, values[0]);
    double sum = ms_get_float64(ctx, SUM, 0) + ms_json_float64(ctx, values[1]);
    if (ms_failed(ctx)) return MS_FAILED;
    ms_put_float64(ctx, SUM, sum);
    ms_json_writer out = ms_json_begin(ctx);
    ms_json_open(&out, '{');
    ms_json_name(&out, "user");
    ms_json_put_text(&out, user);
    ms_json_name(&out, "sum");
    ms_json_put_float64(&out, sum);
    ms_json_close(&out, '}');
    return ms_emit(ctx, ms_json_done(&out));
}

const ms_operator sum = {.states = states, .state_count = 1, .process = process};
MS_EXPORT_OPERATOR(sum);
