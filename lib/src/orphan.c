#include "orphan.h"

#include <errno.h>

#include "frame.h"
#include "pool.h"

static void forget_counters(struct weir__counters *counters) {
    *counters = (struct weir__counters){.accepted = 0};
}

/* Its thread is in the parent. */
static void vacate(struct weir_pool *pool, struct weir__worker *worker) {
    forget_counters(&worker->counters);
    worker->first = NULL;
    worker->hired = false;
    worker->sleeper = (struct weir__sleeper){.listed = false};
    atomic_store_explicit(&worker->alive, 0, memory_order_relaxed);
    atomic_store_explicit(&worker->task_since_ns, 0, memory_order_relaxed);
    weir__roster_vacate(&pool->sizing.roster, worker);
}

static void forget_threads(struct weir_pool *pool) {
    struct weir__sizing *sizing = &pool->sizing;

    sizing->has_leaver = false;
    sizing->roster.vacant = NULL;
    for (uint32_t i = weir__roster_count(&sizing->roster); i-- > 0;)
        vacate(pool, weir__roster_at(&sizing->roster, i));
    atomic_store_explicit(&sizing->max, 0, memory_order_relaxed);
    atomic_store_explicit(&sizing->blocked, 0, memory_order_relaxed);
    atomic_store_explicit(&sizing->no_growth_before_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->idle.word, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->idle.helping, 0, memory_order_relaxed);
    pool->idle.top = NULL;
    atomic_store_explicit(&pool->live, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->visitors, 0, memory_order_relaxed);
}

/* Nobody of the parent waits here. */
static void forget_waiters(struct weir_pool *pool) {
    pool->not_empty = pool->not_full = (struct weir__condition){.waiters = 0};
    atomic_store_explicit(&pool->room.queued, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->room.waiters, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->quiescence.waiters, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->quiescence.mark, 0, memory_order_relaxed);
    forget_counters(&pool->outside);
    atomic_store_explicit(&pool->spent, 0, memory_order_relaxed);
}

/* With the lifecycle mutex held. Returns what was queued. */
static struct weir_task *forget_parent(struct weir_pool *pool) {
    for (struct weir__attachment *each = pool->attachments; each; each = each->next)
        if (each->orphaned)
            each->orphaned(each);
    struct weir_task *queued = pool->scheduler->harvest(pool);
    forget_threads(pool);
    forget_waiters(pool);
    return queued;
}

static void drop_all(struct weir_pool *pool, struct weir_task *first) {
    struct weir__frame frame;

    while (first) {
        struct weir_task *task = first;
        first = task->weir__next;
        if (!weir__claim_take(task, TASK_CANCELLED) || !task->drop)
            continue;
        weir__frame_enter(&frame, &pool->host, task->flags & WEIR__TASK_FUTURE ? task : NULL);
        task->drop(task, -EOWNERDEAD);
        weir__frame_leave(&frame);
    }
}

int weir__orphan_adopt(struct weir_pool *pool) {
    struct weir_task *queued = NULL;
    int rc = 0;

    if (pool->options.fork != WEIR_FORK_RESPAWN)
        return -EOWNERDEAD;
    pthread_mutex_lock(&pool->lifecycle);
    if (weir__pool_is_orphan(pool)) {
        queued = forget_parent(pool);
        if (weir__pool_mode(pool) != POOL_OPEN) {
            pool->end_told = true;
            atomic_store_explicit(&pool->ended, true, memory_order_release);
        } else if (pool->started) {
            rc = weir__pool_create_threads(pool);
        }
        /* Release pairs with the acquire of those who find that it is no orphan. */
        if (rc == 0)
            atomic_store_explicit(&pool->generation, weir__fork_generation(), memory_order_release);
    }
    pthread_mutex_unlock(&pool->lifecycle);
    drop_all(pool, queued);
    return rc;
}

void weir__orphan_drop(struct weir_pool *pool) {
    pthread_mutex_lock(&pool->lifecycle);
    struct weir_task *queued = forget_parent(pool);
    pthread_mutex_unlock(&pool->lifecycle);
    drop_all(pool, queued);
}
