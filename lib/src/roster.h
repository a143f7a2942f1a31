/*
 * Roster: the places of a pool's workers. Places are made when they are first needed and stay until
 * the pool is freed, so a thief or a claimer may look at any of them at any time; one whose thread
 * has left is given to the next that comes, with its counters and an empty deque.
 *
 * The place with index i lies in segment bit_width(i), so segments double and none ever moves. A
 * place is written before count is raised over it (release), and read below a count that was read
 * (acquire).
 */
#ifndef WEIR__ROSTER_H
#define WEIR__ROSTER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/pool.h>

#include "worker.h"

#define WEIR__SEGMENTS 15u

struct weir__roster {
    _Atomic(char *) segments[WEIR__SEGMENTS];
    _Atomic uint32_t count;
    size_t stride;               /* bytes of a place, its deques among them */
    struct weir__worker *vacant; /* those without a thread, linked through next_vacant */
    const struct weir_allocator *allocator;
};

void weir__roster_init(struct weir__roster *roster, uint32_t deques,
                       const struct weir_allocator *allocator);
void weir__roster_destroy(struct weir__roster *roster);

/* A place for a new thread, or NULL: no memory. The caller holds the pool's lifecycle mutex, as
 * for vacate. */
struct weir__worker *weir__roster_occupy(struct weir__roster *roster, struct weir_pool *pool);
void weir__roster_vacate(struct weir__roster *roster, struct weir__worker *worker);

static inline uint32_t weir__roster_count(struct weir__roster *roster) {
    return atomic_load_explicit(&roster->count, memory_order_acquire);
}

/* index is below a count that the caller has read. */
static inline struct weir__worker *weir__roster_at(struct weir__roster *roster, uint32_t index) {
    uint32_t segment = index ? 32u - (uint32_t)__builtin_clz(index) : 0;
    uint32_t first = segment ? UINT32_C(1) << (segment - 1) : 0;
    char *places = atomic_load_explicit(&roster->segments[segment], memory_order_relaxed);

    return (struct weir__worker *)(void *)(places + (index - first) * roster->stride);
}

#endif
