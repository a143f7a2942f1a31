/*
 * RING: one bounded lock-free ring a band, which all threads push to and pop from; idle workers
 * park in the idle set.
 *
 * With one band the ring's slots are the bound; with more they are shared places, counted in room.
 * Once in FAIR_TICKS tasks a worker takes from the last band first, so that none starves.
 */
#include <assert.h>
#include <errno.h>

#include "memory.h"
#include "platform/point.h"
#include "pool.h"
#include "search.h"

#define DEFAULT_CAPACITY ((size_t)4096)
#define FAIR_TICKS       61u

static struct weir__ring *ring_of(struct weir_pool *pool, const struct weir_task *task) {
    return &pool->rings[weir__task_band(task)];
}

static bool is_closed(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->rings_closed, memory_order_seq_cst);
}

/* ---- Submit ---- */

static void unreserve(struct weir_pool *pool) {
    weir__room_return(&pool->room, 1);
}

/* Gives back the emptied slots at the head of a ring. */
static void pass_spent(struct weir_pool *pool, struct weir__ring *ring) {
    size_t freed = weir__ring_skip_spent(ring);

    if (freed > 0)
        weir__room_tell(&pool->room, freed);
}

/* One attempt. */
static int try_push(struct weir_pool *pool, struct weir_task *task) {
    struct weir__ring *ring = ring_of(pool, task);

    if (weir__room_try(&pool->room, 1) == 0)
        return is_closed(pool) ? -ESHUTDOWN : -EAGAIN;
    switch (weir__ring_push(ring, task)) {
    case RING_PUSHED:
        return 0;
    case RING_CANCELLED: /* its empty position counts as accepted, so it must count as ended */
        atomic_fetch_add_explicit(&pool->spent, 1, memory_order_release);
        weir__quiescence_tell(&pool->quiescence);
        unreserve(pool);
        pass_spent(pool, ring); /* nobody is woken for what is not there */
        return -ECANCELED;
    case RING_CLOSED:
        unreserve(pool);
        return -ESHUTDOWN;
    default:
        unreserve(pool);
        return -EAGAIN;
    }
}

/* Waits for room. Between enter and leave whoever makes room wakes us. */
static int push_when_room(struct weir_pool *pool, struct weir_task *task, uint64_t deadline_ns) {
    int rc, late = 0;

    weir__room_enter(&pool->room);
    for (;;) {
        uint32_t moves = atomic_load_explicit(&pool->room.moves, memory_order_acquire);
        rc = try_push(pool, task);
        if (rc != -EAGAIN)
            break;
        if (late) {
            rc = late;
            break;
        }
        late = weir__room_wait(&pool->room, moves, deadline_ns);
    }
    weir__room_leave(&pool->room);
    return rc;
}

static ptrdiff_t submit(struct weir_pool *pool, struct weir__worker *self,
                        struct weir_task *const *tasks, size_t n, uint64_t deadline_ns) {
    size_t done = 0;
    int rc = 0;

    (void)self;
    /* Of several, those that have gone in would need somebody awake before the rest waits. */
    assert(n <= 1 || deadline_ns == WEIR_NOW);
    while (done < n) {
        rc = try_push(pool, tasks[done]);
        if (rc == -EAGAIN && deadline_ns != WEIR_NOW)
            rc = push_when_room(pool, tasks[done], deadline_ns);
        if (rc && !(rc == -ECANCELED && n > 1))
            break;
        done++;
    }
    /* An empty position that was pushed must be passed by somebody, or a closed pool never ends. */
    if (done > 0 || rc == -ECANCELED)
        weir__search_summon(pool);
    return done ? (ptrdiff_t)done : rc;
}

/* ---- Take ---- */

/* despite_pause: by one who will not run the task. */
static struct weir_task *pop(struct weir_pool *pool, bool rarest, bool despite_pause) {
    const _Atomic uint32_t *barrier = despite_pause ? NULL : &pool->sizing.attention;
    struct weir_task *task = NULL;
    uint32_t last = pool->bands - 1;
    size_t freed = 0;

    for (uint32_t i = 0; !task && i <= last; i++)
        task =
            weir__ring_pop(&pool->rings[rarest ? last - i : i], &freed, barrier, ATTENTION_PAUSED);
    if (task && last > 0) { /* the shared bound is told of it */
        weir__room_return(&pool->room, 1);
        freed--;
    }
    if (freed > 0)
        weir__room_tell(&pool->room, freed);
    return task;
}

static struct weir_task *look(struct weir__worker *worker) {
    if (weir__pool_is_paused(worker->pool))
        return NULL;
    return pop(worker->pool, ++worker->ticks % FAIR_TICKS == 0, false);
}

static bool is_visible(struct weir_pool *pool) {
    if (weir__pool_is_paused(pool))
        return false;
    for (uint32_t band = 0; band < pool->bands; band++)
        if (weir__ring_is_ready(&pool->rings[band]))
            return true;
    return false;
}

static size_t queued(struct weir_pool *pool) {
    size_t sum = 0;

    for (uint32_t band = 0; band < pool->bands; band++)
        sum += weir__ring_size(&pool->rings[band]);
    return sum;
}

static bool is_drained(struct weir_pool *pool) {
    return queued(pool) == 0;
}

static const struct weir__search how = {look, is_visible, is_drained};

static struct weir_task *take(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    struct weir_task *task = NULL;

    if ((weir__pool_attention(pool) & ATTENTION_SURPLUS) && !worker->hired &&
        weir__sizing_leave_surplus(pool, false)) {
        weir__search_gone(pool, &how);
        return NULL;
    }
    if (!worker->hired)
        task = look(worker);
    return task ? task : weir__search(worker, &how);
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
}

/* ---- The rest ---- */

/* Slots, and behind them the log of ages. 0: more than there can be. */
static size_t bytes_of_ring(size_t capacity) {
    size_t rest = (WEIR__STAMP_EVERY_MOST - 1) * sizeof(uint64_t);
    size_t each = sizeof(struct weir__ring_slot) + sizeof(uint64_t);

    return capacity > (SIZE_MAX - rest) / each ? 0 : capacity * each + rest;
}

static void init_ring(struct weir__ring *ring, void *memory, size_t capacity) {
    struct weir__ring_slot *slots = memory;

    weir__ring_init(ring, slots, capacity);
    weir__age_log_init(&ring->log, (_Atomic uint64_t *)(void *)(slots + capacity),
                       WEIR__AGE_WORDS(capacity));
}

static int init(struct weir_pool *pool, const struct weir_pool_options *options) {
    size_t capacity = options->capacity ? options->capacity : DEFAULT_CAPACITY;
    size_t bytes = bytes_of_ring(capacity);

    if (bytes == 0)
        return -ENOMEM;
    pool->rings = weir__alloc_lines(&pool->host.allocator, pool->bands * sizeof *pool->rings);
    if (!pool->rings)
        return -ENOMEM;
    for (uint32_t band = 0; band < pool->bands; band++) {
        void *memory = weir__alloc(&pool->host.allocator, bytes);
        if (!memory)
            return -ENOMEM;
        init_ring(&pool->rings[band], memory, capacity);
    }
    pool->capacity = pool->options.capacity = capacity;
    weir__room_init(&pool->room, pool->bands > 1 ? capacity : 0);
    return 0;
}

static void destroy(struct weir_pool *pool) {
    for (uint32_t band = 0; pool->rings && band < pool->bands; band++) {
        struct weir__ring *ring = &pool->rings[band];
        if (ring->slots)
            weir__free(&pool->host.allocator, ring->slots, bytes_of_ring(ring->capacity));
    }
    if (pool->rings)
        weir__free(&pool->host.allocator, pool->rings, pool->bands * sizeof *pool->rings);
}

/* The claimed task's slot stays occupied until it is passed, at once if it is the head. With
 * several bands the place in the bound is free at once, though its ring may be full of such slots.
 */
static void removed(struct weir_pool *pool) {
    for (uint32_t band = 0; band < pool->bands; band++)
        pass_spent(pool, &pool->rings[band]);
    weir__room_return(&pool->room, 1);
}

static bool holds(struct weir_pool *pool, const weir__slot *slot) {
    uintptr_t at = (uintptr_t)slot;

    for (uint32_t band = 0; band < pool->bands; band++) {
        const struct weir__ring *ring = &pool->rings[band];
        if (at >= (uintptr_t)ring->slots && at < (uintptr_t)(ring->slots + ring->capacity))
            return true;
    }
    return false;
}

static struct weir_task *take_any(struct weir_pool *pool) {
    return pop(pool, true, true);
}

static struct weir_task *harvest(struct weir_pool *pool) {
    struct weir_task *tasks = NULL;

    for (uint32_t band = pool->bands; band-- > 0;)
        tasks = weir__ring_harvest(&pool->rings[band], tasks);
    return tasks;
}

static void close_all(struct weir_pool *pool) {
    for (uint32_t band = 0; band < pool->bands; band++)
        weir__ring_close(&pool->rings[band]);
    atomic_store_explicit(&pool->rings_closed, true, memory_order_seq_cst);
    weir__idle_wake_all(&pool->idle);
    weir__room_wake_all(&pool->room);
}

static void look_up(struct weir_pool *pool) {
    weir__idle_wake_all(&pool->idle);
}

static uint64_t accepted(struct weir_pool *pool) {
    uint64_t sum = 0;

    for (uint32_t band = 0; band < pool->bands; band++)
        sum += weir__ring_pushed(&pool->rings[band]);
    return sum;
}

static uint64_t wakes(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->idle.wakes, memory_order_relaxed);
}

static uint64_t oldest_ns(struct weir_pool *pool) {
    uint64_t oldest = 0;

    for (uint32_t band = 0; band < pool->bands; band++) {
        uint64_t age_ns = weir__ring_oldest_ns(&pool->rings[band]);
        oldest = age_ns > oldest ? age_ns : oldest;
    }
    return oldest;
}

static void ran_dry(struct weir_pool *pool) {
    for (uint32_t band = 0; band < pool->bands; band++)
        weir__age_expect(&pool->rings[band].age);
}

const struct weir__scheduler weir__ringed = {
    .init = init,
    .destroy = destroy,
    .submit = submit,
    .take = take,
    .try_take = look,
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
