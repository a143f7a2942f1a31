#include "worker.h"

#include <errno.h>

#include "frame.h"
#include "platform/futex.h"
#include "platform/point.h"
#include "platform/thread.h"
#include "pool.h"

static _Thread_local struct weir__worker *current __attribute__((tls_model("initial-exec")));

struct weir__worker *weir__worker_self(const struct weir_pool *pool) {
    struct weir__worker *worker = current;

    return worker && worker->pool == pool ? worker : NULL;
}

/* Only a future can be waited for, and only its memory is its task's until the end: a plain task
 * may be freed at once, and a future made at the same address must not be taken for it. */
static const struct weir_task *awaitable(const struct weir_task *task) {
    return task->flags & WEIR__TASK_FUTURE ? task : NULL;
}

/* The task's memory belongs to its owner again as soon as run or drop is entered. */
static enum weir__outcome run(struct weir_pool *pool, struct weir_task *task) {
    struct weir__frame frame;

    weir__frame_enter(&frame, &pool->host, awaitable(task));
    WEIR__POINT("worker.run");
    int status = task->run(task);
    weir__frame_leave(&frame);
    return status < 0 ? OUTCOME_FAILED : OUTCOME_COMPLETED;
}

static enum weir__outcome drop(struct weir_pool *pool, struct weir_task *task) {
    struct weir__frame frame;

    if (task->drop) {
        weir__frame_enter(&frame, &pool->host, awaitable(task));
        WEIR__POINT("worker.drop");
        task->drop(task, -ECANCELED);
        weir__frame_leave(&frame);
    }
    return OUTCOME_DROPPED;
}

static void count_outside(struct weir_pool *pool, enum weir__outcome outcome) {
    weir__count_end(&pool->outside, outcome, true);
    weir__quiescence_tell(&pool->quiescence);
}

static void count(struct weir_pool *pool, enum weir__outcome outcome) {
    struct weir__worker *self = weir__worker_self(pool);

    if (self)
        weir__count_end(&self->counters, outcome, false); /* told when the worker runs dry */
    else
        count_outside(pool, outcome);
}

static void run_taken(struct weir__worker *worker, struct weir_task *task) {
    struct weir_pool *pool = worker->pool;

    /* After a shutdown that cancels, what a worker had in hand is dropped as well. */
    bool cancelled = weir__pool_mode(pool) == POOL_CANCELLING || weir__future_is_revoked(task);

    if (!weir__claim_take(task, cancelled ? TASK_CANCELLED : 0))
        return;
    if (cancelled) {
        weir__count_end(&worker->counters, drop(pool, task), false);
        return;
    }
    atomic_store_explicit(&worker->counters.active, 1, memory_order_relaxed);
    enum weir__outcome outcome = run(pool, task);
    atomic_store_explicit(&worker->counters.active, 0, memory_order_relaxed);
    WEIR__POINT("worker.ran");
    weir__count_end(&worker->counters, outcome, false);
}

void weir__drop_taken(struct weir_pool *pool, struct weir_task *task) {
    if (weir__claim_take(task, TASK_CANCELLED))
        count(pool, drop(pool, task));
}

void weir__run_on_caller(struct weir_pool *pool, struct weir_task *task) {
    atomic_fetch_add_explicit(&pool->outside.accepted, 1, memory_order_release);
    atomic_fetch_add_explicit(&pool->caller_ran, 1, memory_order_relaxed);
    count(pool, weir__future_is_revoked(task) ? drop(pool, task) : run(pool, task));
}

/* The last touch of the pool by a thread that came through a future. */
static void leave_as_visitor(struct weir_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->visitors, 1, memory_order_release) == 1)
        weir__futex_wake_all(&pool->visitors);
}

void weir__end_claimed(struct weir__host *host, struct weir_task *task, enum weir__claim claim,
                       bool cancelled) {
    struct weir_pool *pool = (struct weir_pool *)(void *)host;
    bool visitor = weir__worker_self(pool) == NULL;

    /* While the task is unfinished nobody frees the pool; after that, only without visitors. */
    if (visitor)
        atomic_fetch_add_explicit(&pool->visitors, 1, memory_order_relaxed);
    if (claim == CLAIM_REMOVED)
        pool->scheduler->removed(pool);
    if (!cancelled && visitor)
        atomic_fetch_add_explicit(&pool->caller_ran, 1, memory_order_relaxed);
    count(pool, cancelled ? drop(pool, task) : run(pool, task));
    if (visitor)
        leave_as_visitor(pool);
}

static bool pass_gate(struct weir_pool *pool) {
    for (;;) {
        uint32_t gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
        if (gate != GATE_SHUT)
            return gate == GATE_GO;
        weir__futex_wait(&pool->gate, GATE_SHUT, WEIR_FOREVER);
    }
}

void *weir__worker_main(void *arg) {
    struct weir__worker *worker = arg;
    struct weir_pool *pool = worker->pool;
    struct weir_task *task;

    if (!pass_gate(pool))
        return NULL;
    weir__thread_name(pool->name, worker->index);
    current = worker;
    while ((task = pool->scheduler->take(worker)))
        run_taken(worker, task);
    current = NULL;
    atomic_fetch_sub_explicit(&pool->live, 1, memory_order_acq_rel);
    weir__pool_stage(pool);
    return NULL;
}
