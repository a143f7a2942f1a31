#include "roster.h"

#include "memory.h"

static size_t places_in(uint32_t segment) {
    return segment ? (size_t)1 << (segment - 1) : 1;
}

void weir__roster_init(struct weir__roster *roster, uint32_t deques,
                       const struct weir_allocator *allocator) {
    *roster = (struct weir__roster){.allocator = allocator};
    roster->stride =
        weir__whole_lines(sizeof(struct weir__worker) + deques * sizeof(struct weir__deque));
}

void weir__roster_destroy(struct weir__roster *roster) {
    for (uint32_t i = 0; i < WEIR__SEGMENTS; i++) {
        char *places = atomic_load_explicit(&roster->segments[i], memory_order_relaxed);
        if (places)
            weir__free(roster->allocator, places, places_in(i) * roster->stride);
    }
}

/* The place after the last one. */
static struct weir__worker *make_place(struct weir__roster *roster, struct weir_pool *pool) {
    uint32_t index = atomic_load_explicit(&roster->count, memory_order_relaxed);
    uint32_t segment = index ? 32u - (uint32_t)__builtin_clz(index) : 0;

    if (segment >= WEIR__SEGMENTS)
        return NULL;
    if (!atomic_load_explicit(&roster->segments[segment], memory_order_relaxed)) {
        char *places = weir__alloc_lines(roster->allocator, places_in(segment) * roster->stride);
        if (!places)
            return NULL;
        atomic_store_explicit(&roster->segments[segment], places, memory_order_relaxed);
    }
    struct weir__worker *worker = weir__roster_at(roster, index);
    worker->pool = pool;
    worker->index = index;
    worker->random = UINT64_C(0x9E3779B97F4A7C15) * (index + 1);
    atomic_store_explicit(&roster->count, index + 1, memory_order_release);
    return worker;
}

struct weir__worker *weir__roster_occupy(struct weir__roster *roster, struct weir_pool *pool) {
    struct weir__worker *worker = roster->vacant;

    if (worker)
        roster->vacant = worker->next_vacant;
    else
        worker = make_place(roster, pool);
    return worker;
}

void weir__roster_vacate(struct weir__roster *roster, struct weir__worker *worker) {
    worker->next_vacant = roster->vacant;
    roster->vacant = worker;
}
