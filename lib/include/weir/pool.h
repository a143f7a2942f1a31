/*
 * Pool: a set of worker threads and the tasks that wait for them.
 *
 * Whatever the options: an accepted task ends in run or in drop, never both and never neither;
 * what happens before submit is seen by the task, and what the task does is seen after every wait
 * for its end; submitting from a worker never blocks; shutdown may be called from a task; a pool
 * without work uses no CPU.
 */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <stdbool.h>

#include <weir/base.h>
#include <weir/future.h>
#include <weir/stats.h>
#include <weir/task.h>

WEIR__BEGIN

struct weir_pool;

/* How tasks reach workers. */
enum weir_scheduler {
    /* A deque a worker, an injector for outside submitters, parking on futexes. Start order: an
     * outside thread's tasks start roughly in order; a worker's own newest task starts first. */
    WEIR_STEALING = 0,
    /* One queue under one mutex with two condition variables: the textbook pool, kept as the
     * baseline. Tasks start in the order of submission. */
    WEIR_LOCKED = 1,
};

/* What submit does when capacity tasks are queued. From a worker, BLOCK acts as REJECT. */
enum weir_full_policy {
    WEIR_FULL_BLOCK = 0,       /* waits for room, until the deadline with submit_until */
    WEIR_FULL_REJECT = 1,      /* -EAGAIN */
    WEIR_FULL_CALLER_RUNS = 2, /* the submitting thread runs the task before submit returns */
};

/* What a worker does that waits for a future. */
enum weir_wait_policy {
    WEIR_WAIT_CLAIM = 0, /* first runs that very call itself if it is still queued, else parks */
    WEIR_WAIT_BLOCK = 1, /* parks; nested waits can use up all workers */
};

enum weir_shutdown_mode {
    WEIR_DRAIN = 0,          /* no new tasks; what is queued still runs */
    WEIR_CANCEL_PENDING = 1, /* no new tasks; what is queued is dropped */
};

#define WEIR_MAX_THREADS 4096u

struct weir_pool_options {
    size_t size;      /* set by weir_pool_options_init */
    const char *name; /* of the threads, cut to 15 bytes with the worker's number; copied */
    unsigned threads; /* 0: the CPUs that affinity mask and cgroup quota allow */
    size_t capacity;  /* most tasks queued; 0: no bound */
    enum weir_scheduler scheduler;
    enum weir_full_policy full;
    enum weir_wait_policy wait;
    bool deferred_start; /* threads start with weir_pool_start; tasks may be queued before */
    /* A worker without work, and a thread in weir_future_get for a future of this pool, look for
     * this long before they sleep: shorter round trips, for CPU time. */
    uint64_t idle_spin_ns;
};

/* Fills in the defaults. Call it before setting anything. */
WEIR_API void weir_pool_options_init(struct weir_pool_options *options);

/* How many threads this process should use: CPUs of the affinity mask, or fewer when a cgroup
 * quota allows fewer; at least 1. */
WEIR_API unsigned weir_default_threads(void);

/*
 * Makes a pool and, unless deferred_start, starts its threads: all of them or none. options NULL:
 * the defaults. The caller frees it with weir_pool_free. Signals are blocked in workers, but those
 * that an instruction raises, such as SIGSEGV.
 * -EINVAL: an option out of range; -ENOMEM; -EAGAIN: a thread could not be created.
 */
WEIR_API int weir_pool_new(struct weir_pool **out, const struct weir_pool_options *options);

/* Starts the threads of a pool made with deferred_start. Again -EALREADY; -EAGAIN: a thread could
 * not be created, none runs, queued tasks are kept and start may be tried again; -ESHUTDOWN. */
WEIR_API int weir_pool_start(struct weir_pool *pool);

/*
 * Hands over a task. Any thread, workers included. Blocks only under WEIR_FULL_BLOCK, only outside
 * the pool's workers. -EAGAIN: full; -ESHUTDOWN: shut down; -EINVAL: NULL or no run; -ECANCELED:
 * the task of a future that was terminal before.
 */
WEIR_API int weir_pool_submit(struct weir_pool *pool, struct weir_task *task);

/* The same with a deadline for a full pool, whatever its policy but CALLER_RUNS:
 * -ETIMEDOUT (-EAGAIN with WEIR_NOW). */
WEIR_API int weir_pool_submit_until(struct weir_pool *pool, struct weir_task *task,
                                    uint64_t deadline_ns);

/* Hands over n tasks in order, with one publication where there is room. Returns how many were
 * accepted, the first ones; an error only when none was. */
WEIR_API ptrdiff_t weir_pool_submit_batch(struct weir_pool *pool, struct weir_task *const *tasks,
                                          size_t n);

/* Runs fn(arg) later; nobody waits for it alone. As submit, and -ENOMEM. */
WEIR_API int weir_pool_execute(struct weir_pool *pool, void (*fn)(void *arg), void *arg);

/* Runs call(arg, &value) later, and gives a library-owned future for it, which the caller ends
 * with weir_future_unref. As submit, and -ENOMEM; *future is untouched by an error. */
WEIR_API int weir_pool_async(struct weir_pool *pool, weir_call call, void *arg,
                             struct weir_future **future);

/*
 * Ends the pool's life: it accepts nothing more. Only escalates: CANCEL_PENDING after DRAIN drops
 * what is still queued, DRAIN after CANCEL_PENDING changes nothing. Does not wait for tasks; with
 * CANCEL_PENDING the drop functions run on this thread. Any thread, tasks and callbacks included.
 * A pool that was never started has nobody to drain it: its tasks are dropped.
 */
WEIR_API int weir_pool_shutdown(struct weir_pool *pool, enum weir_shutdown_mode mode);

/* Waits until no task is queued or runs, at some moment during the call.
 * -ETIMEDOUT (-EAGAIN with WEIR_NOW); -EDEADLK from a task of this pool. On a pool not yet
 * started with tasks queued it waits for the start. */
WEIR_API int weir_pool_await_idle(struct weir_pool *pool, uint64_t deadline_ns);

/* Waits until the pool was shut down and every worker has left its last task.
 * -ETIMEDOUT (-EAGAIN with WEIR_NOW); -EDEADLK from a task of this pool. */
WEIR_API int weir_pool_await(struct weir_pool *pool, uint64_t deadline_ns);

/* Shuts down with DRAIN unless that was done, waits, joins, frees. No other thread may use the
 * pool any more; its futures stay valid. -EDEADLK from a task of this pool, and nothing has
 * happened. NULL is allowed. */
WEIR_API int weir_pool_free(struct weir_pool *pool);

/* Threads that the pool has or, before its start, will have. */
WEIR_API size_t weir_pool_size(struct weir_pool *pool);

WEIR__END

#endif
