#include "sizing.h"

#include <errno.h>

#include "platform/point.h"
#include "platform/thread.h"
#include "pool.h"

/* After a thread could not be created nobody tries again for a while: each try costs a system call
 * and would fail as well. */
#define PAUSE_NS UINT64_C(10000000)

/* How long a worker that may not leave, since a submitter needs it, waits before it asks again. */
#define AGAIN_NS UINT64_C(1000000)

static uint32_t load(const _Atomic uint32_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

uint32_t weir__sizing_limit(const struct weir__sizing *sizing) {
    /* seq_cst: who lowers them then reads how many live; who hires reads them again after that. */
    uint32_t max = atomic_load_explicit(&sizing->max, memory_order_seq_cst);
    uint32_t blocked = atomic_load_explicit(&sizing->blocked, memory_order_seq_cst);

    if (max == 0)
        return 0;
    return max + (blocked < sizing->max_spares ? blocked : sizing->max_spares);
}

uint32_t weir__sizing_growth_limit(const struct weir__sizing *sizing) {
    uint32_t limit = weir__sizing_limit(sizing);
    uint32_t core = load(&sizing->core) + load(&sizing->blocked);

    if (sizing->growth == WEIR_GROW_WHEN_BUSY || core > limit)
        return limit;
    return core > 0 || limit == 0 ? core : 1;
}

bool weir__sizing_may_be_empty(struct weir_pool *pool) {
    struct weir__sizing *sizing = &pool->sizing;

    if (load(&sizing->max) == 0) /* not started: tasks wait for the start */
        return false;
    return load(&sizing->core) == 0 ||
           atomic_load_explicit(&sizing->core_timeout, memory_order_relaxed) ||
           weir__idle_counts(&pool->idle).living == 0;
}

static void raise_largest(struct weir_pool *pool) {
    uint32_t living = weir__idle_counts(&pool->idle).living;
    uint32_t largest = load(&pool->sizing.largest);

    while (largest < living &&
           !atomic_compare_exchange_weak_explicit(&pool->sizing.largest, &largest, living,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

static bool growth_is_paused(struct weir__sizing *sizing) {
    uint64_t until_ns = atomic_load_explicit(&sizing->no_growth_before_ns, memory_order_relaxed);

    return until_ns != 0 && weir_now_ns() < until_ns;
}

/* Under the mutex the end of the pool is told, and here it is found not to have been: a thread that
 * is counted as live from then on puts the end off until it has gone. */
static struct weir__worker *occupy(struct weir_pool *pool) {
    struct weir__worker *worker = NULL;

    pthread_mutex_lock(&pool->lifecycle);
    if (!pool->end_told)
        worker = weir__roster_occupy(&pool->sizing.roster, pool);
    if (worker)
        atomic_fetch_add_explicit(&pool->live, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lifecycle);
    return worker;
}

static int create(struct weir_pool *pool, struct weir_task *first) {
    struct weir__worker *worker = occupy(pool);

    if (!worker)
        return -ENOMEM;
    worker->first = first;
    worker->hired = true;
    int rc = weir__worker_create(worker);
    if (rc) {
        pthread_mutex_lock(&pool->lifecycle);
        weir__roster_vacate(&pool->sizing.roster, worker);
        pthread_mutex_unlock(&pool->lifecycle);
        weir__pool_thread_gone(pool);
    }
    return rc;
}

/*
 * A thread that was counted as living and searching does not come. Who queued a task meanwhile has
 * counted on it, and cannot take the task back: when no other lives it ends here, else somebody
 * else is woken, as by a searcher that has found something. We go off the count (seq_cst), then
 * look at the queues (seq_cst); the submitter publishes its task (seq_cst), then reads the count
 * (seq_cst), and tries to create a thread itself when nobody lives. One of the two sees the other,
 * so no task is left in a pool without threads, or with all of them asleep.
 */
static void see_to_what_counted_on_it(struct weir_pool *pool) {
    struct weir_task *task;

    while (weir__idle_counts(&pool->idle).living == 0 && pool->scheduler->queued(pool) > 0 &&
           (task = pool->scheduler->take_any(pool)))
        weir__drop_taken(pool, task, -EAGAIN);
    weir__quiescence_tell(&pool->quiescence);
    if (pool->scheduler->queued(pool) > 0)
        pool->scheduler->summon(pool); /* growth is paused: this creates no thread */
}

int weir__sizing_grow(struct weir_pool *pool, struct weir_task *first, bool if_needed) {
    struct weir__sizing *sizing = &pool->sizing;
    uint32_t limit = first ? weir__sizing_limit(sizing) : weir__sizing_growth_limit(sizing);
    struct weir__idle_counts now = weir__idle_counts(&pool->idle);

    if (now.living >= limit || (if_needed && pool->scheduler->queued(pool) == 0))
        return -EBUSY;
    if (now.living > 0 && growth_is_paused(sizing))
        return -EAGAIN;
    if (!weir__idle_hire(&pool->idle, limit, if_needed))
        return -EBUSY;
    raise_largest(pool);
    WEIR__POINT("sizing.grow");
    if (create(pool, first) == 0) {
        weir__sizing_check_surplus(pool); /* the limit may have sunk since we read it */
        return 0;
    }
    atomic_fetch_add_explicit(&sizing->lost, 1, memory_order_relaxed);
    atomic_store_explicit(&sizing->no_growth_before_ns, weir_after(PAUSE_NS), memory_order_relaxed);
    weir__idle_dismiss(&pool->idle, true);
    see_to_what_counted_on_it(pool);
    return -EAGAIN;
}

/* Down to how many threads idle ones may leave. */
static uint32_t kept(struct weir__sizing *sizing) {
    if (atomic_load_explicit(&sizing->core_timeout, memory_order_relaxed))
        return 0;
    return load(&sizing->core) + load(&sizing->blocked);
}

uint64_t weir__sizing_idle_deadline(struct weir_pool *pool) {
    struct weir__sizing *sizing = &pool->sizing;
    struct weir__idle_counts now = weir__idle_counts(&pool->idle);

    /* Nobody leaves in a pause: what is queued needs somebody at its end. */
    if (now.living <= kept(sizing) || (load(&sizing->attention) & ATTENTION_PAUSED))
        return WEIR_FOREVER;
    uint64_t ns = atomic_load_explicit(&sizing->keep_alive_ns, memory_order_relaxed);
    if (ns < AGAIN_NS && now.intents > 0)
        ns = AGAIN_NS;
    return weir_after(ns);
}

bool weir__sizing_leave_idle(struct weir_pool *pool, bool searching) {
    return weir__idle_leave(&pool->idle, kept(&pool->sizing), searching);
}

/* uncovered: a task must come between a worker's leaving and its last look */
bool weir__sizing_rejoin(struct weir_pool *pool) {
    return weir__idle_hire(&pool->idle, weir__sizing_limit(&pool->sizing), false);
}

bool weir__sizing_leave_surplus(struct weir_pool *pool, bool searching) {
    struct weir__sizing *sizing = &pool->sizing;

    pthread_mutex_lock(&pool->lifecycle);
    uint32_t limit = weir__sizing_limit(sizing);
    bool leaves = weir__idle_leave(&pool->idle, limit, searching);
    if (!leaves)
        atomic_fetch_and_explicit(&sizing->attention, ~(uint32_t)ATTENTION_SURPLUS,
                                  memory_order_relaxed);
    pthread_mutex_unlock(&pool->lifecycle);
    return leaves;
}

void weir__sizing_check_surplus(struct weir_pool *pool) {
    struct weir__sizing *sizing = &pool->sizing;

    if (weir__idle_counts(&pool->idle).living <= weir__sizing_limit(sizing))
        return;
    pthread_mutex_lock(&pool->lifecycle);
    atomic_fetch_or_explicit(&sizing->attention, ATTENTION_SURPLUS, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lifecycle);
    pool->scheduler->look_up(pool);
}

/* Becomes the one to join, and joins the one before. */
static void pass_on(struct weir_pool *pool, pthread_t self, struct weir__worker *vacated) {
    struct weir__sizing *sizing = &pool->sizing;

    pthread_mutex_lock(&pool->lifecycle);
    bool has_before = sizing->has_leaver;
    pthread_t before = sizing->leaver;
    sizing->leaver = self;
    sizing->has_leaver = true;
    if (vacated)
        weir__roster_vacate(&sizing->roster, vacated);
    pthread_mutex_unlock(&pool->lifecycle);
    if (has_before)
        pthread_join(before, NULL);
}

void weir__sizing_depart(struct weir_pool *pool, struct weir__worker *worker) {
    pass_on(pool, pthread_self(), worker);
}

void weir__sizing_leave_to_others(struct weir_pool *pool) {
    if (pool->scheduler->queued(pool) > 0)
        pool->scheduler->summon(pool);
    if (pool->scheduler->is_closed(pool)) /* one less runs: that may be all they waited for */
        pool->scheduler->look_up(pool);
}

void weir__sizing_replace(struct weir_pool *pool, struct weir__worker *worker) {
    atomic_fetch_add_explicit(&pool->sizing.lost, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->live, 1, memory_order_relaxed);
    if (weir__worker_create(worker) == 0) {
        pass_on(pool, pthread_self(), NULL);
        return;
    }
    atomic_fetch_sub_explicit(&pool->live, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->sizing.lost, 1, memory_order_relaxed);
    pool->scheduler->abandon(worker);
    if (weir__idle_counts(&pool->idle).living == 0)
        weir__pool_break(pool);
    else
        weir__sizing_leave_to_others(pool);
    weir__quiescence_tell(&pool->quiescence); /* of what was ended here */
    pass_on(pool, pthread_self(), worker);
}

void weir__sizing_join(struct weir_pool *pool) {
    if (pool->sizing.has_leaver)
        pthread_join(pool->sizing.leaver, NULL);
    pool->sizing.has_leaver = false;
}

void weir__sizing_block(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;

    if (worker->blocks++ > 0)
        return;
    atomic_fetch_add_explicit(&pool->sizing.blocked, 1, memory_order_seq_cst);
    WEIR__POINT("sizing.blocked");
    /* What is queued now is nobody's but ours to wake for; later submitters see the higher limit.
     */
    if (pool->scheduler->queued(pool) > 0)
        pool->scheduler->summon(pool);
}

void weir__sizing_unblock(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;

    if (worker->blocks == 0 || --worker->blocks > 0)
        return;
    atomic_fetch_sub_explicit(&pool->sizing.blocked, 1, memory_order_seq_cst);
    weir__sizing_check_surplus(pool);
}
