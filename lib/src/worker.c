#include "worker.h"

#include <errno.h>

#include "frame.h"
#include "platform/futex.h"
#include "platform/point.h"
#include "platform/thread.h"
#include "pool.h"
#include "probe.h"

static _Thread_local struct weir__worker *current __attribute__((tls_model("initial-exec")));

struct weir__worker *weir__worker_current(void) {
    return current;
}

struct weir__worker *weir__worker_self(const struct weir_pool *pool) {
    struct weir__worker *worker = current;

    return worker && worker->pool == pool ? worker : NULL;
}

size_t weir__worker_queued(struct weir__worker *worker) {
    size_t sum = 0;

    if (worker->pool->scheduler != &weir__stealing)
        return 0;
    for (uint32_t band = 0; band < worker->pool->bands; band++)
        sum += weir__deque_size(&worker->deques[band]);
    return sum;
}

/* ---- Sleeping ---- */

uint64_t weir__worker_falls_asleep(struct weir__worker *worker) {
    weir__count(&worker->counters.parks);
    worker->pool->scheduler->ran_dry(worker->pool);
    WEIR__PROBE2(worker_park, worker->pool, worker->index);
    return weir__pool_is_traced(worker->pool) ? weir_now_ns() : 0;
}

void weir__worker_wakes(struct weir__worker *worker, uint64_t start_ns) {
    WEIR__PROBE2(worker_wake, worker->pool, worker->index);
    if (start_ns)
        weir__trace_event(worker->pool, worker, EVENT_PARK, start_ns, weir_now_ns() - start_ns, 0,
                          0);
}

/* ---- Counting ---- */

static void count(struct weir_pool *pool, enum weir__outcome outcome) {
    struct weir__worker *self = weir__worker_self(pool);

    if (self) {
        weir__count_end(&self->counters, outcome, false); /* told when the worker runs dry */
    } else {
        weir__count_end(&pool->outside, outcome, true);
        weir__quiescence_tell(&pool->quiescence);
    }
}

/* A thread that is not a worker is between claiming a task and its last touch of the pool. */
static void enter_as_visitor(struct weir_pool *pool) {
    atomic_fetch_add_explicit(&pool->visitors, 1, memory_order_relaxed);
}

static void leave_as_visitor(struct weir_pool *pool) {
    if (atomic_fetch_sub_explicit(&pool->visitors, 1, memory_order_release) == 1)
        weir__futex_wake_all(&pool->visitors);
}

/* ---- Running ---- */

/* One run of a task on this thread. */
struct run {
    struct weir__frame frame;
    struct weir_pool *pool;
    struct weir__worker *worker; /* NULL: the thread is none of the pool's */
    struct weir_task *task;
    bool is_future;
    bool visitor;
    uint32_t timing; /* at its start */
    uint64_t flow;
    struct weir_task_info info;
    uint64_t start_ns;
    uint64_t outer_since_ns;
    uint64_t outer_active;
};

/* Only a future can be waited for, and only its memory is its task's until the end: a plain task
 * may be freed at once, and a future made at the same address must not be taken for it. */
static const struct weir_task *awaitable(const struct weir_task *task) {
    return task->flags & WEIR__TASK_FUTURE ? task : NULL;
}

static void begin_timed(struct run *run) {
    const struct weir_hooks *hooks = &run->pool->hooks;
    uint64_t queued_ns = atomic_load_explicit(&run->task->weir__queued_ns, memory_order_relaxed);

    run->start_ns = weir_now_ns();
    run->info = (struct weir_task_info){
        .task = run->task,
        .worker = run->worker ? run->worker->index : WEIR_NO_WORKER,
        .queued_ns = queued_ns && queued_ns < run->start_ns ? run->start_ns - queued_ns : 0,
    };
    /* A task that was queued before the trace has no submission to be joined to. */
    run->flow = 0;
    if (queued_ns >= atomic_load_explicit(&run->pool->trace.start_ns, memory_order_relaxed))
        run->flow = weir__trace_flow(run->task, queued_ns);
    if (run->timing & TIMING_TRACE)
        weir__trace_event(run->pool, run->worker, EVENT_DEPTH, run->start_ns,
                          run->pool->scheduler->queued(run->pool), 0, 0);
    if (run->worker) {
        run->outer_since_ns =
            atomic_load_explicit(&run->worker->task_since_ns, memory_order_relaxed);
        atomic_store_explicit(&run->worker->task_since_ns, run->start_ns, memory_order_relaxed);
    }
    if (hooks->task_before)
        hooks->task_before(hooks->arg, &run->info);
}

static void end_timed(struct run *run, int status) {
    const struct weir_hooks *hooks = &run->pool->hooks;

    if (run->worker)
        atomic_store_explicit(&run->worker->task_since_ns, run->outer_since_ns,
                              memory_order_relaxed);
    run->info.status = status;
    run->info.run_ns = weir_now_ns() - run->start_ns;
    if (run->timing & TIMING_TRACE)
        weir__trace_event(run->pool, run->worker, EVENT_TASK, run->start_ns, run->info.run_ns,
                          run->flow, status);
    if (hooks->task_after)
        hooks->task_after(hooks->arg, &run->info);
}

/* Gives what it was before. */
static uint64_t set_active(struct weir__worker *worker, uint64_t active) {
    if (!worker)
        return 0;
    uint64_t before = atomic_load_explicit(&worker->counters.active, memory_order_relaxed);
    if (active != before)
        atomic_store_explicit(&worker->counters.active, active, memory_order_relaxed);
    return before;
}

/* The task ends its thread. The frames of outer tasks, whose waits ran this one, come after it. A
 * future's memory is still its task's; that of a plain task is not. */
static void thread_ends(void *arg) {
    struct run *run = arg;

    if (run->is_future)
        run->task->drop(run->task, -EOWNERDEAD);
    weir__frame_leave(&run->frame);
    set_active(run->worker, 0);
    if (run->timing)
        end_timed(run, -EOWNERDEAD);
    count(run->pool, OUTCOME_FAILED);
    if (run->visitor)
        leave_as_visitor(run->pool);
}

/* The task's memory belongs to its owner again as soon as its run is entered. */
static void run_task(struct weir_pool *pool, struct weir_task *task, bool visitor) {
    struct run run; /* no initialiser: it would clear what only timed runs use, for every task */
    int status;

    run.pool = pool;
    run.task = task;
    run.visitor = visitor;
    run.timing = weir__pool_timing(pool);
    run.worker = weir__worker_self(pool);
    run.is_future = awaitable(task) != NULL;
    run.outer_active = set_active(run.worker, 1);
    weir__frame_enter(&run.frame, &pool->host, awaitable(task));
    pthread_cleanup_push(thread_ends, &run);
    if (run.timing)
        begin_timed(&run);
    WEIR__POINT("worker.run");
    WEIR__PROBE3(task_start, pool, task, run.worker ? run.worker->index : WEIR_NO_WORKER);
    status = task->run(task);
    WEIR__PROBE3(task_end, pool, task, status);
    pthread_cleanup_pop(0);
    weir__frame_leave(&run.frame);
    if (run.timing)
        end_timed(&run, status);
    set_active(run.worker, run.outer_active); /* before it counts as ended, and the pool as idle */
    WEIR__POINT("worker.ran");
    count(pool, status < 0 ? OUTCOME_FAILED : OUTCOME_COMPLETED);
}

static void drop_with(struct weir_pool *pool, struct weir_task *task, int error) {
    struct weir__frame frame;

    if (task->drop) {
        weir__frame_enter(&frame, &pool->host, awaitable(task));
        WEIR__POINT("worker.drop");
        task->drop(task, error);
        weir__frame_leave(&frame);
    }
    count(pool, OUTCOME_DROPPED);
}

static void drop_task(struct weir_pool *pool, struct weir_task *task) {
    drop_with(pool, task, weir__pool_mode(pool) == POOL_BROKEN ? -EOWNERDEAD : -ECANCELED);
}

static void run_or_drop(struct weir__worker *worker, struct weir_task *task, bool cancelled) {
    if (cancelled)
        drop_task(worker->pool, task);
    else
        run_task(worker->pool, task, false);
}

/* After a shutdown that cancels, what a worker has in hand is dropped as well. */
static bool must_drop(struct weir_pool *pool, const struct weir_task *task) {
    return weir__pool_mode(pool) >= POOL_CANCELLING || weir__future_is_revoked(task);
}

static void run_taken(struct weir__worker *worker, struct weir_task *task) {
    bool dropped = must_drop(worker->pool, task);

    if (weir__claim_take(task, dropped ? TASK_CANCELLED : 0))
        run_or_drop(worker, task, dropped);
}

void weir__drop_taken(struct weir_pool *pool, struct weir_task *task, int error) {
    if (!weir__claim_take(task, TASK_CANCELLED))
        return; /* uncovered: a claimer must come between the queue and here */
    if (error)
        drop_with(pool, task, error);
    else
        drop_task(pool, task);
}

void weir__drop_claimed(struct weir_pool *pool, struct weir_task *task) {
    drop_task(pool, task);
}

static void accept_on_caller(struct weir_pool *pool) {
    atomic_fetch_add_explicit(&pool->outside.accepted, 1, memory_order_release);
}

void weir__run_on_caller(struct weir_pool *pool, struct weir_task *task) {
    accept_on_caller(pool);
    atomic_fetch_add_explicit(&pool->caller_ran, 1, memory_order_relaxed);
    atomic_store_explicit(&task->weir__queued_ns, 0, memory_order_relaxed); /* it was not */
    if (weir__future_is_revoked(task))
        drop_task(pool, task);
    else
        run_task(pool, task, false);
}

void weir__drop_on_caller(struct weir_pool *pool, struct weir_task *task) {
    accept_on_caller(pool);
    drop_task(pool, task);
}

/* ---- What futures ask ---- */

static struct weir_pool *pool_of(struct weir__host *host) {
    return (struct weir_pool *)(void *)host;
}

static void end_claimed(struct weir__host *host, struct weir_task *task, enum weir__claim claim,
                        bool cancelled) {
    struct weir_pool *pool = pool_of(host);
    bool visitor = weir__worker_self(pool) == NULL;

    /* While the task is unfinished nobody frees the pool; after that, only without visitors. */
    if (visitor)
        enter_as_visitor(pool);
    if (claim == CLAIM_REMOVED)
        pool->scheduler->removed(pool);
    if (cancelled) {
        drop_task(pool, task);
    } else {
        if (visitor)
            atomic_fetch_add_explicit(&pool->caller_ran, 1, memory_order_relaxed);
        run_task(pool, task, visitor);
    }
    if (visitor)
        leave_as_visitor(pool);
}

static struct weir__worker *self_in(struct weir__host *host) {
    return weir__worker_self(pool_of(host));
}

static int help(struct weir__worker *self, bool (*done)(void *arg), void *arg,
                uint64_t deadline_ns) {
    const struct weir__scheduler *scheduler = self->pool->scheduler;
    int late = 0, rc = 0;
    bool slept = false;

    while (!done(arg)) {
        struct weir_task *task = scheduler->try_take(self);
        if (task) {
            run_taken(self, task);
        } else if (late || (deadline_ns != WEIR_FOREVER && weir_now_ns() >= deadline_ns)) {
            rc = -ETIMEDOUT;
            break;
        } else {
            late = scheduler->help_sleep(self, done, arg, deadline_ns);
            slept = true;
        }
    }
    /* The wake-up that we got may have been for a task that we now leave to others. */
    if (slept && scheduler->queued(self->pool) > 0)
        scheduler->summon(self->pool);
    return rc;
}

static void wake_helper(struct weir__worker *helper) {
    helper->pool->scheduler->wake_helper(helper);
}

static void block(struct weir__host *host) {
    weir__sizing_block(self_in(host));
}

static void unblock(struct weir__host *host) {
    weir__sizing_unblock(self_in(host));
}

const struct weir__host_calls weir__pool_host_calls = {
    .end_claimed = end_claimed,
    .self = self_in,
    .help = help,
    .wake_helper = wake_helper,
    .block = block,
    .unblock = unblock,
};

/* ---- The thread ---- */

static bool pass_gate(struct weir_pool *pool) {
    for (;;) {
        uint32_t gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
        if (gate != GATE_SHUT)
            return gate == GATE_GO;
        weir__futex_wait(&pool->gate, GATE_SHUT, WEIR_FOREVER);
    }
}

static void stop_hook(struct weir__worker *worker) {
    const struct weir_hooks *hooks = &worker->pool->hooks;

    if (hooks->thread_stop)
        hooks->thread_stop(hooks->arg, worker->index);
}

/* A task has ended this thread: another one takes the place over, or nobody. */
static void lost(void *arg) {
    struct weir__worker *worker = arg;
    struct weir_pool *pool = worker->pool;

    stop_hook(worker);
    worker->blocks = worker->blocks ? 1 : 0; /* it blocks no more, however deep it was */
    weir__sizing_unblock(worker);
    current = NULL;
    weir__sizing_replace(pool, worker);
    weir__pool_thread_gone(pool);
}

static bool start_hook(struct weir__worker *worker) {
    const struct weir_hooks *hooks = &worker->pool->hooks;

    return !hooks->thread_start || hooks->thread_start(hooks->arg, worker->index) == 0;
}

static void run_first(struct weir__worker *worker) {
    struct weir_task *task = worker->first;

    worker->first = NULL;
    if (!task)
        return;
    worker->hired = false;
    if (weir__idle_found(&worker->pool->idle, weir__sizing_growth_limit(&worker->pool->sizing)))
        /* uncovered: room must have come, and a task, while this thread was on its way */
        worker->pool->scheduler->summon(worker->pool);
    run_or_drop(worker, task, must_drop(worker->pool, task));
}

static void *worker_main(void *arg) {
    struct weir__worker *worker = arg;
    struct weir_pool *pool = worker->pool;
    struct weir_task *task;
    bool started;

    if (!pass_gate(pool))
        return NULL;
    weir__pool_prepare_thread(pool, worker->index);
    current = worker;
    atomic_store_explicit(&worker->alive, 1, memory_order_relaxed);
    pthread_cleanup_push(lost, worker);
    started = start_hook(worker);
    if (started) {
        run_first(worker);
        while ((task = pool->scheduler->take(worker)))
            run_taken(worker, task);
        weir__quiescence_tell(&pool->quiescence); /* one too many leaves without having run dry */
    } else {
        weir__pool_break(pool);
        if (worker->first)
            drop_task(pool, worker->first);
        pool->scheduler->abandon(worker);
        weir__sizing_leave_to_others(pool);
        weir__quiescence_tell(&pool->quiescence); /* of what was dropped here */
    }
    pthread_cleanup_pop(0);
    if (started)
        stop_hook(worker);
    atomic_store_explicit(&worker->alive, 0, memory_order_relaxed);
    current = NULL;
    weir__sizing_depart(pool, worker);
    weir__pool_thread_gone(pool);
    return NULL;
}

int weir__worker_create(struct weir__worker *worker) {
    struct weir_pool *pool = worker->pool;
    const struct weir_hooks *hooks = &pool->hooks;
    int rc;

    if (hooks->thread_create)
        rc = hooks->thread_create(hooks->arg, &worker->thread, worker_main, worker);
    else
        rc = weir__thread_start(&worker->thread, pool->stack_bytes, worker_main, worker);
    return rc ? -EAGAIN : 0;
}
