/*
 * STEALING: each worker has a deque for the tasks that it submits itself; threads outside submit
 * to the injector; a worker without a task takes from its deque, then the injector, then steals
 * from the others, and parks when there is nothing anywhere.
 *
 * From the injector a worker takes its share in one visit and puts it into its own deque, where
 * the others can still steal it. Once in FAIR_TICKS tasks it looks at the injector and at the old
 * end of its own deque first, so that a task that keeps submitting the next one cannot starve them
 * (a slot that always won did, in other pools).
 */
#include <errno.h>

#include "platform/futex.h"
#include "platform/point.h"
#include "pool.h"

#define FAIR_TICKS 61u

/* ---- Submit ---- */

/* By a worker, to its own deque; what does not fit goes to the injector. */
static ptrdiff_t submit_one_inside(struct weir_pool *pool, struct weir__worker *self,
                                   struct weir_task *task) {
    if (weir__injector_is_closed(&pool->injector))
        return -ESHUTDOWN;
    if (weir__room_try(&pool->room, 1) == 0)
        return -EAGAIN;
    ptrdiff_t rc = 0;
    if (!weir__deque_has_room(&self->deque)) {
        rc = weir__injector_push(&pool->injector, &task, 1);
    } else if (weir__task_mark_queued(task)) {
        weir__count(&self->counters.accepted); /* before anyone can find the task */
        weir__deque_push(&self->deque, task);
        rc = 1;
    }
    if (rc <= 0)
        weir__room_return(&pool->room, 1);
    return rc == 0 ? -ECANCELED : rc;
}

static ptrdiff_t submit_inside(struct weir_pool *pool, struct weir__worker *self,
                               struct weir_task *const *tasks, size_t n) {
    size_t done = 0;
    ptrdiff_t rc = 0;

    while (done < n) {
        rc = submit_one_inside(pool, self, tasks[done]);
        if (rc < 0 && !(rc == -ECANCELED && n > 1))
            break;
        done++;
    }
    return done ? (ptrdiff_t)done : rc;
}

/* Waits until there may be room. Between enter and leave whoever makes room wakes us. */
static int await_room(struct weir_pool *pool, size_t n, size_t *got, uint64_t deadline_ns) {
    int rc = 0;

    weir__room_enter(&pool->room);
    for (;;) {
        uint32_t moves = atomic_load_explicit(&pool->room.moves, memory_order_acquire);
        if (weir__injector_is_closed(&pool->injector)) {
            rc = -ESHUTDOWN;
            break;
        }
        *got = weir__room_try(&pool->room, n);
        if (*got > 0 || rc)
            break;
        rc = weir__room_wait(&pool->room, moves, deadline_ns);
    }
    weir__room_leave(&pool->room);
    return *got > 0 ? 0 : rc;
}

/* Reserves room for some of the n tasks. */
static int reserve(struct weir_pool *pool, size_t n, size_t *got, uint64_t deadline_ns) {
    *got = weir__room_try(&pool->room, n);
    if (*got > 0)
        return 0;
    if (weir__injector_is_closed(&pool->injector))
        return -ESHUTDOWN;
    return deadline_ns == WEIR_NOW ? -EAGAIN : await_room(pool, n, got, deadline_ns);
}

static ptrdiff_t submit_outside(struct weir_pool *pool, struct weir_task *const *tasks, size_t n,
                                uint64_t deadline_ns) {
    size_t done = 0, got;
    int rc = 0;

    while (done < n && (rc = reserve(pool, n - done, &got, deadline_ns)) == 0) {
        ptrdiff_t added = weir__injector_push(&pool->injector, tasks + done, got);
        if (added < (ptrdiff_t)got)
            weir__room_return(&pool->room, got - (added > 0 ? (size_t)added : 0));
        if (added < 0) {
            rc = (int)added;
            break;
        }
        if (n == 1 && added == 0)
            return -ECANCELED;
        done += got;
        weir__idle_wake_one(&pool->idle);
    }
    return done ? (ptrdiff_t)done : rc;
}

static ptrdiff_t submit(struct weir_pool *pool, struct weir__worker *self,
                        struct weir_task *const *tasks, size_t n, uint64_t deadline_ns) {
    if (!self)
        return submit_outside(pool, tasks, n, deadline_ns);
    ptrdiff_t done = submit_inside(pool, self, tasks, n);
    if (done > 0)
        weir__idle_wake_one(&pool->idle);
    return done;
}

/* ---- Take ---- */

static struct weir_task *take_from_injector(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    size_t share = weir__injector_count(&pool->injector) / pool->threads;

    return weir__injector_pop_batch(&pool->injector, &worker->deque, share);
}

static uint64_t next_random(uint64_t *state) {
    /* xorshift64 (Marsaglia, 2003): victims need no better. */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct weir_task *steal(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    unsigned first = (unsigned)(next_random(&worker->random) % pool->threads);

    for (unsigned i = 0; i < pool->threads; i++) {
        struct weir__worker *victim = &pool->workers[(first + i) % pool->threads];
        if (victim == worker)
            continue;
        struct weir_task *task = weir__deque_steal(&victim->deque);
        if (task) {
            weir__count(&worker->counters.steals);
            return task;
        }
    }
    return NULL;
}

/* Whether any task is queued anywhere: the last look before sleep. seq_cst loads, see idle.h. */
static bool work_is_visible(struct weir_pool *pool) {
    if (weir__injector_count(&pool->injector) > 0)
        return true;
    for (unsigned i = 0; i < pool->threads; i++)
        if (weir__deque_size(&pool->workers[i].deque) > 0)
            return true;
    return false;
}

static struct weir_task *look_elsewhere(struct weir__worker *worker) {
    struct weir_task *task = take_from_injector(worker);

    return task ? task : steal(worker);
}

/* A searcher's look, repeated for as long as the options allow. */
static struct weir_task *look_and_spin(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    struct weir_task *task = look_elsewhere(worker);

    if (task)
        return task;
    weir__quiescence_tell(&pool->quiescence); /* before spinning, lest idleness be told late */
    if (pool->idle_spin_ns == 0)
        return NULL;
    uint64_t deadline_ns = weir_after(pool->idle_spin_ns);
    for (unsigned turn = 0; weir_now_ns() < deadline_ns; turn++) {
        if ((task = look_elsewhere(worker)) || weir__injector_is_closed(&pool->injector))
            return task;
        weir__relax(turn % 64);
    }
    return NULL;
}

static void stop_searching(struct weir_pool *pool) {
    if (weir__idle_found(&pool->idle) && work_is_visible(pool))
        weir__idle_wake_one(&pool->idle);
}

/*
 * Leaving. A worker leaves when the pool is closed, no worker is inside a task, and nothing is
 * queued, looked at in this order (all seq_cst). Were it to leave while another still ran, a task
 * that had found the pool open a moment before could put its next one into a deque that only its
 * own, blocked worker ever visits. Whoever is the last to stop running wakes those that parked.
 */
static bool is_over(struct weir_pool *pool) {
    return weir__injector_is_closed(&pool->injector) &&
           weir__idle_all(&pool->idle, pool->threads) && !work_is_visible(pool);
}

static struct weir_task *search(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;

    weir__idle_search(&pool->idle);
    for (;;) {
        struct weir_task *task = look_and_spin(worker);
        if (task) {
            stop_searching(pool);
            return task;
        }
        if (is_over(pool)) {
            weir__idle_wake_all(&pool->idle);
            return NULL;
        }
        weir__idle_announce(&pool->idle, &worker->sleeper);
        if (work_is_visible(pool) || is_over(pool)) {
            weir__idle_retract(&pool->idle, &worker->sleeper);
            continue;
        }
        weir__count(&worker->counters.parks);
        weir__idle_park(&worker->sleeper);
    }
}

static struct weir_task *take_fairly(struct weir__worker *worker) {
    struct weir_task *task = weir__injector_pop(&worker->pool->injector);

    return task ? task : weir__deque_steal(&worker->deque);
}

static struct weir_task *take(struct weir__worker *worker) {
    struct weir_task *task = NULL;

    if (++worker->ticks % FAIR_TICKS == 0)
        task = take_fairly(worker);
    if (!task)
        task = weir__deque_pop(&worker->deque);
    if (!task)
        task = search(worker);
    if (task)
        weir__room_return(&worker->pool->room, 1);
    return task;
}

/* ---- The rest ---- */

static void removed(struct weir_pool *pool) {
    weir__room_return(&pool->room, 1);
}

static struct weir_task *take_any(struct weir_pool *pool) {
    struct weir_task *task = weir__injector_pop(&pool->injector);

    for (unsigned i = 0; !task && i < pool->threads; i++)
        task = weir__deque_steal(&pool->workers[i].deque);
    if (task)
        weir__room_return(&pool->room, 1);
    return task;
}

static void close_all(struct weir_pool *pool) {
    weir__injector_close(&pool->injector);
    weir__idle_wake_all(&pool->idle);
    weir__room_wake_all(&pool->room);
}

static size_t queued(struct weir_pool *pool) {
    size_t sum = weir__injector_count(&pool->injector);

    for (unsigned i = 0; i < pool->threads; i++)
        sum += weir__deque_size(&pool->workers[i].deque);
    return sum;
}

static uint64_t wakes(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->idle.wakes, memory_order_relaxed);
}

const struct weir__scheduler weir__stealing = {
    .submit = submit,
    .take = take,
    .take_any = take_any,
    .removed = removed,
    .close = close_all,
    .queued = queued,
    .wakes = wakes,
};
