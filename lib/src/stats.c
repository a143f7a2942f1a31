#include <weir/stats.h>

#include <errno.h>
#include <string.h>

#include "pool.h"

static uint64_t read_counter(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* A caller built against an older header has a smaller struct, and gets what fits. */
static int give(void *out, const void *full, size_t full_size) {
    size_t size;

    memcpy(&size, out, sizeof size);
    if (size < sizeof size || size > full_size)
        return -EINVAL;
    memcpy((char *)out + sizeof size, (const char *)full + sizeof size, size - sizeof size);
    return 0;
}

int weir_pool_stats(struct weir_pool *pool, struct weir_pool_stats *stats) {
    struct weir_pool_stats full = {.size = sizeof full};

    if (!pool || !stats)
        return -EINVAL;
    for (size_t i = 0; i < pool->quiescence.count; i++) {
        const struct weir__counters *counters = pool->quiescence.counters[i];
        full.completed += read_counter(&counters->completed);
        full.failed += read_counter(&counters->failed);
        full.cancelled += read_counter(&counters->dropped);
        full.steals += read_counter(&counters->steals);
        full.parks += read_counter(&counters->parks);
        full.active += read_counter(&counters->active);
    }
    full.submitted = weir__quiescence_accepted(&pool->quiescence);
    full.workers = atomic_load_explicit(&pool->live, memory_order_relaxed);
    full.queued = pool->scheduler->queued(pool);
    full.rejected = read_counter(&pool->rejected);
    full.caller_ran = read_counter(&pool->caller_ran);
    full.wakes = pool->scheduler->wakes(pool);
    return give(stats, &full, sizeof full);
}

int weir_worker_stats(struct weir_pool *pool, size_t index, struct weir_worker_stats *stats) {
    if (!pool || !stats)
        return -EINVAL;
    if (index >= pool->threads)
        return -ERANGE;
    const struct weir__counters *counters = &pool->workers[index].counters;
    struct weir_worker_stats full = {
        .size = sizeof full,
        .active = read_counter(&counters->active),
        .completed = read_counter(&counters->completed),
        .failed = read_counter(&counters->failed),
        .steals = read_counter(&counters->steals),
        .parks = read_counter(&counters->parks),
    };
    return give(stats, &full, sizeof full);
}
