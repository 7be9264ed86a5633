/* What the exported functions of a component call; those of parts of windows are in their own files. */

/* A result<_, string>. */
static const void *configured(ms_bytes refusal) {
    wit_configured *result = memset(arena_take(sizeof(*result)), 0, sizeof(*result));
    result->is_err = refusal.data != NULL;
    result->err = bytes_list(refusal);
    return result;
}

const void *ms_operator_describe(const ms_operator *exported) { return instance_describe(exported); }

const void *ms_operator_configure(const ms_operator *exported, const uint8_t *config, uint32_t size) {
    return configured(configure_by(exported->configure, (ms_bytes){config, size}));
}

const void *ms_operator_process(const ms_operator *exported, const void *input) {
    wit_processed *result = arena_take(sizeof(*result));
    instance_process(exported, input, result);
    return result;
}

const void *ms_operator_on_timer(const ms_operator *exported, const void *fired) {
    wit_processed *result = arena_take(sizeof(*result));
    instance_on_timer(exported, fired, result);
    return result;
}

void ms_call_done(void) { arena_reset(); }

#ifdef __wasm__
/* What the host passes is in the batch's memory too. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)align;
    if (old && old_size && arena_extend(old, old_size, size)) return old;
    void *taken = arena_take(size);
    if (old_size) memcpy(taken, old, old_size < size ? old_size : size);
    return taken;
}
#endif
