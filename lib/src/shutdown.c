/*
 * The end of a pool: shutdown, what is taken back, waiting, freeing; and its breaking.
 *
 * Order. mode rises first (what workers have in hand is dropped from CANCELLING on), then the
 * scheduler closes: the one step after which no submission is accepted. Then queued tasks are
 * dropped, and whoever finds the pool closed and without threads tells that it has ended: the last
 * thread, after it has gone, or the closer, who counts as a thread until it has dropped what it
 * takes. Both look at the other's word after writing their own (seq_cst), so one of them sees both.
 */
#include <errno.h>

#include "frame.h"
#include "memory.h"
#include "platform/point.h"
#include "pool.h"

bool weir__task_is_execution(const struct weir_task *task, struct weir_taken *taken);

/* ---- Telling the end ---- */

/* Whether it is the caller who tells. */
static bool begin_to_tell(struct weir_pool *pool) {
    pthread_mutex_lock(&pool->lifecycle);
    bool begins = !pool->end_told && pool->scheduler->is_closed(pool) &&
                  atomic_load_explicit(&pool->live, memory_order_seq_cst) == 0;
    pool->end_told |= begins;
    pthread_mutex_unlock(&pool->lifecycle);
    return begins;
}

static void tell_end(struct weir_pool *pool) {
    struct weir__frame frame;

    if (!begin_to_tell(pool))
        return;
    if (pool->hooks.terminated) {
        /* Inside a frame of the pool, so that a wait for its end is -EDEADLK. */
        weir__frame_enter(&frame, &pool->host, NULL);
        pool->hooks.terminated(pool->hooks.arg);
        weir__frame_leave(&frame);
    }
    atomic_store_explicit(&pool->ended, true, memory_order_release);
}

void weir__pool_thread_gone(struct weir_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->live, 1, memory_order_seq_cst) == 1)
        tell_end(pool);
    weir__pool_stage(pool);
}

/* ---- Attachments ---- */

int weir__pool_attach(struct weir_pool *pool, struct weir__attachment *attachment) {
    pthread_mutex_lock(&pool->lifecycle);
    enum weir__pool_mode mode = weir__pool_mode(pool);
    if (mode == POOL_OPEN) {
        attachment->next = pool->attachments;
        pool->attachments = attachment;
    }
    pthread_mutex_unlock(&pool->lifecycle);
    return mode == POOL_OPEN ? 0 : mode == POOL_BROKEN ? -EOWNERDEAD : -ESHUTDOWN;
}

/* Tells all; returns whether the pool may close at once. The list only grows while it is open. */
static bool tell_attachments(struct weir_pool *pool, enum weir__pool_mode mode) {
    pthread_mutex_lock(&pool->lifecycle);
    struct weir__attachment *first = pool->attachments;
    pool->holds++; /* ours, until all have been asked */
    pthread_mutex_unlock(&pool->lifecycle);

    unsigned holding = 0;
    for (struct weir__attachment *each = first; each; each = each->next)
        if (each->closing(each, mode))
            holding++;

    pthread_mutex_lock(&pool->lifecycle);
    pool->holds += holding;
    bool free_to_close = --pool->holds == 0;
    pthread_mutex_unlock(&pool->lifecycle);
    return free_to_close;
}

/* ---- Shutdown ---- */

/* Only escalates. Returns whether there are, or will be, workers to see to what is queued. */
static bool enter_mode(struct weir_pool *pool, enum weir__pool_mode mode) {
    pthread_mutex_lock(&pool->lifecycle);
    if (mode > weir__pool_mode(pool))
        atomic_store_explicit(&pool->mode, mode, memory_order_seq_cst);
    bool started = pool->started;
    pthread_mutex_unlock(&pool->lifecycle);
    return started;
}

static void drop_queued(struct weir_pool *pool) {
    struct weir_task *task;

    while ((task = pool->scheduler->take_any(pool)))
        weir__drop_taken(pool, task, 0);
}

/* A closer counts as live while it drops: the workers may all have left before it is done. False:
 * the end was told, and nothing is left to drop. */
static bool hold_end(struct weir_pool *pool) {
    pthread_mutex_lock(&pool->lifecycle);
    bool holds = !pool->end_told;
    if (holds)
        atomic_fetch_add_explicit(&pool->live, 1, memory_order_relaxed);
    pthread_mutex_unlock(&pool->lifecycle);
    return holds;
}

static void close_pool(struct weir_pool *pool, bool drop) {
    if (!hold_end(pool))
        return;
    WEIR__POINT("pool.shutdown");
    pool->scheduler->close(pool);
    if (drop)
        drop_queued(pool);
    weir__pool_thread_gone(pool);
}

static int end(struct weir_pool *pool, enum weir__pool_mode mode) {
    bool started = enter_mode(pool, mode);
    weir_pool_resume(pool);
    bool may_close = tell_attachments(pool, mode);

    if (may_close || mode >= POOL_CANCELLING)
        close_pool(pool, mode >= POOL_CANCELLING || !started);
    return 0;
}

int weir_pool_shutdown(struct weir_pool *pool, enum weir_shutdown_mode mode) {
    int rc = mode > WEIR_CANCEL_RUNNING ? -EINVAL : weir__pool_check(pool);

    if (rc)
        return rc;
    if (mode == WEIR_CANCEL_RUNNING) /* release: who sees it sees why; pairs in weir_cancelled */
        atomic_store_explicit(&pool->host.cancelled, 1, memory_order_release);
    return end(pool, mode == WEIR_DRAIN ? POOL_DRAINING : POOL_CANCELLING);
}

void weir__pool_release(struct weir_pool *pool) {
    pthread_mutex_lock(&pool->lifecycle);
    bool may_close = --pool->holds == 0;
    bool started = pool->started;
    pthread_mutex_unlock(&pool->lifecycle);
    if (may_close)
        close_pool(pool, !started || weir__pool_mode(pool) >= POOL_CANCELLING);
}

void weir__pool_break(struct weir_pool *pool) {
    end(pool, POOL_BROKEN);
}

/* ---- Taking back ---- */

ptrdiff_t weir_pool_take_back(struct weir_pool *pool, struct weir_taken *taken, size_t n) {
    size_t count = 0;
    struct weir_task *task;

    int rc = (!taken && n) || n > PTRDIFF_MAX ? -EINVAL : weir__pool_check(pool);
    if (rc)
        return rc;
    while (count < n && (task = pool->scheduler->take_any(pool))) {
        if (!weir__claim_take(task, TASK_CANCELLED))
            continue; /* uncovered: a claimer must come between the queue and here */
        taken[count] = (struct weir_taken){.task = task};
        weir__task_is_execution(task, &taken[count]);
        count++;
        weir__drop_claimed(pool, task);
    }
    return (ptrdiff_t)count;
}

/* Whether the task's place is one of this pool's queues. */
static bool is_here(struct weir_pool *pool, const struct weir_task *task) {
    uintptr_t place = atomic_load_explicit(&task->weir__place, memory_order_acquire);

    if (!(place & WEIR__PLACE_SLOT))
        return place == (uintptr_t)&pool->injector;
    return pool->scheduler->holds(pool, (const weir__slot *)(place & ~WEIR__PLACE_SLOT));
}

int weir_pool_remove(struct weir_pool *pool, struct weir_task *task) {
    int rc = !task || (task->flags & WEIR__TASK_FUTURE) ? -EINVAL : weir__pool_check(pool);

    if (rc)
        return rc;
    if (!is_here(pool, task) || !weir__claim_remove(task))
        return -ENOENT;
    pool->scheduler->removed(pool);
    weir__drop_claimed(pool, task);
    return 0;
}

/* ---- Waiting ---- */

int weir_pool_await_idle(struct weir_pool *pool, uint64_t deadline_ns) {
    int rc = weir__pool_check(pool);

    if (rc)
        return rc;
    if (weir__frame_inside_host(&pool->host))
        return -EDEADLK;
    return weir__quiescence_await(&pool->quiescence, deadline_ns);
}

static bool has_ended(struct weir_pool *pool) {
    return atomic_load_explicit(&pool->ended, memory_order_acquire);
}

int weir_pool_await(struct weir_pool *pool, uint64_t deadline_ns) {
    int late = 0, rc = weir__pool_check(pool);

    if (rc)
        return rc;
    if (weir__frame_inside_host(&pool->host))
        return -EDEADLK;
    for (;;) {
        uint32_t stages = atomic_load_explicit(&pool->stages, memory_order_acquire);
        if (has_ended(pool))
            return weir__pool_mode(pool) == POOL_BROKEN ? -EOWNERDEAD : 0;
        if (deadline_ns == WEIR_NOW)
            return -EAGAIN;
        if (late)
            return late;
        late = weir__futex_wait(&pool->stages, stages, deadline_ns);
    }
}

enum weir_pool_phase weir_pool_phase(struct weir_pool *pool) {
    if (!pool)
        return WEIR_POOL_ENDED;
    enum weir__pool_mode mode = weir__pool_mode(pool);
    if (mode == POOL_BROKEN || weir__pool_is_orphan(pool))
        return WEIR_POOL_BROKEN;
    return has_ended(pool) ? WEIR_POOL_ENDED : (enum weir_pool_phase)mode;
}

/* ---- Freeing ---- */

static void await_visitors(struct weir_pool *pool) {
    uint32_t visitors;

    while ((visitors = atomic_load_explicit(&pool->visitors, memory_order_acquire)) != 0)
        /* uncovered: a visitor must have done what was waited for, and not have left yet */
        weir__futex_wait(&pool->visitors, visitors, WEIR_FOREVER);
}

int weir_pool_free(struct weir_pool *pool) {
    if (!pool)
        return 0;
    if (weir__frame_inside_host(&pool->host))
        return -EDEADLK;
    if (weir__pool_is_orphan(pool)) {
        weir__orphan_drop(pool);
    } else {
        weir_pool_shutdown(pool, WEIR_DRAIN);
        weir_pool_await(pool, WEIR_FOREVER);
        weir__sizing_join(pool);
        await_visitors(pool);
    }
    weir__fork_dismiss(&pool->guard);
    weir__pool_destroy(pool);
    return 0;
}
