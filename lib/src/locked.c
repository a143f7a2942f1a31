/*
 * LOCKED: the textbook pool. One queue (a list a band) under one mutex, and two conditions:
 * not_empty for workers, not_full for submitters. Simple, fair, and the baseline for everything
 * else. Of the idle set only the counts of the living and of the threads on their way are used; who
 * sleeps is known to not_empty.
 *
 * Once in FAIR_TICKS tasks a worker takes from the last band first, so that none starves.
 */
#include <errno.h>

#include "platform/futex.h"
#include "platform/point.h"
#include "pool.h"

#define FAIR_TICKS 61u

static size_t count(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->injector.count, memory_order_relaxed);
}

static void lock(struct weir_pool *pool) {
    pthread_mutex_lock(&pool->injector.mutex);
}

static void unlock(struct weir_pool *pool) {
    pthread_mutex_unlock(&pool->injector.mutex);
}

/* ---- Submit ---- */

/* Waits, with the mutex held, for room or the end. */
static int await_room(struct weir_pool *pool, uint64_t deadline_ns) {
    for (int late = 0;;) {
        if (atomic_load_explicit(&pool->injector.closed, memory_order_relaxed))
            return -ESHUTDOWN;
        if (pool->capacity == 0 || count(pool) < pool->capacity)
            return 0;
        if (deadline_ns == WEIR_NOW)
            return -EAGAIN;
        if (late)
            return late;
        late = weir__condition_wait(&pool->not_full, &pool->injector.mutex, deadline_ns);
    }
}

/*
 * Who will look. A submitter that finds nobody asleep has another thread started, so it must not
 * take a thread for asleep that is not: the condition's own count may be too high. sleepers are the
 * threads between going to sleep and having the mutex again, each of which looks at the queue next;
 * called is how many of them have been called for a task. A thread that comes back without having
 * timed out may be the one that was called; and no more than sleep can be on their way.
 */
static int sleep_until_called(struct weir_pool *pool, uint64_t deadline_ns) {
    pool->sleepers++;
    int late = weir__condition_wait(&pool->not_empty, &pool->injector.mutex, deadline_ns);
    pool->sleepers--;
    if (!late && pool->called > 0)
        pool->called--;
    if (pool->called > pool->sleepers)
        /* uncovered: one that was called must time out, and others not sleep */
        pool->called = pool->sleepers;
    return late;
}

static bool somebody_will_look(const struct weir_pool *pool) {
    return pool->sleepers > pool->called;
}

/* Wakes a worker. False: none sleeps. */
static bool signal_not_empty(struct weir_pool *pool) {
    if (!somebody_will_look(pool))
        return false;
    pool->called++;
    uint64_t wakes = atomic_load_explicit(&pool->locked_wakes, memory_order_relaxed);
    atomic_store_explicit(&pool->locked_wakes, wakes + 1, memory_order_relaxed);
    weir__condition_signal(&pool->not_empty);
    return true;
}

static void grow(struct weir_pool *pool) {
    if (weir__idle_counts(&pool->idle).living < weir__sizing_growth_limit(&pool->sizing))
        weir__sizing_grow(pool, NULL, true);
}

static ptrdiff_t submit(struct weir_pool *pool, struct weir__worker *self,
                        struct weir_task *const *tasks, size_t n, uint64_t deadline_ns) {
    size_t done = 0;
    int rc = 0;
    bool all_awake = false;

    (void)self;
    WEIR__POINT("locked.submit");
    lock(pool);
    while (done < n && (rc = await_room(pool, deadline_ns)) == 0) {
        rc = weir__injector_append_locked(&pool->injector, tasks[done]);
        if (rc == 0) /* one an item: see weir_queue_put */
            all_awake = !signal_not_empty(pool);
        done++;
    }
    unlock(pool);
    if (all_awake)
        grow(pool);
    if (n == 1 && rc == -ECANCELED)
        return rc;
    return done ? (ptrdiff_t)done : rc;
}

static void summon(struct weir_pool *pool) {
    lock(pool);
    bool woken = signal_not_empty(pool);
    unlock(pool);
    if (!woken)
        grow(pool);
}

/* ---- Take ---- */

static struct weir_task *pop(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;

    if (weir__pool_is_paused(pool))
        return NULL;
    struct weir_task *task =
        weir__injector_pop_locked(&pool->injector, ++worker->ticks % FAIR_TICKS == 0);
    if (task && pool->capacity)
        weir__condition_signal(&pool->not_full);
    return task;
}

/* Looks without the mutex for as long as the options allow. */
static void spin(struct weir_pool *pool) {
    uint64_t deadline_ns = weir_after(pool->idle_spin_ns);

    for (unsigned turn = 0; weir_now_ns() < deadline_ns; turn++) {
        if (weir__injector_count(&pool->injector) > 0 || weir__injector_is_closed(&pool->injector))
            return;
        weir__relax(turn % 64);
    }
}

static bool is_surplus(struct weir_pool *pool) {
    return (weir__pool_attention(pool) & ATTENTION_SURPLUS) &&
           weir__sizing_leave_surplus(pool, false);
}

/* Sleeps. False: the keep-alive time is over, and the worker is off the counts. Nothing is queued
 * then, under the mutex: who submits next sees that it has left. */
static bool await_task(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;

    uint64_t start_ns = weir__worker_falls_asleep(worker);
    int late = sleep_until_called(pool, weir__sizing_idle_deadline(pool));
    weir__worker_wakes(worker, start_ns);
    return !late || count(pool) > 0 || !weir__sizing_leave_idle(pool, false);
}

/* The worker's next task, with the mutex held. NULL: it is off the counts. */
static struct weir_task *take_locked(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    bool may_spin = pool->idle_spin_ns > 0;

    for (;;) {
        if (is_surplus(pool)) {
            if (count(pool) > 0) /* a wake-up for a task may have come to us */
                signal_not_empty(pool);
            return NULL;
        }
        struct weir_task *task = pop(worker);
        if (task)
            return task;
        weir__quiescence_tell(&pool->quiescence);
        if (atomic_load_explicit(&pool->injector.closed, memory_order_relaxed) &&
            count(pool) == 0) {
            weir__idle_dismiss(&pool->idle, false);
            return NULL;
        }
        if (may_spin) {
            may_spin = false;
            unlock(pool);
            spin(pool);
            lock(pool);
        } else {
            if (!await_task(worker))
                return NULL;
            may_spin = pool->idle_spin_ns > 0;
        }
    }
}

static struct weir_task *take(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;

    WEIR__POINT("locked.take");
    lock(pool);
    if (worker->hired)
        weir__idle_found(&pool->idle, 0);
    struct weir_task *task = take_locked(worker);
    /* While this thread was on its way no submitter started another one. */
    bool more = worker->hired && task && count(pool) > 0 && !somebody_will_look(pool);
    worker->hired = false;
    unlock(pool);
    if (more)
        grow(pool);
    return task;
}

static struct weir_task *try_take(struct weir__worker *worker) {
    lock(worker->pool);
    struct weir_task *task = pop(worker);
    unlock(worker->pool);
    return task;
}

static int help_sleep(struct weir__worker *worker, bool (*done)(void *arg), void *arg,
                      uint64_t deadline_ns) {
    struct weir_pool *pool = worker->pool;
    int late = 0;

    lock(pool);
    if (!done(arg) && (count(pool) == 0 || weir__pool_is_paused(pool)))
        late = sleep_until_called(pool, deadline_ns);
    unlock(pool);
    return late;
}

/* Everybody: which of the sleepers is the helper only the kernel knows. */
static void wake_all(struct weir_pool *pool) {
    lock(pool);
    weir__condition_broadcast(&pool->not_empty);
    unlock(pool);
}

static void wake_helper(struct weir__worker *worker) {
    wake_all(worker->pool);
}

static void abandon(struct weir__worker *worker) {
    weir__idle_dismiss(&worker->pool->idle, worker->hired);
    worker->hired = false;
}

/* ---- The rest ---- */

static int init(struct weir_pool *pool, const struct weir_pool_options *options) {
    pool->capacity = options->capacity;
    return 0;
}

static void destroy(struct weir_pool *pool) {
    (void)pool;
}

static void removed(struct weir_pool *pool) {
    lock(pool);
    weir__condition_signal(&pool->not_full);
    unlock(pool);
}

static bool holds(struct weir_pool *pool, const weir__slot *slot) {
    (void)pool;
    (void)slot;
    return false;
}

static struct weir_task *take_any(struct weir_pool *pool) {
    struct weir_task *task = weir__injector_pop(&pool->injector, true);

    if (task)
        removed(pool);
    return task;
}

static struct weir_task *harvest(struct weir_pool *pool) {
    return weir__injector_harvest(&pool->injector, NULL);
}

static void close_all(struct weir_pool *pool) {
    weir__injector_close(&pool->injector);
    lock(pool);
    weir__condition_broadcast(&pool->not_empty);
    weir__condition_broadcast(&pool->not_full);
    unlock(pool);
}

static bool is_closed(struct weir_pool *pool) {
    return weir__injector_is_closed(&pool->injector);
}

static size_t queued(struct weir_pool *pool) {
    return weir__injector_count(&pool->injector);
}

static uint64_t accepted(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->injector.accepted, memory_order_acquire);
}

static uint64_t wakes(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->locked_wakes, memory_order_relaxed);
}

static uint64_t oldest_ns(struct weir_pool *pool) {
    return weir__injector_oldest_ns(&pool->injector);
}

static void ran_dry(struct weir_pool *pool) {
    weir__injector_ran_dry(&pool->injector);
}

const struct weir__scheduler weir__locked = {
    .init = init,
    .destroy = destroy,
    .submit = submit,
    .take = take,
    .try_take = try_take,
    .help_sleep = help_sleep,
    .wake_helper = wake_helper,
    .summon = summon,
    .take_any = take_any,
    .holds = holds,
    .removed = removed,
    .abandon = abandon,
    .harvest = harvest,
    .close = close_all,
    .is_closed = is_closed,
    .look_up = wake_all,
    .queued = queued,
    .accepted = accepted,
    .wakes = wakes,
    .oldest_ns = oldest_ns,
    .ran_dry = ran_dry,
};
