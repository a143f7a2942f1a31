/*
 * LOCKED: the textbook pool. One queue under one mutex, and two conditions: not_empty for workers,
 * not_full for submitters. Simple, fair, and the baseline for everything else.
 */
#include <errno.h>

#include "platform/futex.h"
#include "platform/point.h"
#include "pool.h"

static size_t count(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->injector.count, memory_order_relaxed);
}

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

static void signal_not_empty(struct weir_pool *pool) {
    if (pool->not_empty.waiters == 0)
        return;
    uint64_t wakes = atomic_load_explicit(&pool->locked_wakes, memory_order_relaxed);
    atomic_store_explicit(&pool->locked_wakes, wakes + 1, memory_order_relaxed);
    weir__condition_signal(&pool->not_empty);
}

static ptrdiff_t submit(struct weir_pool *pool, struct weir__worker *self,
                        struct weir_task *const *tasks, size_t n, uint64_t deadline_ns) {
    size_t done = 0;
    int rc = 0;

    (void)self;
    WEIR__POINT("locked.submit");
    pthread_mutex_lock(&pool->injector.mutex);
    while (done < n && (rc = await_room(pool, deadline_ns)) == 0) {
        rc = weir__injector_append_locked(&pool->injector, tasks[done]);
        if (rc == 0)
            signal_not_empty(pool); /* one an item: see weir_queue_put */
        done++;
    }
    pthread_mutex_unlock(&pool->injector.mutex);
    if (n == 1 && rc == -ECANCELED)
        return rc;
    return done ? (ptrdiff_t)done : rc;
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

static struct weir_task *take_locked(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    bool may_spin = pool->idle_spin_ns > 0;
    struct weir_task *task;

    while (!(task = weir__injector_pop_locked(&pool->injector))) {
        weir__quiescence_tell(&pool->quiescence);
        if (atomic_load_explicit(&pool->injector.closed, memory_order_relaxed))
            return NULL;
        if (may_spin) {
            may_spin = false;
            pthread_mutex_unlock(&pool->injector.mutex);
            spin(pool);
            pthread_mutex_lock(&pool->injector.mutex);
            continue;
        }
        weir__count(&worker->counters.parks);
        weir__condition_wait(&pool->not_empty, &pool->injector.mutex, WEIR_FOREVER);
        may_spin = pool->idle_spin_ns > 0;
    }
    if (pool->capacity)
        weir__condition_signal(&pool->not_full);
    return task;
}

static struct weir_task *take(struct weir__worker *worker) {
    struct weir__injector *injector = &worker->pool->injector;

    WEIR__POINT("locked.take");
    pthread_mutex_lock(&injector->mutex);
    struct weir_task *task = take_locked(worker);
    pthread_mutex_unlock(&injector->mutex);
    return task;
}

static void removed(struct weir_pool *pool) {
    pthread_mutex_lock(&pool->injector.mutex);
    weir__condition_signal(&pool->not_full);
    pthread_mutex_unlock(&pool->injector.mutex);
}

static struct weir_task *take_any(struct weir_pool *pool) {
    struct weir_task *task = weir__injector_pop(&pool->injector);

    if (task)
        removed(pool);
    return task;
}

static void close_all(struct weir_pool *pool) {
    weir__injector_close(&pool->injector);
    pthread_mutex_lock(&pool->injector.mutex);
    weir__condition_broadcast(&pool->not_empty);
    weir__condition_broadcast(&pool->not_full);
    pthread_mutex_unlock(&pool->injector.mutex);
}

static size_t queued(struct weir_pool *pool) {
    return weir__injector_count(&pool->injector);
}

static uint64_t wakes(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->locked_wakes, memory_order_relaxed);
}

const struct weir__scheduler weir__locked = {
    .submit = submit,
    .take = take,
    .take_any = take_any,
    .removed = removed,
    .close = close_all,
    .queued = queued,
    .wakes = wakes,
};
