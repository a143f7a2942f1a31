/*
 * Submitting: from the caller to the scheduler, and what happens when there is no room.
 */
#include <errno.h>

#include "frame.h"
#include "memory.h"
#include "pool.h"
#include "probe.h"

/* Inside this file: no thread lives and none could be created, whatever room there is. */
#define NO_THREAD (-ECHILD)

static bool is_valid(const struct weir_pool *pool, const struct weir_task *task) {
    return task && task->run && weir__task_band(task) < pool->bands;
}

static int refusal(const struct weir_pool *pool) {
    return weir__pool_mode(pool) == POOL_BROKEN ? -EOWNERDEAD : -ESHUTDOWN;
}

/* The error that the caller gets. */
static int as_told(const struct weir_pool *pool, int error) {
    return error == -ESHUTDOWN ? refusal(pool) : error == NO_THREAD ? -EAGAIN : error;
}

/* Once a submission, however often it is tried. Returns the time of it, or 0 when nobody asks. */
static uint64_t prepare(struct weir_pool *pool, struct weir_task *const *tasks, size_t n) {
    uint64_t now_ns = weir__pool_timing(pool) ? weir_now_ns() : 0;

    for (size_t i = 0; i < n; i++) {
        atomic_store_explicit(&tasks[i]->weir__queued_ns, now_ns, memory_order_relaxed);
        WEIR__PROBE2(task_submit, pool, tasks[i]);
        if (tasks[i]->flags & WEIR__TASK_FUTURE)
            weir__future_set_host(tasks[i], &pool->host);
    }
    return now_ns;
}

/* Where the last thread may be on its way out it is told to stay, or a new one comes first, so that
 * nothing is accepted that nobody could run. */
static ptrdiff_t submit_with_intent(struct weir_pool *pool, struct weir_task *const *tasks,
                                    size_t n, uint64_t deadline_ns) {
    ptrdiff_t rc = NO_THREAD;

    if (weir__idle_intend(&pool->idle) > 0 || weir__sizing_grow(pool, NULL, false) != -EAGAIN)
        rc = pool->scheduler->submit(pool, NULL, tasks, n, deadline_ns);
    else if (weir__pool_mode(pool) != POOL_OPEN)
        /* uncovered: no thread came because the pool, open a moment ago, is about to end */
        rc = -ESHUTDOWN;
    weir__idle_intent_done(&pool->idle);
    return rc;
}

/* The tasks may be gone by now: only their addresses are used. */
static void trace_submission(struct weir_pool *pool, struct weir__worker *self,
                             struct weir_task *const *tasks, size_t n, uint64_t start_ns,
                             ptrdiff_t rc) {
    uint64_t span_ns = weir_now_ns() - start_ns;
    size_t taken = rc > 0 ? (size_t)rc : 0;

    for (size_t i = 0; i < (taken ? taken : n ? 1 : 0); i++)
        weir__trace_event(pool, self, EVENT_SUBMIT, start_ns, span_ns,
                          weir__trace_flow(tasks[i], start_ns), taken ? 0 : rc);
    weir__trace_event(pool, self, EVENT_DEPTH, start_ns + span_ns, pool->scheduler->queued(pool), 0,
                      0);
}

/* Tasks that are prepared; since start_ns they are on their way. */
static ptrdiff_t hand_over(struct weir_pool *pool, struct weir__worker *self,
                           struct weir_task *const *tasks, size_t n, uint64_t start_ns,
                           uint64_t deadline_ns) {
    ptrdiff_t rc;

    if (self) /* from a worker submit never blocks, or all workers could wait for each other */
        rc = pool->scheduler->submit(pool, self, tasks, n, WEIR_NOW);
    else if (!weir__sizing_may_be_empty(pool))
        rc = pool->scheduler->submit(pool, NULL, tasks, n, deadline_ns);
    else
        rc = submit_with_intent(pool, tasks, n, deadline_ns);
    if (start_ns && weir__pool_is_traced(pool))
        trace_submission(pool, self, tasks, n, start_ns, rc);
    return rc;
}

static void count_rejected(struct weir_pool *pool, struct weir_task *task, int error) {
    atomic_fetch_add_explicit(&pool->rejected, 1, memory_order_relaxed);
    if (pool->hooks.rejected)
        pool->hooks.rejected(pool->hooks.arg, task, error);
}

/* ---- Full ---- */

static int run_here(struct weir_pool *pool, struct weir_task *task) {
    if (!weir__task_mark_taken(task))
        return -ECANCELED;
    weir__run_on_caller(pool, task);
    return 0;
}

static void tell_discarded(struct weir_pool *pool, struct weir_task *task) {
    atomic_fetch_add_explicit(&pool->discarded, 1, memory_order_relaxed);
    if (pool->hooks.rejected)
        pool->hooks.rejected(pool->hooks.arg, task, -ECANCELED);
}

static int discard(struct weir_pool *pool, struct weir_task *task) {
    if (!weir__task_mark_taken(task))
        return -ECANCELED;
    tell_discarded(pool, task);
    weir__drop_on_caller(pool, task);
    return 0;
}

static int discard_oldest(struct weir_pool *pool, struct weir__worker *self, struct weir_task *task,
                          uint64_t start_ns) {
    for (;;) {
        struct weir_task *oldest = pool->scheduler->take_any(pool);
        if (oldest && weir__claim_take(oldest, TASK_CANCELLED)) {
            tell_discarded(pool, oldest);
            weir__drop_claimed(pool, oldest);
        }
        ptrdiff_t rc = hand_over(pool, self, &task, 1, start_ns, WEIR_NOW);
        if (rc != -EAGAIN)
            return rc == 1 ? 0 : (int)rc;
    }
}

/* Java's way to grow: with a thread that begins with the task that found the queue full. */
static bool grow_with(struct weir_pool *pool, struct weir_task *task) {
    struct weir__idle_counts now = weir__idle_counts(&pool->idle);

    if (pool->sizing.growth != WEIR_GROW_WHEN_FULL ||
        now.living >= weir__sizing_limit(&pool->sizing) || !weir__task_mark_taken(task))
        return false;
    atomic_fetch_add_explicit(&pool->outside.accepted, 1, memory_order_release);
    if (weir__sizing_grow(pool, task, false) == 0)
        return true;
    /* Nothing has happened after all. Nobody could claim the task meanwhile: it was not queued. */
    atomic_fetch_add_explicit(&pool->spent, 1, memory_order_release);
    weir__quiescence_tell(&pool->quiescence);
    if (task->flags & WEIR__TASK_FUTURE)
        atomic_store_explicit(&task->weir__state, 0, memory_order_release);
    return false;
}

/* No room for this task now. */
static int submit_when_full(struct weir_pool *pool, struct weir__worker *self,
                            struct weir_task *task, uint64_t start_ns, uint64_t deadline_ns) {
    enum weir_full_policy policy = pool->full;

    if (grow_with(pool, task))
        return 0;
    if (policy == WEIR_FULL_HANDLER) {
        policy = pool->hooks.full(pool->hooks.arg, pool, task);
        if (policy != WEIR_FULL_BLOCK)
            deadline_ns = WEIR_NOW;
    }
    switch (policy) {
    case WEIR_FULL_CALLER_RUNS:
        return run_here(pool, task);
    case WEIR_FULL_DISCARD:
        return discard(pool, task);
    case WEIR_FULL_DISCARD_OLDEST:
        return discard_oldest(pool, self, task, start_ns);
    default:
        break;
    }
    if (self || deadline_ns == WEIR_NOW)
        return -EAGAIN;
    ptrdiff_t rc = hand_over(pool, NULL, &task, 1, start_ns, deadline_ns);
    return rc == 1 ? 0 : (int)rc;
}

/* ---- Submit ---- */

static int submit_one(struct weir_pool *pool, struct weir_task *task, uint64_t deadline_ns) {
    struct weir__worker *self = weir__worker_self(pool);
    uint64_t start_ns = prepare(pool, &task, 1);
    ptrdiff_t taken = hand_over(pool, self, &task, 1, start_ns, WEIR_NOW);

    if (taken == 1)
        return 0;
    int rc = (int)taken;
    if (rc == -EAGAIN)
        rc = submit_when_full(pool, self, task, start_ns, deadline_ns);
    rc = as_told(pool, rc);
    if (rc == -EAGAIN || rc == -ETIMEDOUT)
        count_rejected(pool, task, rc);
    return rc;
}

static uint64_t default_deadline(const struct weir_pool *pool) {
    return pool->full == WEIR_FULL_BLOCK || pool->full == WEIR_FULL_HANDLER ? WEIR_FOREVER
                                                                            : WEIR_NOW;
}

int weir_pool_submit_until(struct weir_pool *pool, struct weir_task *task, uint64_t deadline_ns) {
    if (!pool || !is_valid(pool, task))
        return -EINVAL;
    int rc = weir__pool_check(pool);
    if (rc)
        return rc;
    if (weir__pool_mode(pool) != POOL_OPEN)
        return refusal(pool);
    return submit_one(pool, task, deadline_ns);
}

int weir_pool_submit(struct weir_pool *pool, struct weir_task *task) {
    return weir_pool_submit_until(pool, task, pool ? default_deadline(pool) : WEIR_NOW);
}

int weir__pool_submit_held(struct weir_pool *pool, struct weir_task *task, uint64_t deadline_ns) {
    uint64_t start_ns = prepare(pool, &task, 1);
    ptrdiff_t rc = hand_over(pool, NULL, &task, 1, start_ns, deadline_ns);

    return rc == 1 ? 0 : as_told(pool, (int)rc);
}

ptrdiff_t weir_pool_submit_batch(struct weir_pool *pool, struct weir_task *const *tasks, size_t n) {
    size_t done = 0;
    ptrdiff_t rc = 0;

    if (!pool || (!tasks && n) || n > PTRDIFF_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!is_valid(pool, tasks[i]))
            return -EINVAL;
    if ((rc = weir__pool_check(pool)) != 0)
        return rc;
    if (weir__pool_mode(pool) != POOL_OPEN)
        return n ? refusal(pool) : 0;
    struct weir__worker *self = weir__worker_self(pool);
    uint64_t start_ns = prepare(pool, tasks, n);
    while (done < n) {
        rc = hand_over(pool, self, tasks + done, n - done, start_ns, WEIR_NOW);
        if (rc == -EAGAIN) {
            rc = submit_when_full(pool, self, tasks[done], start_ns, default_deadline(pool));
            rc = rc == 0 ? 1 : rc;
        }
        if (rc == -ECANCELED) /* it has had its outcome */
            rc = 1;
        if (rc <= 0)
            break;
        done += (size_t)rc;
    }
    if (rc < 0)
        rc = as_told(pool, (int)rc);
    if (rc == -EAGAIN)
        count_rejected(pool, tasks[done], (int)rc);
    return done ? (ptrdiff_t)done : rc;
}

/* ---- Execute and async ---- */

struct execution {
    struct weir_task task;
    void (*fn)(void *arg);
    void *arg;
};

/* Runs and drops happen inside a frame of the pool. */
static void free_execution(struct weir_task *task) {
    weir__free(&weir__frame_host()->allocator, task, sizeof(struct execution));
}

static int run_execution(struct weir_task *task) {
    struct execution execution = *(struct execution *)(void *)task;

    free_execution(task); /* first, so that the allocator can hand it to what fn submits */
    execution.fn(execution.arg);
    return 0;
}

static void drop_execution(struct weir_task *task, int error) {
    (void)error;
    free_execution(task);
}

bool weir__task_is_execution(const struct weir_task *task, struct weir_taken *taken) {
    if (task->run != run_execution)
        return false;
    const struct execution *execution = (const struct execution *)(const void *)task;
    *taken = (struct weir_taken){.fn = execution->fn, .arg = execution->arg};
    return true;
}

int weir_pool_execute(struct weir_pool *pool, void (*fn)(void *arg), void *arg) {
    if (!pool || !fn)
        return -EINVAL;
    struct execution *execution = weir__alloc(weir__pool_allocator(pool), sizeof *execution);
    if (!execution)
        return -ENOMEM;
    *execution = (struct execution){
        .task = {.run = run_execution, .drop = drop_execution}, .fn = fn, .arg = arg};
    int rc = weir_pool_submit(pool, &execution->task);
    if (rc)
        weir__free(weir__pool_allocator(pool), execution, sizeof *execution);
    return rc;
}

int weir_pool_async(struct weir_pool *pool, weir_call call, void *arg,
                    struct weir_future **future) {
    if (!pool || !call || !future)
        return -EINVAL;
    struct weir_future *made = weir__future_new(weir__pool_allocator(pool), call, arg);
    if (!made)
        return -ENOMEM;
    int rc = weir_pool_submit(pool, &made->weir__task);
    if (rc) {
        weir__future_discard(made);
        return rc;
    }
    *future = made;
    return 0;
}
