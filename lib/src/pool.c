#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "platform/cpu.h"
#include "platform/futex.h"
#include "platform/point.h"

#define WORKER_ALIGN ((size_t)64)

/* ---- Making and freeing ---- */

void weir_pool_options_init(struct weir_pool_options *options) {
    *options = (struct weir_pool_options){
        .size = sizeof *options,
        .name = "weir",
    };
}

unsigned weir_default_threads(void) {
    unsigned cpus = weir__cpu_affinity();
    uint32_t quota = weir__cpu_quota("/");

    return quota < cpus ? quota : cpus;
}

static int check(const struct weir_pool_options *options) {
    if (options->size != sizeof *options || options->threads > WEIR_MAX_THREADS)
        return -EINVAL;
    if (options->scheduler != WEIR_STEALING && options->scheduler != WEIR_LOCKED)
        return -EINVAL;
    if (options->full > WEIR_FULL_CALLER_RUNS || options->wait > WEIR_WAIT_BLOCK)
        return -EINVAL;
    return 0;
}

static void init_worker(struct weir__worker *worker, struct weir_pool *pool, unsigned index) {
    worker->pool = pool;
    worker->index = index;
    worker->random = UINT64_C(0x9E3779B97F4A7C15) * (index + 1);
}

static struct weir_pool *alloc_pool(unsigned threads) {
    struct weir_pool *pool = aligned_alloc(WORKER_ALIGN, sizeof *pool);
    if (!pool)
        return NULL;
    memset(pool, 0, sizeof *pool);
    pool->threads = threads;
    pool->workers = aligned_alloc(WORKER_ALIGN, threads * sizeof *pool->workers);
    pool->counters = malloc((threads + 1) * sizeof(struct weir__counters *));
    if (!pool->workers || !pool->counters) {
        free(pool->workers);
        free(pool->counters);
        free(pool);
        return NULL;
    }
    memset(pool->workers, 0, threads * sizeof *pool->workers);
    for (unsigned i = 0; i < threads; i++) {
        init_worker(&pool->workers[i], pool, i);
        pool->counters[i] = &pool->workers[i].counters;
    }
    pool->counters[threads] = &pool->outside;
    return pool;
}

static void init_pool(struct weir_pool *pool, const struct weir_pool_options *options) {
    pool->host.claims = options->wait == WEIR_WAIT_CLAIM;
    pool->host.end_claimed = weir__end_claimed;
    pool->host.spin_ns =
        options->idle_spin_ns < UINT32_MAX ? (uint32_t)options->idle_spin_ns : UINT32_MAX;
    pool->scheduler = options->scheduler == WEIR_LOCKED ? &weir__locked : &weir__stealing;
    pool->full = options->full;
    pool->idle_spin_ns = options->idle_spin_ns;
    pool->capacity = options->capacity;
    strncpy(pool->name, options->name ? options->name : "weir", sizeof pool->name - 1);
    weir__injector_init(&pool->injector);
    weir__idle_init(&pool->idle);
    weir__room_init(&pool->room, options->capacity);
    pool->quiescence.counters = pool->counters;
    pool->quiescence.count = pool->threads + 1;
    pool->quiescence.injected = &pool->injector.accepted;
    pthread_mutex_init(&pool->lifecycle, NULL);
}

static void free_pool(struct weir_pool *pool) {
    pthread_mutex_destroy(&pool->lifecycle);
    weir__idle_destroy(&pool->idle);
    weir__injector_destroy(&pool->injector);
    free(pool->counters);
    free(pool->workers);
    free(pool);
}

int weir_pool_new(struct weir_pool **out, const struct weir_pool_options *options) {
    struct weir_pool_options defaults;

    weir_pool_options_init(&defaults);
    if (!options)
        options = &defaults;
    if (!out || check(options) != 0)
        return -EINVAL;
    struct weir_pool *pool =
        alloc_pool(options->threads ? options->threads : weir_default_threads());
    if (!pool)
        return -ENOMEM;
    init_pool(pool, options);
    int rc = options->deferred_start ? 0 : weir_pool_start(pool);
    if (rc) {
        free_pool(pool);
        return rc;
    }
    *out = pool;
    return 0;
}

/* ---- Start ---- */

static void open_gate(struct weir_pool *pool, enum weir__gate gate) {
    atomic_store_explicit(&pool->gate, gate, memory_order_release);
    weir__futex_wake_all(&pool->gate);
}

/* All threads or none: those that could be created wait at the gate until it is known. */
static int create_threads(struct weir_pool *pool) {
    unsigned created = 0;
    int rc = 0;

    atomic_store_explicit(&pool->gate, GATE_SHUT, memory_order_relaxed);
    while (created < pool->threads && rc == 0) {
        struct weir__worker *worker = &pool->workers[created];
        rc = weir__thread_start(&worker->thread, weir__worker_main, worker);
        created += rc == 0;
    }
    if (rc == 0) {
        atomic_store_explicit(&pool->live, pool->threads, memory_order_relaxed);
        pool->started = true;
    }
    open_gate(pool, rc == 0 ? GATE_GO : GATE_ABORT);
    for (unsigned i = 0; rc != 0 && i < created; i++)
        pthread_join(pool->workers[i].thread, NULL);
    return rc ? -EAGAIN : 0;
}

int weir_pool_start(struct weir_pool *pool) {
    int rc;

    if (!pool)
        return -EINVAL;
    pthread_mutex_lock(&pool->lifecycle);
    if (weir__pool_mode(pool) != POOL_OPEN)
        rc = -ESHUTDOWN;
    else if (pool->started)
        rc = -EALREADY;
    else
        rc = create_threads(pool);
    pthread_mutex_unlock(&pool->lifecycle);
    return rc;
}

/* ---- Submit ---- */

static bool is_valid(const struct weir_task *task) {
    return task && task->run;
}

static ptrdiff_t hand_over(struct weir_pool *pool, struct weir__worker *self,
                           struct weir_task *const *tasks, size_t n, uint64_t deadline_ns) {
    for (size_t i = 0; i < n; i++)
        if (tasks[i]->flags & WEIR__TASK_FUTURE)
            weir__future_set_host(tasks[i], &pool->host);
    /* From a worker submit never blocks, or all workers could wait for each other. */
    return pool->scheduler->submit(pool, self, tasks, n, self ? WEIR_NOW : deadline_ns);
}

static void count_rejected(struct weir_pool *pool) {
    atomic_fetch_add_explicit(&pool->rejected, 1, memory_order_relaxed);
}

static int run_here(struct weir_pool *pool, struct weir_task *task) {
    if (!weir__task_mark_taken(task))
        return -ECANCELED;
    weir__run_on_caller(pool, task);
    return 0;
}

static int submit_one(struct weir_pool *pool, struct weir_task *task, uint64_t deadline_ns) {
    if (!pool || !is_valid(task))
        return -EINVAL;
    ptrdiff_t rc = hand_over(pool, weir__worker_self(pool), &task, 1, deadline_ns);
    if (rc == 1)
        return 0;
    if (rc == -EAGAIN && pool->full == WEIR_FULL_CALLER_RUNS)
        return run_here(pool, task);
    if (rc == -EAGAIN || rc == -ETIMEDOUT)
        count_rejected(pool);
    return (int)rc;
}

static uint64_t default_deadline(const struct weir_pool *pool) {
    return pool->full == WEIR_FULL_BLOCK ? WEIR_FOREVER : WEIR_NOW;
}

int weir_pool_submit(struct weir_pool *pool, struct weir_task *task) {
    return submit_one(pool, task, pool ? default_deadline(pool) : WEIR_NOW);
}

int weir_pool_submit_until(struct weir_pool *pool, struct weir_task *task, uint64_t deadline_ns) {
    if (pool && pool->full == WEIR_FULL_CALLER_RUNS)
        deadline_ns = WEIR_NOW;
    return submit_one(pool, task, deadline_ns);
}

ptrdiff_t weir_pool_submit_batch(struct weir_pool *pool, struct weir_task *const *tasks, size_t n) {
    size_t done = 0;
    ptrdiff_t rc = 0;

    if (!pool || (!tasks && n) || n > PTRDIFF_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!is_valid(tasks[i]))
            return -EINVAL;
    struct weir__worker *self = weir__worker_self(pool);
    while (done < n) {
        rc = hand_over(pool, self, tasks + done, n - done, default_deadline(pool));
        if (rc > 0)
            done += (size_t)rc;
        else if (rc == -ECANCELED)
            done++; /* it has had its outcome */
        else if (rc == -EAGAIN && pool->full == WEIR_FULL_CALLER_RUNS)
            run_here(pool, tasks[done++]);
        else
            break;
    }
    if (done < n && rc == -EAGAIN)
        count_rejected(pool);
    return done ? (ptrdiff_t)done : rc;
}

struct execution {
    struct weir_task task;
    void (*fn)(void *arg);
    void *arg;
};

static int run_execution(struct weir_task *task) {
    struct execution execution = *(struct execution *)(void *)task;

    free(task); /* first, so that the allocator can hand it to what fn submits */
    execution.fn(execution.arg);
    return 0;
}

static void drop_execution(struct weir_task *task, int error) {
    (void)error;
    free(task);
}

int weir_pool_execute(struct weir_pool *pool, void (*fn)(void *arg), void *arg) {
    if (!pool || !fn)
        return -EINVAL;
    struct execution *execution = malloc(sizeof *execution);
    if (!execution)
        return -ENOMEM;
    *execution = (struct execution){
        .task = {.run = run_execution, .drop = drop_execution}, .fn = fn, .arg = arg};
    int rc = weir_pool_submit(pool, &execution->task);
    if (rc)
        free(execution);
    return rc;
}

int weir_pool_async(struct weir_pool *pool, weir_call call, void *arg,
                    struct weir_future **future) {
    if (!pool || !call || !future)
        return -EINVAL;
    struct weir_future *made = weir__future_new(call, arg);
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

/* ---- The end ---- */

/* Only escalates. Returns whether there are workers to see to what is queued. */
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
        weir__drop_taken(pool, task);
}

int weir_pool_shutdown(struct weir_pool *pool, enum weir_shutdown_mode mode) {
    if (!pool || (mode != WEIR_DRAIN && mode != WEIR_CANCEL_PENDING))
        return -EINVAL;
    bool cancel = mode == WEIR_CANCEL_PENDING;
    bool started = enter_mode(pool, cancel ? POOL_CANCELLING : POOL_DRAINING);
    WEIR__POINT("pool.shutdown");
    pool->scheduler->close(pool);
    if (cancel || !started)
        drop_queued(pool);
    weir__pool_stage(pool);
    return 0;
}

int weir_pool_await_idle(struct weir_pool *pool, uint64_t deadline_ns) {
    if (!pool)
        return -EINVAL;
    if (weir__frame_inside_host(&pool->host))
        return -EDEADLK;
    return weir__quiescence_await(&pool->quiescence, deadline_ns);
}

static bool has_ended(struct weir_pool *pool) {
    /* closed, not mode: between the two of them a task may still be accepted. */
    return weir__injector_is_closed(&pool->injector) &&
           atomic_load_explicit(&pool->live, memory_order_acquire) == 0;
}

int weir_pool_await(struct weir_pool *pool, uint64_t deadline_ns) {
    int late = 0;

    if (!pool)
        return -EINVAL;
    if (weir__frame_inside_host(&pool->host))
        return -EDEADLK;
    for (;;) {
        uint32_t stages = atomic_load_explicit(&pool->stages, memory_order_acquire);
        if (has_ended(pool))
            /* Claimed tasks may still run outside. */
            return weir__quiescence_await(&pool->quiescence, deadline_ns);
        if (deadline_ns == WEIR_NOW)
            return -EAGAIN;
        if (late)
            return late;
        late = weir__futex_wait(&pool->stages, stages, deadline_ns);
    }
}

static void await_visitors(struct weir_pool *pool) {
    uint32_t visitors;

    while ((visitors = atomic_load_explicit(&pool->visitors, memory_order_acquire)) != 0)
        weir__futex_wait(&pool->visitors, visitors, WEIR_FOREVER);
}

int weir_pool_free(struct weir_pool *pool) {
    if (!pool)
        return 0;
    if (weir__frame_inside_host(&pool->host))
        return -EDEADLK;
    weir_pool_shutdown(pool, WEIR_DRAIN);
    weir_pool_await(pool, WEIR_FOREVER);
    for (unsigned i = 0; pool->started && i < pool->threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    await_visitors(pool);
    free_pool(pool);
    return 0;
}

size_t weir_pool_size(struct weir_pool *pool) {
    return pool ? pool->threads : 0;
}
