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
#include "search.h"

#define FAIR_TICKS 61u

/* ---- Submit ---- */

/* By a worker, to its own deque; what does not fit goes to the injector. */
static ptrdiff_t submit_one_inside(struct weir_pool *pool, struct weir__worker *self,
                                   struct weir_task *task) {
    if (weir__injector_is_closed(&pool->injector))
        return -ESHUTDOWN; /* uncovered: it must close while the task is on its way in */
    if (weir__room_try(&pool->room, 1) == 0)
        return -EAGAIN;
    ptrdiff_t rc = 0;
    struct weir__deque *deque = &self->deques[weir__task_band(task)];
    if (!weir__deque_has_room(deque)) {
        rc = weir__injector_push(&pool->injector, &task, 1);
    } else if (weir__task_mark_queued(task)) {
        weir__count(&self->counters.accepted); /* before anyone can find the task */
        weir__deque_push(deque, task);
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
        return -ESHUTDOWN; /* uncovered: the pool must close while the task is on its way in */
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
        weir__search_summon(pool);
    }
    return done ? (ptrdiff_t)done : rc;
}

static ptrdiff_t submit(struct weir_pool *pool, struct weir__worker *self,
                        struct weir_task *const *tasks, size_t n, uint64_t deadline_ns) {
    if (!self)
        return submit_outside(pool, tasks, n, deadline_ns);
    ptrdiff_t done = submit_inside(pool, self, tasks, n);
    if (done > 0)
        weir__search_summon(pool);
    return done;
}

/* ---- Take ---- */

static uint64_t next_random(uint64_t *state) {
    /* xorshift64 (Marsaglia, 2003): victims need no better. */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct weir_task *take_from_injector(struct weir__worker *worker, uint32_t band) {
    struct weir_pool *pool = worker->pool;
    size_t living = weir__idle_counts(&pool->idle).living;
    size_t share = weir__injector_count(&pool->injector) / (living ? living : 1);

    return weir__injector_pop_batch(&pool->injector, band, &worker->deques[band], share);
}

static struct weir_task *steal(struct weir__worker *worker, uint32_t band) {
    struct weir__roster *roster = &worker->pool->sizing.roster;
    uint32_t count = weir__roster_count(roster);
    uint32_t first = (uint32_t)(next_random(&worker->random) % count);

    for (uint32_t i = 0; i < count; i++) {
        struct weir__worker *victim = weir__roster_at(roster, (first + i) % count);
        if (victim == worker)
            continue;
        struct weir_task *task = weir__deque_steal(&victim->deques[band]);
        if (task) {
            weir__count(&worker->counters.steals);
            if (weir__pool_is_traced(worker->pool))
                weir__trace_event(worker->pool, worker, EVENT_STEAL, weir_now_ns(), 0, 0, 0);
            return task;
        }
    }
    return NULL;
}

/* Whether any task is queued anywhere. seq_cst loads, see idle.h. */
static bool is_queued(struct weir_pool *pool) {
    struct weir__roster *roster = &pool->sizing.roster;

    if (weir__injector_count(&pool->injector) > 0)
        return true;
    uint32_t count = weir__roster_count(roster);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t band = 0; band < pool->bands; band++)
            if (weir__deque_size(&weir__roster_at(roster, i)->deques[band]) > 0)
                return true;
    return false;
}

static bool is_visible(struct weir_pool *pool) {
    return !weir__pool_is_paused(pool) && is_queued(pool);
}

static bool is_drained(struct weir_pool *pool) {
    return !is_queued(pool);
}

/* Who looked before the pause began may find what came after it. The task carries the news of the
 * pause: it was published by one who knew. (The pop acquires what the push released.) */
static struct weir_task *unless_paused(struct weir_pool *pool, struct weir_task *task) {
    if (!task || !weir__pool_is_paused(pool))
        return task;
    weir__injector_put_back(&pool->injector, task);
    return NULL;
}

/* Band by band: at hand, then from outside, then from the others. */
static struct weir_task *look(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    struct weir_task *task = NULL;

    if (weir__pool_is_paused(pool))
        return NULL;
    for (uint32_t band = 0; !task && band < pool->bands; band++) {
        task = weir__deque_pop(&worker->deques[band]);
        if (!task)
            task = take_from_injector(worker, band);
        if (!task)
            task = steal(worker, band);
    }
    return unless_paused(pool, task);
}

static const struct weir__search how = {look, is_visible, is_drained};

/* The last band first, and of each queue the old end. */
static struct weir_task *take_fairly(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    struct weir_task *task = weir__injector_pop(&pool->injector, true);

    for (uint32_t band = pool->bands; !task && band-- > 0;)
        task = weir__deque_steal(&worker->deques[band]);
    return task;
}

static struct weir_task *take_at_hand(struct weir__worker *worker) {
    struct weir_task *task = NULL;

    if (++worker->ticks % FAIR_TICKS == 0)
        task = take_fairly(worker);
    if (!task)
        task = worker->pool->bands == 1 ? weir__deque_pop(&worker->deques[0]) : look(worker);
    return unless_paused(worker->pool, task);
}

/* What lies in the deque of a worker that ends goes to the injector, in the order of its age. */
static void hand_over_deques(struct weir__worker *worker) {
    struct weir_task *task;

    for (uint32_t band = 0; band < worker->pool->bands; band++)
        while ((task = weir__deque_pop(&worker->deques[band])))
            weir__injector_put_back(&worker->pool->injector, task);
}

static struct weir_task *take(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    struct weir_task *task = NULL;
    uint32_t attention = weir__pool_attention(pool);

    if ((attention & ATTENTION_SURPLUS) && !worker->hired &&
        weir__sizing_leave_surplus(pool, false)) {
        hand_over_deques(worker);
        weir__search_gone(pool, &how);
        return NULL;
    }
    if (!(attention & ATTENTION_PAUSED) && !worker->hired)
        task = take_at_hand(worker);
    if (!task)
        task = weir__search(worker, &how);
    if (task)
        weir__room_return(&pool->room, 1);
    return task;
}

static struct weir_task *try_take(struct weir__worker *worker) {
    struct weir_task *task = NULL;

    if (!weir__pool_is_paused(worker->pool) && !(task = take_at_hand(worker)))
        task = look(worker);
    if (task)
        weir__room_return(&worker->pool->room, 1);
    return task;
}

static int help_sleep(struct weir__worker *worker, bool (*done)(void *arg), void *arg,
                      uint64_t deadline_ns) {
    return weir__search_help_sleep(worker, &how, done, arg, deadline_ns);
}

static void wake_helper(struct weir__worker *worker) {
    weir__idle_wake_this(&worker->pool->idle, &worker->sleeper);
}

static void abandon(struct weir__worker *worker) {
    weir__idle_dismiss(&worker->pool->idle, worker->hired);
    hand_over_deques(worker);
}

/* ---- The rest ---- */

static int init(struct weir_pool *pool, const struct weir_pool_options *options) {
    weir__room_init(&pool->room, options->capacity);
    return 0;
}

static void destroy(struct weir_pool *pool) {
    (void)pool;
}

static void removed(struct weir_pool *pool) {
    weir__room_return(&pool->room, 1);
}

static bool holds(struct weir_pool *pool, const weir__slot *slot) {
    struct weir__roster *roster = &pool->sizing.roster;
    uint32_t count = weir__roster_count(roster);
    uintptr_t at = (uintptr_t)slot;

    for (uint32_t i = 0; i < count; i++) {
        const struct weir__deque *deques = weir__roster_at(roster, i)->deques;
        if (at >= (uintptr_t)deques && at < (uintptr_t)(deques + pool->bands))
            return true;
    }
    return false;
}

static struct weir_task *take_any(struct weir_pool *pool) {
    struct weir_task *task = weir__injector_pop(&pool->injector, true);
    struct weir__roster *roster = &pool->sizing.roster;
    uint32_t count = weir__roster_count(roster);

    for (uint32_t i = 0; !task && i < count; i++)
        for (uint32_t band = pool->bands; !task && band-- > 0;)
            task = weir__deque_steal(&weir__roster_at(roster, i)->deques[band]);
    if (task)
        weir__room_return(&pool->room, 1);
    return task;
}

static struct weir_task *harvest(struct weir_pool *pool) {
    struct weir__roster *roster = &pool->sizing.roster;
    struct weir_task *tasks = NULL;

    for (uint32_t i = weir__roster_count(roster); i-- > 0;)
        for (uint32_t band = 0; band < pool->bands; band++)
            tasks = weir__deque_harvest(&weir__roster_at(roster, i)->deques[band], tasks);
    return weir__injector_harvest(&pool->injector, tasks);
}

static void close_all(struct weir_pool *pool) {
    weir__injector_close(&pool->injector);
    weir__idle_wake_all(&pool->idle);
    weir__room_wake_all(&pool->room);
}

static bool is_closed(struct weir_pool *pool) {
    return weir__injector_is_closed(&pool->injector);
}

static void look_up(struct weir_pool *pool) {
    weir__idle_wake_all(&pool->idle);
}

static size_t queued(struct weir_pool *pool) {
    struct weir__roster *roster = &pool->sizing.roster;
    uint32_t count = weir__roster_count(roster);
    size_t sum = weir__injector_count(&pool->injector);

    for (uint32_t i = 0; i < count; i++)
        sum += weir__worker_queued(weir__roster_at(roster, i));
    return sum;
}

static uint64_t accepted(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->injector.accepted, memory_order_acquire);
}

static uint64_t wakes(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->idle.wakes, memory_order_relaxed);
}

static uint64_t oldest_ns(struct weir_pool *pool) {
    return weir__injector_oldest_ns(&pool->injector);
}

static void ran_dry(struct weir_pool *pool) {
    weir__injector_ran_dry(&pool->injector);
}

const struct weir__scheduler weir__stealing = {
    .init = init,
    .destroy = destroy,
    .submit = submit,
    .take = take,
    .try_take = try_take,
    .help_sleep = help_sleep,
    .wake_helper = wake_helper,
    .summon = weir__search_summon,
    .take_any = take_any,
    .holds = holds,
    .removed = removed,
    .abandon = abandon,
    .harvest = harvest,
    .close = close_all,
    .is_closed = is_closed,
    .look_up = look_up,
    .queued = queued,
    .accepted = accepted,
    .wakes = wakes,
    .oldest_ns = oldest_ns,
    .ran_dry = ran_dry,
};
