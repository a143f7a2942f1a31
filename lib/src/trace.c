#include "trace.h"

#include <errno.h>

#include "memory.h"
#include "platform/thread.h"
#include "pool.h"

#define DEFAULT_EVENTS ((size_t)65536)

static size_t ring_bytes(size_t capacity) {
    return weir__whole_lines(sizeof(struct weir__event_ring) +
                             capacity * sizeof(struct weir__event));
}

static struct weir__event_ring *new_ring(struct weir_pool *pool, size_t capacity,
                                         struct weir__event_ring *older) {
    struct weir__event_ring *ring =
        weir__alloc_lines(weir__pool_allocator(pool), ring_bytes(capacity));

    if (ring) {
        ring->capacity = capacity;
        ring->older = older;
    }
    return ring;
}

static void free_rings(struct weir_pool *pool, struct weir__event_ring *ring) {
    while (ring) {
        struct weir__event_ring *older = ring->older;
        weir__free(weir__pool_allocator(pool), ring, ring_bytes(ring->capacity));
        ring = older;
    }
}

void weir__trace_destroy(struct weir_pool *pool) {
    uint32_t count = weir__roster_count(&pool->sizing.roster);

    free_rings(pool, atomic_load_explicit(&pool->trace.outside, memory_order_relaxed));
    for (uint32_t i = 0; i < count; i++) {
        struct weir__worker *worker = weir__roster_at(&pool->sizing.roster, i);
        free_rings(pool, atomic_load_explicit(&worker->events, memory_order_relaxed));
    }
}

/* ---- Writing events ---- */

/* The calling worker's ring, made or made larger when need be. NULL: no memory, and no event. */
static struct weir__event_ring *ring_of(struct weir_pool *pool, struct weir__worker *self) {
    if (!self)
        return atomic_load_explicit(&pool->trace.outside, memory_order_acquire);
    struct weir__event_ring *ring = atomic_load_explicit(&self->events, memory_order_relaxed);
    size_t capacity = atomic_load_explicit(&pool->trace.capacity, memory_order_relaxed);
    if (ring && ring->capacity >= capacity)
        return ring;
    /* The old one stays: somebody may be reading it. */
    ring = new_ring(pool, capacity, ring);
    if (ring)
        atomic_store_explicit(&self->events, ring, memory_order_release);
    return ring;
}

void weir__trace_event(struct weir_pool *pool, struct weir__worker *self,
                       enum weir__event_kind kind, uint64_t start_ns, uint64_t span_ns,
                       uint64_t flow, int64_t status) {
    struct weir__event_ring *ring = ring_of(pool, self);
    uint32_t who = self ? self->index : weir__thread_id();

    if (!ring)
        return;
    uint64_t index = atomic_fetch_add_explicit(&ring->next, 1, memory_order_relaxed);
    struct weir__event *event = &ring->events[index % ring->capacity];
    atomic_store_explicit(&event->turn, 0, memory_order_relaxed);
    atomic_store_explicit(&event->start_ns, start_ns, memory_order_release);
    atomic_store_explicit(&event->span_ns, span_ns, memory_order_release);
    atomic_store_explicit(&event->flow, flow, memory_order_release);
    atomic_store_explicit(&event->kind_who, (uint64_t)kind << 32 | who, memory_order_release);
    atomic_store_explicit(&event->status, status, memory_order_release);
    atomic_store_explicit(&event->turn, index + 1, memory_order_release);
}

/* ---- On and off ---- */

static int ensure_outside(struct weir_pool *pool, size_t capacity) {
    struct weir__event_ring *ring =
        atomic_load_explicit(&pool->trace.outside, memory_order_relaxed);

    if (ring && ring->capacity >= capacity)
        return 0;
    ring = new_ring(pool, capacity, ring);
    if (!ring)
        return -ENOMEM;
    atomic_store_explicit(&pool->trace.outside, ring, memory_order_release);
    return 0;
}

int weir_trace_start(struct weir_pool *pool, size_t events) {
    int rc = events > WEIR_TRACE_EVENTS_MOST ? -EINVAL : weir__pool_check(pool);

    if (rc)
        return rc;
    size_t capacity = events ? events : DEFAULT_EVENTS;
    pthread_mutex_lock(&pool->lifecycle);
    if (weir__pool_timing(pool) & TIMING_TRACE)
        rc = -EALREADY;
    else
        rc = ensure_outside(pool, capacity);
    if (rc == 0) {
        atomic_store_explicit(&pool->trace.capacity, capacity, memory_order_relaxed);
        atomic_store_explicit(&pool->trace.start_ns, weir_now_ns(), memory_order_relaxed);
        atomic_fetch_or_explicit(&pool->timing, TIMING_TRACE, memory_order_release);
    }
    pthread_mutex_unlock(&pool->lifecycle);
    return rc;
}

int weir_trace_stop(struct weir_pool *pool) {
    int rc = weir__pool_check(pool);

    if (rc)
        return rc;
    uint32_t before =
        atomic_fetch_and_explicit(&pool->timing, ~(uint32_t)TIMING_TRACE, memory_order_relaxed);
    return before & TIMING_TRACE ? 0 : -EALREADY;
}
