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

/* ---- Sums ---- */

static struct weir_pool *pool_of(struct weir__quiescence *quiescence) {
    return (struct weir_pool *)(void *)((char *)quiescence -
                                        offsetof(struct weir_pool, quiescence));
}

/* The number of places is read anew for each sum: one that comes between the two is missing from
 * what has ended, never from what was accepted. */
uint64_t weir__pool_accepted(struct weir__quiescence *quiescence) {
    struct weir_pool *pool = pool_of(quiescence);
    uint32_t count = weir__roster_count(&pool->sizing.roster);
    uint64_t sum = pool->scheduler->accepted(pool);

    sum += atomic_load_explicit(&pool->outside.accepted, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        sum += atomic_load_explicit(&weir__roster_at(&pool->sizing.roster, i)->counters.accepted,
                                    memory_order_acquire);
    return sum;
}

uint64_t weir__pool_ended(struct weir__quiescence *quiescence) {
    struct weir_pool *pool = pool_of(quiescence);
    uint32_t count = weir__roster_count(&pool->sizing.roster);
    uint64_t sum = atomic_load_explicit(&pool->spent, memory_order_acquire);

    sum += weir__count_ended(&pool->outside);
    for (uint32_t i = 0; i < count; i++)
        sum += weir__count_ended(&weir__roster_at(&pool->sizing.roster, i)->counters);
    return sum;
}

/* ---- Statistics ---- */

static void add_counters(struct weir_pool_stats *full, const struct weir__counters *counters) {
    full->completed += read_counter(&counters->completed);
    full->failed += read_counter(&counters->failed);
    full->cancelled += read_counter(&counters->dropped);
    full->steals += read_counter(&counters->steals);
    full->parks += read_counter(&counters->parks);
    full->active += read_counter(&counters->active);
}

int weir_pool_stats(struct weir_pool *pool, struct weir_pool_stats *stats) {
    struct weir_pool_stats full = {.size = sizeof full};

    if (!pool || !stats)
        return -EINVAL;
    struct weir__roster *roster = &pool->sizing.roster;
    uint32_t count = weir__roster_count(roster);
    for (uint32_t i = 0; i < count; i++)
        add_counters(&full, &weir__roster_at(roster, i)->counters);
    add_counters(&full, &pool->outside);
    full.submitted = weir__pool_accepted(&pool->quiescence) - read_counter(&pool->spent);
    full.workers = weir__idle_counts(&pool->idle).living;
    full.queued = pool->scheduler->queued(pool);
    full.rejected = read_counter(&pool->rejected);
    full.caller_ran = read_counter(&pool->caller_ran);
    full.discarded = read_counter(&pool->discarded);
    full.wakes = pool->scheduler->wakes(pool);
    full.largest = atomic_load_explicit(&pool->sizing.largest, memory_order_relaxed);
    full.blocked = atomic_load_explicit(&pool->sizing.blocked, memory_order_relaxed);
    full.lost = read_counter(&pool->sizing.lost);
    full.oldest_ns = pool->scheduler->oldest_ns(pool);
    return give(stats, &full, sizeof full);
}

int weir_worker_stats(struct weir_pool *pool, size_t index, struct weir_worker_stats *stats) {
    if (!pool || !stats)
        return -EINVAL;
    if (index >= weir__roster_count(&pool->sizing.roster))
        return -ERANGE;
    struct weir__worker *worker = weir__roster_at(&pool->sizing.roster, (uint32_t)index);
    const struct weir__counters *counters = &worker->counters;
    uint64_t since_ns = read_counter(&worker->task_since_ns);
    struct weir_worker_stats full = {
        .size = sizeof full,
        .active = read_counter(&counters->active),
        .completed = read_counter(&counters->completed),
        .failed = read_counter(&counters->failed),
        .steals = read_counter(&counters->steals),
        .parks = read_counter(&counters->parks),
        .queued = weir__worker_queued(worker),
        .alive = atomic_load_explicit(&worker->alive, memory_order_relaxed),
        .task_ns = since_ns ? weir_now_ns() - since_ns : 0,
    };
    return give(stats, &full, sizeof full);
}
