#include "search.h"

#include <errno.h>

#include "platform/futex.h"
#include "platform/point.h"
#include "pool.h"

void weir__search_summon(struct weir_pool *pool) {
    if (weir__idle_wake_one(&pool->idle, weir__sizing_growth_limit(&pool->sizing)))
        weir__sizing_grow(pool, NULL, true);
}

/* A searcher's look, repeated for as long as the options allow. */
static struct weir_task *look_and_spin(struct weir__worker *worker,
                                       const struct weir__search *how) {
    struct weir_pool *pool = worker->pool;
    struct weir_task *task = how->look(worker);

    if (task)
        return task;
    weir__quiescence_tell(&pool->quiescence); /* before spinning, lest idleness be told late */
    if (pool->idle_spin_ns == 0)
        return NULL;
    uint64_t deadline_ns = weir_after(pool->idle_spin_ns);
    for (unsigned turn = 0; weir_now_ns() < deadline_ns; turn++) {
        if ((task = how->look(worker)) || pool->scheduler->is_closed(pool))
            return task;
        weir__relax(turn % 64);
    }
    return NULL;
}

static void stop_searching(struct weir_pool *pool, const struct weir__search *how) {
    if (weir__idle_found(&pool->idle, weir__sizing_growth_limit(&pool->sizing)) &&
        how->is_visible(pool))
        weir__search_summon(pool);
}

/*
 * The end. A worker leaves when the pool is closed, no worker is inside a task, and nothing is
 * queued, looked at in this order (all seq_cst). Were it to leave while another still ran, a task
 * that had found the pool open a moment before could put its next one into a deque that only its
 * own, blocked worker ever visits. Whoever is the last to stop running wakes those that parked. A
 * worker that helps while it waits inside a task may be parked, but is inside that task: it counts
 * itself before it parks, and off again after it runs.
 */
static bool is_over(struct weir_pool *pool, const struct weir__search *how) {
    return pool->scheduler->is_closed(pool) && weir__idle_all(&pool->idle) &&
           atomic_load_explicit(&pool->idle.helping, memory_order_seq_cst) == 0 &&
           how->is_drained(pool);
}

static bool is_surplus(struct weir_pool *pool) {
    return (weir__pool_attention(pool) & ATTENTION_SURPLUS) &&
           weir__sizing_leave_surplus(pool, true);
}

void weir__search_gone(struct weir_pool *pool, const struct weir__search *how) {
    if (how->is_visible(pool))
        weir__search_summon(pool);
    /* One less runs: the others may be all that was waited for. */
    if (pool->scheduler->is_closed(pool))
        /* uncovered: the pool must close while this thread is on its way out */
        weir__idle_wake_all(&pool->idle);
}

/* Announced, and nothing was found since. False: woken by nobody, and off the counts. */
static bool park(struct weir__worker *worker, const struct weir__search *how) {
    struct weir_pool *pool = worker->pool;

    uint64_t start_ns = weir__worker_falls_asleep(worker);
    bool woken = weir__idle_park(&pool->idle, &worker->sleeper, weir__sizing_idle_deadline(pool));
    weir__worker_wakes(worker, start_ns);
    if (woken)
        return true;
    if (how->is_visible(pool) || !weir__sizing_leave_idle(pool, true))
        return true;
    /* The last look, from outside the counts. Should the limit be reached again, others live. */
    if (how->is_visible(pool) && weir__sizing_rejoin(pool))
        return true; /* uncovered: a task must come between leaving and this look */
    weir__search_gone(pool, how);
    return false;
}

struct weir_task *weir__search(struct weir__worker *worker, const struct weir__search *how) {
    struct weir_pool *pool = worker->pool;

    if (!worker->hired)
        weir__idle_search(&pool->idle);
    worker->hired = false;
    for (;;) {
        if (is_surplus(pool)) {
            weir__search_gone(pool, how);
            return NULL;
        }
        struct weir_task *task = look_and_spin(worker, how);
        if (task) {
            stop_searching(pool, how);
            return task;
        }
        if (is_over(pool, how)) {
            weir__idle_wake_all(&pool->idle);
            weir__idle_dismiss(&pool->idle, true);
            return NULL;
        }
        weir__idle_announce(&pool->idle, &worker->sleeper);
        if (how->is_visible(pool) || is_over(pool, how)) {
            weir__idle_retract(&pool->idle, &worker->sleeper);
            continue;
        }
        if (!park(worker, how))
            return NULL;
    }
}

int weir__search_help_sleep(struct weir__worker *worker, const struct weir__search *how,
                            bool (*done)(void *arg), void *arg, uint64_t deadline_ns) {
    struct weir_pool *pool = worker->pool;
    int rc = 0;

    atomic_fetch_add_explicit(&pool->idle.helping, 1, memory_order_seq_cst);
    weir__idle_search(&pool->idle);
    weir__idle_announce(&pool->idle, &worker->sleeper);
    if (how->is_visible(pool) || done(arg))
        /* uncovered: what is waited for must come while this thread announces itself */
        weir__idle_retract(&pool->idle, &worker->sleeper);
    else if (!weir__idle_park(&pool->idle, &worker->sleeper, deadline_ns))
        rc = -ETIMEDOUT;
    stop_searching(pool, how);
    atomic_fetch_sub_explicit(&pool->idle.helping, 1, memory_order_seq_cst);
    return rc;
}
