/* List states: read by host calls, appended to in one call at the end of the batch. */

enum { LIST_PAGE = 256 };

typedef struct list_node {
    struct list_node *next;
    ms_bytes element;
} list_node;

/* What the batch did to one key's list. */
typedef struct list_group {
    list_node *first, *last;
    uint32_t appended;
    bool is_cleared;  /* nothing that the host has stands */
    bool knows_stored;
    uint64_t *stored; /* elements that the host has, once asked for */
} list_group;

_Static_assert(sizeof(list_group) <= sizeof(((undo_entry *)0)->before), "a list must fit into what is undone");
_Static_assert(sizeof(value_slot) <= sizeof(((undo_entry *)0)->before), "so must a value");

void ms_list_push(ms_context *ctx, uint32_t index, ms_bytes element) {
    state_store *state = state_of(ctx, index, MS_LIST);
    if (!state) return;
    list_group *group = &state->list_groups[ctx->group];
    list_node *node = arena_take(sizeof(*node));
    *node = (list_node){.element = element.data ? ms_copy(ctx, element) : MS_TEXT("")};
    undo_note(ctx, group, sizeof(*group));
    if (group->last) {
        undo_note(ctx, &group->last->next, sizeof(group->last->next));
        group->last->next = node;
    } else {
        group->first = node;
    }
    group->last = node;
    group->appended += 1;
}

static uint64_t list_stored(ms_context *ctx, state_store *state, list_group *group) {
    if (group->is_cleared) return 0;
    if (!group->knows_stored) {
        ms_bytes key = wit_get(ctx->group_keys, ctx->group);
        wit_state_length answer;
        host_list_length(state->index, (wit_list){key.data, key.size}, &answer);
        if (answer.is_err) {
            state_refused(ctx, state, &answer.err);
            return 0;
        }
        group->stored = arena_copy(&answer.ok, 8);
        group->knows_stored = true;
    }
    return *group->stored;
}

uint64_t ms_list_length(ms_context *ctx, uint32_t index) {
    state_store *state = state_of(ctx, index, MS_LIST);
    if (!state) return 0;
    list_group *group = &state->list_groups[ctx->group];
    return list_stored(ctx, state, group) + group->appended;
}

void ms_list_clear(ms_context *ctx, uint32_t index) {
    state_store *state = state_of(ctx, index, MS_LIST);
    if (!state) return;
    list_group *group = &state->list_groups[ctx->group];
    undo_note(ctx, group, sizeof(*group));
    *group = (list_group){.is_cleared = true};
}

/* Reading: pages of what the host has, then what the batch appended. */
typedef struct {
    state_store *state;
    ms_bytes key;
    uint64_t next, stored;
    wit_bytes_column page;
    uint32_t at, rows;
    const list_node *node;
    uint32_t nodes;  /* that are left of those there were when reading began */
} list_scan;

ms_elements ms_list_from(ms_context *ctx, uint32_t index, uint64_t start) {
    state_store *state = state_of(ctx, index, MS_LIST);
    if (!state) return (ms_elements){.rest = NULL};
    list_group *group = &state->list_groups[ctx->group];
    list_scan *scan = arena_take(sizeof(*scan));
    *scan = (list_scan){.state = state, .key = wit_get(ctx->group_keys, ctx->group), .next = start};
    scan->stored = list_stored(ctx, state, group);
    scan->node = group->first;
    scan->nodes = group->appended;
    for (uint64_t skipped = scan->stored; skipped < start && scan->nodes > 0; skipped++) {
        scan->node = scan->node->next;
        scan->nodes -= 1;
    }
    return (ms_elements){.rest = scan};
}

bool ms_next_element(ms_context *ctx, ms_elements *elements) {
    list_scan *scan = elements->rest;
    if (!scan || ctx->has_failed_batch) return false;
    if (scan->at == scan->rows && scan->next < scan->stored) {
        wit_state_column answer;
        host_list_read(scan->state->index, (wit_list){scan->key.data, scan->key.size}, scan->next, LIST_PAGE, &answer);
        if (answer.is_err) {
            state_refused(ctx, scan->state, &answer.err);
            return false;
        }
        scan->page = answer.ok;
        scan->at = 0;
        scan->rows = column_rows(&answer.ok);
        /* Fewer than there should be: those have expired meanwhile. */
        scan->next = scan->rows > 0 ? scan->next + scan->rows : scan->stored;
    }
    if (scan->at < scan->rows) {
        elements->element = wit_get(&scan->page, scan->at++);
        return true;
    }
    if (scan->nodes == 0) return false;
    elements->element = scan->node->element;
    scan->node = scan->node->next;
    scan->nodes -= 1;
    return true;
}

static void lists_finish(ms_context *ctx, state_store *state) {
    column_builder cleared = {0}, keys = {0}, values = {0};
    for (uint32_t index = 0; index < ctx->batch.group_count; index++) {
        const list_group *group = &state->list_groups[index];
        ms_bytes key = wit_get(ctx->group_keys, index);
        if (group->is_cleared) builder_push(&cleared, key);
        for (const list_node *node = group->first; node; node = node->next) {
            builder_push(&keys, key);
            builder_push(&values, node->element);
        }
    }
    wit_state_done done = {0};
    if (cleared.rows > 0) {
        wit_bytes_column column = builder_column(&cleared);
        host_list_clear_many(state->index, &column, &done);
    }
    if (!done.is_err && keys.rows > 0) {
        wit_bytes_column key_column = builder_column(&keys), value_column = builder_column(&values);
        host_list_append_many(state->index, &key_column, &value_column, &done);
    }
    if (done.is_err) state_refused(ctx, state, &done.err);
}
