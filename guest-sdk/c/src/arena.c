/* Memory that lives until the batch is done.
 *
 * Blocks of malloc, used from front to back. After a batch that took several, the next one gets a single block of
 * their size, so that in the long run a batch takes memory from nowhere. */

typedef struct arena_block {
    struct arena_block *before;
    size_t size;
    _Alignas(8) uint8_t bytes[];
} arena_block;

enum { ARENA_FIRST = 64 * 1024, ARENA_KEPT = 32 * 1024 * 1024 };

static arena_block *arena_last;
static size_t arena_used;   /* of the last block */
static size_t arena_total;  /* of all of them */

/* A trap whose backtrace says what it was. */
static __attribute__((noinline)) _Noreturn void out_of_memory(void) { abort(); }

static void *arena_grow(size_t size) {
    size_t wanted = arena_last ? arena_last->size * 2 : ARENA_FIRST;
    if (wanted > ARENA_KEPT) wanted = ARENA_KEPT;
    if (wanted < size) wanted = size;
    arena_block *block = malloc(sizeof(arena_block) + wanted);
    if (!block) out_of_memory();
    block->before = arena_last;
    block->size = wanted;
    arena_last = block;
    arena_total += wanted;
    arena_used = size;
    return block->bytes;
}

/* Aligned to 8; never NULL, also for nothing. */
static inline void *arena_take(size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (!arena_last || arena_last->size - arena_used < size) return arena_grow(size);
    void *taken = arena_last->bytes + arena_used;
    arena_used += size;
    return taken;
}

/* Makes what was taken last longer in place, if there is room and it was. */
static inline bool arena_extend(const void *taken, size_t from, size_t to) {
    from = (from + 7) & ~(size_t)7;
    to = (to + 7) & ~(size_t)7;
    if (!arena_last || (const uint8_t *)taken + from != arena_last->bytes + arena_used) return false;
    if (arena_last->size - arena_used < to - from) return false;
    arena_used += to - from;
    return true;
}

static void arena_reset(void) {
    if (arena_last && arena_last->before) {
        size_t total = arena_total;
        while (arena_last) {
            arena_block *before = arena_last->before;
            free(arena_last);
            arena_last = before;
        }
        arena_total = 0;
        /* More than that is not kept for one large batch. */
        if (total <= ARENA_KEPT) arena_grow(total);
    }
    arena_used = 0;
}

/* memcpy, but for the few bytes that most copies here are of: two that overlap cost less than a call. */
static inline void copy_bytes(void *to, const void *from, size_t size) {
    uint8_t *into = to;
    const uint8_t *of = from;
    if (size > 16) {
        memcpy(into, of, size);
    } else if (size >= 8) {
        uint64_t first, last;
        memcpy(&first, of, 8);
        memcpy(&last, of + size - 8, 8);
        memcpy(into, &first, 8);
        memcpy(into + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, of, 4);
        memcpy(&last, of + size - 4, 4);
        memcpy(into, &first, 4);
        memcpy(into + size - 4, &last, 4);
    } else if (size > 0) {
        into[0] = of[0];
        if (size > 1) into[1] = of[1];
        if (size > 2) into[2] = of[2];
    }
}

static void *arena_copy(const void *data, size_t size) {
    void *copy = arena_take(size);
    copy_bytes(copy, data, size);
    return copy;
}

/* A growing array of anything. */
typedef struct {
    uint8_t *data;
    size_t size, capacity;  /* bytes */
} buffer;

static void buffer_grow(buffer *of, size_t more) {
    size_t capacity = of->capacity ? of->capacity * 2 : 256;
    if (capacity < of->size + more) capacity = (of->size + more) * 2;
    if (of->data && arena_extend(of->data, of->capacity, capacity)) {
        of->capacity = capacity;
        return;
    }
    uint8_t *data = arena_take(capacity);
    if (of->size) memcpy(data, of->data, of->size);
    of->data = data;
    of->capacity = capacity;
}

/* Room for `more` bytes at the end, not yet counted. */
static inline uint8_t *buffer_room(buffer *of, size_t more) {
    if (of->capacity - of->size < more) buffer_grow(of, more);
    return of->data + of->size;
}

static inline void buffer_put(buffer *of, const void *data, size_t size) {
    uint8_t *room = buffer_room(of, size);
    copy_bytes(room, data, size);
    of->size += size;
}

static inline void buffer_put_u32(buffer *of, uint32_t value) {
    memcpy(buffer_room(of, 4), &value, 4);
    of->size += 4;
}

static inline wit_list buffer_list(const buffer *of) { return (wit_list){of->data, (uint32_t)of->size}; }
