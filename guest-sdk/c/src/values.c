/* Value states, and what all states share. */

/* Remembers what a place held, for the case that the record in hand fails. */
static inline void undo_note(ms_context *ctx, void *place, uint32_t size) {
    undo_entry *entry = (undo_entry *)buffer_room(&ctx->undo, sizeof(undo_entry));
    entry->place = place;
    entry->size = size;
    memcpy(entry->before, place, size);
    ctx->undo.size += sizeof(undo_entry);
}

static void state_undo(ms_context *ctx) {
    undo_entry *entries = (undo_entry *)ctx->undo.data;
    for (size_t i = ctx->undo.size / sizeof(undo_entry); i > 0; i--) {
        memcpy(entries[i - 1].place, entries[i - 1].before, entries[i - 1].size);
    }
    ctx->undo.size = 0;
}

/* Fails the batch because the host refused a call. */
static void state_refused(ms_context *ctx, const state_store *state, const wit_state_error *error) {
    ms_fail_batch(ctx, "state `%s`: %.*s", state->declaration->name, (int)error->reason.size, (const char *)error->reason.data);
}

/* The store of a state of this kind, where there is a key in hand; otherwise a failure. */
static inline state_store *state_of(ms_context *ctx, uint32_t index, ms_state_kind kind) {
    if (index >= ctx->operator->state_count || ctx->operator->states[index].kind != kind) {
        ms_fail_batch(ctx, "there is no state %u of this kind", index);
        return NULL;
    }
    if (!ctx->in_hand) {
        ms_fail_batch(ctx, "state is reached while no record is in hand");
        return NULL;
    }
    return group_in_hand(ctx) == NO_GROUP ? NULL : &ctx->states[index];
}

static wit_bytes_column key_in_hand(ms_context *ctx) { return column_single(wit_get(ctx->group_keys, ctx->group)); }

static void value_load(ms_context *ctx, state_store *state, value_slot *slot) {
    ms_bytes found = MS_NONE;
    if (!state->declaration->on_demand) {
        found = wit_get(&state->stored, ctx->group);
    } else {
        wit_bytes_column key = key_in_hand(ctx);
        wit_state_column answer;
        host_get_many(state->index, &key, &answer);
        if (answer.is_err) {
            state_refused(ctx, state, &answer.err);
        } else {
            found = wit_get(&answer.ok, 0);
        }
    }
    *slot = (value_slot){.data = found.data, .size = found.size, .is_known = true};
}

ms_bytes ms_get(ms_context *ctx, uint32_t index) {
    state_store *state = state_of(ctx, index, MS_VALUE);
    if (!state) return MS_NONE;
    value_slot *slot = &state->slots[ctx->group];
    if (!slot->is_known) value_load(ctx, state, slot);
    return (ms_bytes){slot->data, slot->size};
}

static inline void value_replace(ms_context *ctx, uint32_t index, const uint8_t *data, uint32_t size) {
    state_store *state = state_of(ctx, index, MS_VALUE);
    if (!state) return;
    value_slot *slot = &state->slots[ctx->group];
    undo_note(ctx, slot, sizeof(*slot));
    *slot = (value_slot){.data = data, .size = size, .is_known = true, .is_changed = true};
}

void ms_put(ms_context *ctx, uint32_t index, ms_bytes value) {
    if (!value.data) {
        ms_remove(ctx, index);
        return;
    }
    value_replace(ctx, index, arena_copy(value.data, value.size), value.size);
}

void ms_remove(ms_context *ctx, uint32_t index) { value_replace(ctx, index, NULL, 0); }

/* Reads a number of the key in hand into 8 bytes. False: there is none. */
static inline bool value_number(ms_context *ctx, uint32_t index, const char *type, void *value) {
    ms_bytes stored = ms_get(ctx, index);
    if (!stored.data) return false;
    if (stored.size == 8) {
        memcpy(value, stored.data, 8);
        return true;
    }
    ms_fail(ctx, "state `%s`: what is stored does not decode: %s takes 8 bytes, not %u",
            ctx->operator->states[index].name, type, stored.size);
    return false;
}

int64_t ms_get_int64(ms_context *ctx, uint32_t index, int64_t otherwise) {
    int64_t value;
    return value_number(ctx, index, "an int64", &value) ? value : otherwise;
}

void ms_put_int64(ms_context *ctx, uint32_t index, int64_t value) {
    value_replace(ctx, index, arena_copy(&value, 8), 8);
}

double ms_get_float64(ms_context *ctx, uint32_t index, double otherwise) {
    double value;
    return value_number(ctx, index, "a float64", &value) ? value : otherwise;
}

void ms_put_float64(ms_context *ctx, uint32_t index, double value) {
    value_replace(ctx, index, arena_copy(&value, 8), 8);
}

/* Hands the changed values over: into the batch's changes, or to the host at once. */
static void values_finish(ms_context *ctx, state_store *state, buffer *changes) {
    buffer groups = {0};
    column_builder values = {0}, keys = {0};
    for (uint32_t group = 0; group < ctx->batch.group_count; group++) {
        const value_slot *slot = &state->slots[group];
        if (!slot->is_changed) continue;
        buffer_put_u32(&groups, group);
        builder_push(&values, (ms_bytes){slot->data, slot->size});
        if (state->declaration->on_demand) builder_push(&keys, wit_get(ctx->group_keys, group));
    }
    if (values.rows == 0) return;
    if (!state->declaration->on_demand) {
        wit_state_change change = {state->prefetched, buffer_list(&groups), builder_column(&values)};
        buffer_put(changes, &change, sizeof(change));
        return;
    }
    wit_bytes_column key_column = builder_column(&keys), value_column = builder_column(&values);
    wit_state_done done;
    host_put_many(state->index, &key_column, &value_column, &done);
    if (done.is_err) state_refused(ctx, state, &done.err);
}

ms_bytes ms_stored_int64(ms_context *ctx, int64_t value) {
    (void)ctx;
    return (ms_bytes){arena_copy(&value, 8), 8};
}

ms_bytes ms_stored_float64(ms_context *ctx, double value) {
    (void)ctx;
    return (ms_bytes){arena_copy(&value, 8), 8};
}

static void read_number(ms_context *ctx, ms_bytes stored, const char *type, void *value) {
    if (stored.size == 8) {
        memcpy(value, stored.data, 8);
    } else {
        ms_fail(ctx, "what is stored does not decode: %s takes 8 bytes, not %u", type, stored.size);
    }
}

int64_t ms_read_int64(ms_context *ctx, ms_bytes stored) {
    int64_t value = 0;
    read_number(ctx, stored, "an int64", &value);
    return value;
}

double ms_read_float64(ms_context *ctx, ms_bytes stored) {
    double value = 0;
    read_number(ctx, stored, "a float64", &value);
    return value;
}

/* Big-endian with the sign bit flipped, so that bytes sort as numbers do. */
ms_bytes ms_field_of_int64(ms_context *ctx, int64_t value) {
    (void)ctx;
    uint64_t bits = (uint64_t)value ^ (UINT64_C(1) << 63);
    uint8_t *bytes = arena_take(8);
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(bits >> (56 - 8 * i));
    return (ms_bytes){bytes, 8};
}

int64_t ms_int64_of_field(ms_context *ctx, ms_bytes field) {
    if (field.size != 8) {
        ms_fail(ctx, "a field of %u bytes is no int64", field.size);
        return 0;
    }
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | field.data[i];
    return (int64_t)(bits ^ (UINT64_C(1) << 63));
}
