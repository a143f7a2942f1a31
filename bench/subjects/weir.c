/*
 * weir as a subject: each scheduler and wait policy is a variant. Tasks of submit are allocated by
 * weir_pool_execute, futures lie in the ticket that the harness provides.
 */
#include "bench/subject.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "bench/kernels.h"

#ifdef WEIR_STRESS
#include "lib/src/platform/point.h"
#endif

#define BATCH         ((size_t)256)
#define KEEP_ALIVE_NS UINT64_C(100000) /* of threads above the core size */
#define SPARES        8u

struct variant {
    enum weir_scheduler scheduler;
    enum weir_wait_policy wait;
    uint64_t idle_spin_ns;
    uint32_t bands;  /* tasks are spread over them */
    bool comes_goes; /* no core threads: each starts when there is work, and leaves soon */
};

static const struct weir_subject_variant variants[] = {
    {"stealing", "per-worker deques and injector; waits claim; idle workers park at once",
     WEIR_SUBJECT_FIFO},
    {"locked", "one mutex, two conditions; waits claim", 0},
    {"stealing-spin", "as stealing; workers and waiters look for 20 us before they park",
     WEIR_SUBJECT_FIFO},
    {"stealing-block", "per-worker deques and injector; waits block",
     WEIR_SUBJECT_FIFO | WEIR_SUBJECT_NESTED},
    {"locked-block", "one mutex, two conditions; waits block", WEIR_SUBJECT_NESTED},
#ifdef WEIR_STRESS /* what weir-stress attacks besides */
    {"ring", "one bounded lock-free ring; waits claim", 0},
    {"ring-spare", "ring; a spare thread stands in for a waiting one", 0},
    {"stealing-help", "per-worker deques and injector; who waits runs any task",
     WEIR_SUBJECT_FIFO | WEIR_SUBJECT_NESTED_LOCKED},
    {"locked-help", "one mutex, two conditions; who waits runs any task",
     WEIR_SUBJECT_NESTED_LOCKED},
    {"stealing-dynamic", "no core threads; they leave after 100 us without work",
     WEIR_SUBJECT_FIFO},
    {"locked-dynamic", "the same on one mutex", 0},
    {"ring-bands", "ring; tasks spread over three bands", WEIR_SUBJECT_FIFO},
    {"stealing-bands", "stealing; tasks spread over three bands", WEIR_SUBJECT_FIFO},
#endif
    {NULL, NULL, 0},
};

static const struct variant settings[] = {
    {WEIR_STEALING, WEIR_WAIT_CLAIM, 0, 1, false},
    {WEIR_LOCKED, WEIR_WAIT_CLAIM, 0, 1, false},
    {WEIR_STEALING, WEIR_WAIT_CLAIM, 20000, 1, false},
    {WEIR_STEALING, WEIR_WAIT_BLOCK, 0, 1, false},
    {WEIR_LOCKED, WEIR_WAIT_BLOCK, 0, 1, false},
#ifdef WEIR_STRESS
    {WEIR_RING, WEIR_WAIT_CLAIM, 0, 1, false},
    {WEIR_RING, WEIR_WAIT_SPARE, 0, 1, false},
    {WEIR_STEALING, WEIR_WAIT_HELP, 0, 1, false},
    {WEIR_LOCKED, WEIR_WAIT_HELP, 0, 1, false},
    {WEIR_STEALING, WEIR_WAIT_CLAIM, 0, 1, true},
    {WEIR_LOCKED, WEIR_WAIT_CLAIM, 0, 1, true},
    {WEIR_RING, WEIR_WAIT_CLAIM, 0, 3, false},
    {WEIR_STEALING, WEIR_WAIT_CLAIM, 0, 3, false},
#endif
};

struct subject_pool {
    struct weir_pool *pool;
    bool nested; /* a task may wait for a task of its own */
    uint32_t bands;
    void (*dropped)(void *arg);
};

/* A task that can tell the harness that it was dropped. */
struct fn_task {
    struct weir_task task;
    weir_subject_fn fn;
    void (*dropped)(void *arg);
    void *arg;
};

struct ticket {
    struct weir_future future;
    weir_subject_call call;
    void *arg;
    struct weir_callback callback;
    weir_subject_fn done;
    void *done_arg;
};

static int find_variant(const char *name, struct variant *out) {
    for (size_t i = 0; variants[i].name; i++) {
        if (!name || strcmp(name, variants[i].name) == 0) {
            *out = settings[i];
            return 0;
        }
    }
    return -EINVAL;
}

static int full_policy(const char *name, enum weir_full_policy *out) {
    static const char *const names[] = {"block", "reject", "caller-runs"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (!name || strcmp(name, names[i]) == 0) {
            *out = (enum weir_full_policy)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int set_options(struct weir_pool_options *options, const char *const *pairs) {
    for (; pairs && *pairs; pairs++) {
        char *end;
        if (strncmp(*pairs, "idle_spin_ns=", 13) != 0)
            return -EINVAL;
        errno = 0;
        options->idle_spin_ns = strtoull(*pairs + 13, &end, 10);
        if (errno || *end || end == *pairs + 13)
            return -EINVAL;
    }
    return 0;
}

static int subject_open(const struct weir_subject_config *config, void **out) {
    struct weir_pool_options options;
    struct variant variant;

    weir_pool_options_init(&options);
    if (find_variant(config->config, &variant) || full_policy(config->full, &options.full))
        return -EINVAL;
    options.threads = variant.comes_goes ? WEIR_NO_CORE : config->workers;
    options.max_threads = variant.comes_goes ? config->workers : 0;
    options.keep_alive_ns = KEEP_ALIVE_NS;
    options.max_spares = variant.wait == WEIR_WAIT_SPARE ? SPARES : 0;
    options.bands = variant.bands;
    options.capacity = config->capacity;
    options.scheduler = variant.scheduler;
    options.wait = variant.wait;
    options.idle_spin_ns = variant.idle_spin_ns;
    if (set_options(&options, config->options))
        return -EINVAL;

    struct subject_pool *subject = malloc(sizeof *subject);
    if (!subject)
        return -ENOMEM;
    subject->dropped = config->dropped;
    subject->nested = variant.wait != WEIR_WAIT_BLOCK;
    subject->bands = variant.bands;
    int rc = weir_pool_new(&subject->pool, &options);
    if (rc) {
        free(subject);
        return rc;
    }
    *out = subject;
    return 0;
}

static int run_fn(struct weir_task *task) {
    struct fn_task copy = *(struct fn_task *)(void *)task;

    free(task);
    copy.fn(copy.arg);
    return 0;
}

static void drop_fn(struct weir_task *task, int error) {
    struct fn_task copy = *(struct fn_task *)(void *)task;

    (void)error;
    free(task);
    if (copy.dropped)
        copy.dropped(copy.arg);
}

/* Neighbours go to different bands. */
static uint32_t band(const struct subject_pool *subject, const void *arg) {
    return WEIR_TASK_BAND((uintptr_t)arg / 64 % subject->bands);
}

/* What weir_pool_execute does, with a drop that tells the harness. */
static struct weir_task *make_task(struct subject_pool *subject, weir_subject_fn fn, void *arg) {
    struct fn_task *task = malloc(sizeof *task);

    if (!task)
        return NULL;
    *task = (struct fn_task){.task = {.run = run_fn, .drop = drop_fn, .flags = band(subject, arg)},
                             .fn = fn,
                             .dropped = subject->dropped,
                             .arg = arg};
    return &task->task;
}

static int subject_submit(void *pool, weir_subject_fn fn, void *arg) {
    struct subject_pool *subject = pool;
    struct weir_task *task = make_task(subject, fn, arg);
    int rc = task ? weir_pool_submit(subject->pool, task) : -ENOMEM;

    if (rc)
        free(task);
    return rc;
}

static int submit_until(void *pool, weir_subject_fn fn, void *arg, uint64_t deadline_ns) {
    struct subject_pool *subject = pool;
    struct weir_task *task = make_task(subject, fn, arg);
    int rc = task ? weir_pool_submit_until(subject->pool, task, deadline_ns) : -ENOMEM;

    if (rc)
        free(task);
    return rc;
}

/* At most BATCH tasks; returns how many were accepted. */
static int submit_some(struct subject_pool *subject, weir_subject_fn fn, void *const *args,
                       size_t n) {
    struct weir_task *tasks[BATCH];
    size_t made = 0;

    while (made < n && (tasks[made] = make_task(subject, fn, args[made])))
        made++;
    ptrdiff_t taken = made ? weir_pool_submit_batch(subject->pool, tasks, made) : -ENOMEM;
    for (size_t i = taken > 0 ? (size_t)taken : 0; i < made; i++)
        free(tasks[i]);
    return (int)taken;
}

static int subject_submit_batch(void *pool, weir_subject_fn fn, void *const *args, size_t n) {
    size_t done = 0;

    while (done < n) {
        size_t some = n - done < BATCH ? n - done : BATCH;
        int taken = submit_some(pool, fn, args + done, some);
        if (taken < 0)
            return done ? (int)done : taken;
        done += (size_t)taken;
        if ((size_t)taken < some)
            break;
    }
    return (int)done;
}

static int subject_quiesce(void *pool) {
    struct subject_pool *subject = pool;

    return weir_pool_await_idle(subject->pool, WEIR_FOREVER);
}

static int subject_close(void *pool) {
    struct subject_pool *subject = pool;
    int rc = weir_pool_free(subject->pool);

    if (rc == 0)
        free(subject);
    return rc;
}

static int run_call(void *arg, void **value) {
    struct ticket *ticket = arg;

    *value = ticket->call(ticket->arg);
    return 0;
}

static int subject_async(void *pool, weir_subject_call call, void *arg, void *memory) {
    struct subject_pool *subject = pool;
    struct ticket *ticket = memory;

    ticket->call = call;
    ticket->arg = arg;
    weir_future_init(&ticket->future);
    return weir_pool_submit(
        subject->pool, weir_future_task(&ticket->future, run_call, ticket, band(subject, arg)));
}

static int subject_await(void *pool, void *memory, uint64_t deadline_ns, void **value) {
    struct ticket *ticket = memory;

    (void)pool;
    int rc = weir_future_get(&ticket->future, value, deadline_ns);
    return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

static void subject_release(void *pool, void *memory) {
    struct ticket *ticket = memory;

    (void)pool;
    weir_future_fini(&ticket->future);
}

static int subject_poll(void *pool, void *memory) {
    struct ticket *ticket = memory;

    (void)pool;
    return weir_future_state(&ticket->future) >= WEIR_FUTURE_DONE;
}

static void call_done(struct weir_future *future, void *arg) {
    struct ticket *ticket = arg;

    (void)future;
    ticket->done(ticket->done_arg);
}

static int subject_on_done(void *pool, void *memory, weir_subject_fn fn, void *arg) {
    struct ticket *ticket = memory;

    (void)pool;
    ticket->done = fn;
    ticket->done_arg = arg;
    ticket->callback = (struct weir_callback){.fn = call_done, .arg = ticket};
    return weir_future_on_done(&ticket->future, &ticket->callback);
}

static int wait_some(void *const *tickets, size_t n, enum weir_wait_mode mode,
                     uint64_t deadline_ns) {
    /* The future is the first member, so the array of tickets is one of futures. */
    _Static_assert(offsetof(struct ticket, future) == 0, "the future comes first");
    ptrdiff_t rc =
        weir_wait((struct weir_future *const *)(const void *)tickets, n, mode, deadline_ns);
    return rc == -EAGAIN ? -ETIMEDOUT : (int)rc;
}

static int subject_wait_any(void *pool, void *const *tickets, size_t n, uint64_t deadline_ns) {
    (void)pool;
    return wait_some(tickets, n, WEIR_ANY, deadline_ns);
}

static int subject_wait_all(void *pool, void *const *tickets, size_t n, uint64_t deadline_ns) {
    (void)pool;
    return wait_some(tickets, n, WEIR_ALL, deadline_ns);
}

static int subject_cancel(void *pool, void *memory) {
    struct ticket *ticket = memory;

    (void)pool;
    return weir_future_cancel(&ticket->future);
}

static int subject_shutdown(void *pool, enum weir_subject_shutdown how) {
    struct subject_pool *subject = pool;

    return weir_pool_shutdown(subject->pool,
                              how == WEIR_SUBJECT_CANCEL ? WEIR_CANCEL_PENDING : WEIR_DRAIN);
}

static size_t subject_queued(void *pool) {
    struct subject_pool *subject = pool;
    struct weir_pool_stats stats = {.size = sizeof stats};

    weir_pool_stats(subject->pool, &stats);
    return stats.queued;
}

static int subject_counters(void *pool, struct weir_subject_counters *counters) {
    struct subject_pool *subject = pool;
    struct weir_pool_stats stats = {.size = sizeof stats};

    weir_pool_stats(subject->pool, &stats);
    *counters = (struct weir_subject_counters){stats.steals, stats.parks, stats.wakes};
    return 0;
}

/* ---- Fork-join: a caller-owned future on the parent's stack for each spawned child ----------- */

struct branch {
    struct weir_future future;
    struct weir_pool *pool;
    uint64_t (*compute)(const struct branch *branch);
    bool spawned;
    unsigned n;
    uint64_t first; /* skynet: the first leaf's number */
    struct kernel_board board;
    struct kernel_node node;
    uint64_t answer;
};

static int run_branch(void *arg, void **value) {
    struct branch *branch = arg;

    (void)value;
    branch->answer = branch->compute(branch);
    return 0;
}

/* A full queue takes no more: then the parent does it itself. */
static void fork_branch(struct branch *branch) {
    weir_future_init(&branch->future);
    branch->spawned = weir_pool_submit(branch->pool, weir_future_task(&branch->future, run_branch,
                                                                      branch, 0)) == 0;
    if (!branch->spawned)
        run_branch(branch, NULL);
}

static uint64_t join_branch(struct branch *branch) {
    if (branch->spawned) {
        weir_future_get(&branch->future, NULL, WEIR_FOREVER);
        weir_future_fini(&branch->future);
    }
    return branch->answer;
}

/* All but the last are spawned; joined last first, since those are most likely still here. */
static uint64_t fork_and_join(struct branch *branches, unsigned n) {
    for (unsigned i = 0; i + 1 < n; i++)
        fork_branch(&branches[i]);
    uint64_t answer = n ? branches[n - 1].compute(&branches[n - 1]) : 0;
    for (unsigned i = n - 1; n && i-- > 0;)
        answer += join_branch(&branches[i]);
    return answer;
}

static uint64_t fib(const struct branch *self) {
    if (self->n < 2)
        return self->n;
    struct branch children[2];
    for (unsigned i = 0; i < 2; i++) {
        children[i].pool = self->pool;
        children[i].compute = fib;
        children[i].n = self->n - 1 - i;
    }
    return fork_and_join(children, 2);
}

static uint64_t nqueens(const struct branch *self) {
    if (kernel_board_is_leaf(&self->board))
        return kernel_board_count(&self->board);
    struct branch children[KERNEL_CHILDREN_MAX];
    unsigned n = 0;
    for (uint32_t left = kernel_board_free(&self->board); left; left &= left - 1) {
        children[n].pool = self->pool;
        children[n].compute = nqueens;
        children[n++].board = kernel_board_put(&self->board, left & (0u - left));
    }
    return fork_and_join(children, n);
}

static uint64_t uts(const struct branch *self) {
    struct branch children[KERNEL_UTS_CHILDREN];
    for (unsigned i = 0; i < self->node.children; i++) {
        children[i].pool = self->pool;
        children[i].compute = uts;
        children[i].node = kernel_node_child(&self->node, i);
    }
    return 1 + fork_and_join(children, self->node.children);
}

static uint64_t skynet(const struct branch *self) {
    if (self->n == 0)
        return self->first;
    struct branch children[KERNEL_SKYNET_CHILDREN];
    uint64_t stride = kernel_skynet_stride(self->n);
    for (unsigned i = 0; i < KERNEL_SKYNET_CHILDREN; i++) {
        children[i].pool = self->pool;
        children[i].compute = skynet;
        children[i].n = self->n - 1;
        children[i].first = self->first + i * stride;
    }
    return fork_and_join(children, KERNEL_SKYNET_CHILDREN);
}

static int subject_kernel(void *pool, const char *name, unsigned n, uint64_t *result) {
    static uint64_t (*const computes[])(const struct branch *) = {fib, nqueens, uts, skynet};
    struct subject_pool *subject = pool;
    enum kernel kernel = kernel_find(name);

    if (kernel == KERNEL_UNKNOWN || !subject->nested)
        return -ENOTSUP;
    struct branch root = {.pool = subject->pool, .compute = computes[kernel], .n = n};
    if (kernel == KERNEL_NQUEENS)
        root.board = kernel_board_empty(n);
    if (kernel == KERNEL_UTS)
        root.node = kernel_node_root(n);
    weir_future_init(&root.future);
    int rc = weir_pool_submit(root.pool, weir_future_task(&root.future, run_branch, &root, 0));
    if (rc)
        return rc;
    rc = weir_future_get(&root.future, NULL, WEIR_FOREVER);
    weir_future_fini(&root.future);
    *result = root.answer;
    return rc;
}

#ifdef WEIR_STRESS
static void subject_perturb(void (*hook)(const char *point)) {
    atomic_store_explicit(&weir__point, hook, memory_order_relaxed);
}
#else
#define subject_perturb NULL
#endif

static const struct weir_subject subject = {
    .abi = WEIR_SUBJECT_ABI,
    .size = sizeof subject,
    .name = "weir",
    .version = WEIR_VERSION,
    .notes = "unbounded unless a capacity is given; no allocation for futures",
    .capabilities = WEIR_SUBJECT_NESTED | WEIR_SUBJECT_FIFO | WEIR_SUBJECT_BOUNDED |
                    WEIR_SUBJECT_FULL_REJECT | WEIR_SUBJECT_FULL_BLOCK | WEIR_SUBJECT_FULL_CALLER |
                    WEIR_SUBJECT_DROPS | WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_SHUTDOWN_INSIDE |
                    WEIR_SUBJECT_EXHAUSTION | WEIR_SUBJECT_NESTED_LOCKED,
    .variants = variants,
    .open = subject_open,
    .submit = subject_submit,
    .quiesce = subject_quiesce,
    .close = subject_close,
    .submit_batch = subject_submit_batch,
    .submit_until = submit_until,
    .ticket_bytes = sizeof(struct ticket),
    .async = subject_async,
    .await = subject_await,
    .release = subject_release,
    .poll = subject_poll,
    .on_done = subject_on_done,
    .wait_any = subject_wait_any,
    .wait_all = subject_wait_all,
    .cancel = subject_cancel,
    .shutdown = subject_shutdown,
    .queued = subject_queued,
    .counters = subject_counters,
    .perturb = subject_perturb,
    .kernel = subject_kernel,
};

__attribute__((visibility("default"))) const struct weir_subject *weir_subject(void) {
    return &subject;
}
