/*
 * Pool: a set of worker threads and the tasks that wait for them.
 *
 * Whatever the options: an accepted task ends in run or in drop, never both and never neither;
 * what happens before submit is seen by the task, and what the task does is seen after every wait
 * for its end; submitting from a worker never blocks; shutdown may be called from a task, only
 * escalates, and lets every waiter return; a pool without work uses no CPU.
 */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <pthread.h>
#include <stdbool.h>

#include <weir/base.h>
#include <weir/future.h>
#include <weir/stats.h>
#include <weir/task.h>

WEIR__BEGIN

struct weir_pool;

/* How tasks reach workers. Whatever the scheduler, a higher band waits for the lower ones, see
 * bands below. */
enum weir_scheduler {
    /* A deque a worker, an injector for outside submitters, parking on futexes. Start order: an
     * outside thread's tasks are taken in order, in shares that workers start side by side; a
     * worker's own newest task starts first, and others steal its oldest. */
    WEIR_STEALING = 0,
    /* One queue under one mutex with two condition variables: the textbook pool, kept as the
     * baseline. Tasks start in the order of submission. */
    WEIR_LOCKED = 1,
    /* A bounded lock-free ring that all threads share. Tasks of one producer start in the order of
     * submission. A cancelled call keeps its place in the bound until a worker passes it. */
    WEIR_RING = 2,
};

/* What submit does when capacity tasks are queued. From a worker, BLOCK acts as REJECT. */
enum weir_full_policy {
    WEIR_FULL_BLOCK = 0,          /* waits for room, until the deadline with submit_until */
    WEIR_FULL_REJECT = 1,         /* -EAGAIN */
    WEIR_FULL_CALLER_RUNS = 2,    /* the submitting thread runs the task before submit returns */
    WEIR_FULL_DISCARD = 3,        /* accepted, and dropped at once */
    WEIR_FULL_DISCARD_OLDEST = 4, /* accepted; the oldest task of the least urgent band that
                                     has one is dropped for it */
    WEIR_FULL_HANDLER = 5,        /* hooks.full is asked, and names one of the others */
};

/* What a worker does that waits for a future of its pool. */
enum weir_wait_policy {
    WEIR_WAIT_CLAIM = 0, /* first runs that very call itself if it is still queued, else parks */
    WEIR_WAIT_BLOCK = 1, /* parks; nested waits can use up all workers */
    WEIR_WAIT_HELP = 2,  /* claims, else runs any queued task until the future is terminal */
    WEIR_WAIT_SPARE = 3, /* claims, else parks and lets a spare thread take its place meanwhile */
};

/* When a pool with fewer than max threads starts another one. */
enum weir_growth {
    WEIR_GROW_WHEN_BUSY = 0, /* a task is queued and no worker is idle */
    WEIR_GROW_WHEN_FULL = 1, /* above the core size: only when the queue is full; the new thread
                                runs the task that found it full (Java's rule) */
};

enum weir_shutdown_mode {
    WEIR_DRAIN = 0,          /* no new tasks; what is queued still runs */
    WEIR_CANCEL_PENDING = 1, /* no new tasks; what is queued is dropped */
    WEIR_CANCEL_RUNNING = 2, /* the same, and weir_cancelled() becomes true in running tasks */
};

enum weir_pool_phase {
    WEIR_POOL_OPEN = 0,       /* accepts tasks */
    WEIR_POOL_DRAINING = 1,   /* shut down; what is queued still runs */
    WEIR_POOL_CANCELLING = 2, /* shut down; what is queued is dropped */
    WEIR_POOL_ENDED = 3,      /* shut down, and no worker is left */
    WEIR_POOL_BROKEN = 4,     /* a thread_start hook failed or a lost thread had no successor */
};

/* What a child of fork gets that uses a pool of its parent. */
enum weir_fork_mode {
    WEIR_FORK_ERROR = 0,   /* -EOWNERDEAD from every call; weir_pool_free gives the memory back */
    WEIR_FORK_RESPAWN = 1, /* an empty pool with threads of its own; what was queued or ran in the
                              parent is dropped in the child with -EOWNERDEAD */
};

#define WEIR_MAX_THREADS 4096u
#define WEIR_MAX_BANDS   8u
#define WEIR_NO_CORE     UINT32_MAX /* threads: no core threads, every thread comes and goes */
#define WEIR_NO_WORKER   UINT32_MAX /* a task that a thread outside the pool's workers ran */

/* A task that was run. The task's memory may be gone: compare its address, do not follow it. */
struct weir_task_info {
    const struct weir_task *task;
    uint32_t worker;    /* index, or WEIR_NO_WORKER */
    int32_t status;     /* task_after: what run returned; -EOWNERDEAD: it ended its thread */
    uint64_t queued_ns; /* from submit to start; 0 when it was never queued */
    uint64_t run_ns;    /* task_after: from start to end */
};

/*
 * Called on the threads named, with no lock held; each may be NULL. Hooks of tasks cost two
 * readings of the clock a task; without them no clock is read. A hook must not free the pool.
 */
struct weir_hooks {
    void *arg;
    /* In a new thread, before its first task. Non-zero breaks the pool: it accepts nothing more,
     * what is queued is dropped with -EOWNERDEAD, every waiter returns. */
    int (*thread_start)(void *arg, uint32_t worker);
    /* In a thread that has run its last task, also one that a task ended. Not after a failed
     * thread_start. */
    void (*thread_stop)(void *arg, uint32_t worker);
    /* Thread factory: creates a joinable thread that runs main(main_arg). 0 or a positive errno.
     * May set any attribute but the detach state. */
    int (*thread_create)(void *arg, pthread_t *thread, void *(*main)(void *), void *main_arg);
    /* On the thread that runs the task. before gets status and run_ns 0. A failure of detached
     * work is seen by after: status. */
    void (*task_before)(void *arg, const struct weir_task_info *info);
    void (*task_after)(void *arg, const struct weir_task_info *info);
    /* On the submitting thread: the task was refused with the error, or discarded (-ECANCELED). */
    void (*rejected)(void *arg, struct weir_task *task, int error);
    /* WEIR_FULL_HANDLER, on the submitting thread: what to do with this task. May make room, or
     * wait, or resize the pool, first. BLOCK means: try again, waiting for room where the caller
     * may wait; from a worker it refuses. */
    enum weir_full_policy (*full)(void *arg, struct weir_pool *pool, struct weir_task *task);
    /* Once, by the last thread that leaves a pool that was shut down, or by shutdown itself when it
     * ends later. Every task has ended, but those that outside threads claimed to run or cancel
     * them, and no other thread is left. */
    void (*terminated)(void *arg);
};

/* Where the pool's memory comes from. alloc gives memory aligned to align (a power of two, at most
 * 64), or NULL. Both may be called by any thread at once. */
struct weir_allocator {
    void *arg;
    void *(*alloc)(void *arg, size_t bytes, size_t align);
    void (*free)(void *arg, void *block, size_t bytes);
};

struct weir_pool_options {
    size_t size;      /* set by weir_pool_options_init */
    const char *name; /* of the threads, cut to 15 bytes with the worker's number; copied */

    /* Sizing. Core threads are kept; those above leave after keep_alive_ns without work. */
    uint32_t threads;     /* core threads. 0: the CPUs that affinity mask and cgroup quota allow */
    uint32_t max_threads; /* 0: as many as core threads */
    uint32_t max_spares;  /* threads above max_threads that may stand in for blocked ones */
    uint64_t keep_alive_ns; /* 0: leave at once */
    bool core_timeout;      /* core threads leave like the others */
    bool on_demand;         /* core threads start when there is work, not with the pool */
    bool deferred_start;    /* threads start with weir_pool_start; tasks may be queued before */
    enum weir_growth growth;

    /* Queueing. */
    enum weir_scheduler scheduler;
    size_t capacity; /* most tasks queued; 0: no bound, or WEIR_RING's default of 4096 */
    enum weir_full_policy full;
    /* Priorities: a worker takes from the lowest numbered band that has a task, but once in a
     * while the other way round, so that no band starves. At most WEIR_MAX_BANDS; 0 is 1. */
    uint32_t bands;

    /* Waiting. */
    enum weir_wait_policy wait;
    /* A worker without work, and a thread in weir_future_get for a future of this pool, look for
     * this long before they sleep: shorter round trips, for CPU time. */
    uint64_t idle_spin_ns;

    /* Threads. */
    size_t stack_bytes; /* 0: the system's default */
    const int *cpus; /* worker i runs on CPU cpus[i % cpus_count] alone; copied. NULL: anywhere */
    size_t cpus_count;
    int numa_node; /* workers stay on this node's CPUs, and allocate there. -1: any */
    enum weir_fork_mode fork;

    struct weir_hooks hooks;         /* copied */
    struct weir_allocator allocator; /* copied; alloc NULL: aligned_alloc and free */
};

/* Fills in the defaults. Call it before setting anything. */
WEIR_API void weir_pool_options_init(struct weir_pool_options *options);

/* How many threads this process should use: CPUs of the affinity mask, or fewer when a cgroup
 * quota allows fewer; at least 1. */
WEIR_API unsigned weir_default_threads(void);

/*
 * Makes a pool and, unless deferred_start or on_demand, starts its core threads: all of them or
 * none. options NULL: the defaults. The caller frees it with weir_pool_free. Signals are blocked in
 * workers, but those that an instruction raises, such as SIGSEGV.
 * -EINVAL: an option out of range, a CPU or node that is not there; -ENOMEM; -EAGAIN: a thread
 * could not be created.
 */
WEIR_API int weir_pool_new(struct weir_pool **out, const struct weir_pool_options *options);

/* Starts the threads of a pool made with deferred_start. Again -EALREADY; -EAGAIN or -ENOMEM: a
 * thread could not be created, none runs, queued tasks are kept and start may be tried again;
 * -ESHUTDOWN. */
WEIR_API int weir_pool_start(struct weir_pool *pool);

/* Starts the core threads that are missing, work or not. Returns how many it started, or -EAGAIN
 * when it could create none of them; -ESHUTDOWN. */
WEIR_API int weir_pool_prestart(struct weir_pool *pool);

/*
 * Hands over a task. Any thread, workers included. Blocks only under WEIR_FULL_BLOCK, only outside
 * the pool's workers. -EAGAIN: full, or a pool without threads could not create one; -ESHUTDOWN:
 * shut down; -EINVAL: NULL, no run, or a band that the pool has not; -ECANCELED: the task of a
 * future that was terminal before; -EOWNERDEAD: the pool is broken, or its parent process's.
 */
WEIR_API int weir_pool_submit(struct weir_pool *pool, struct weir_task *task);

/* The same with a deadline for a full pool, where its policy is BLOCK or REJECT:
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

/* Takes a task that is still queued out of the queue; it gets its drop, on this thread, with
 * -ECANCELED. The caller keeps the task's memory valid during the call. -ENOENT: it is not queued
 * here (any more). For a future use weir_future_cancel. */
WEIR_API int weir_pool_remove(struct weir_pool *pool, struct weir_task *task);

/* Sets the sizes of a running pool. More threads start when there is work for them; surplus ones
 * leave after their present task, idle ones at once. threads WEIR_NO_CORE and 0 as in the options.
 * -EINVAL: max below core, or out of range. */
WEIR_API int weir_pool_resize(struct weir_pool *pool, uint32_t threads, uint32_t max_threads);

/* Changes how long a thread above the core size, or with core_timeout any, waits for work. */
WEIR_API int weir_pool_set_keep_alive(struct weir_pool *pool, uint64_t keep_alive_ns,
                                      bool core_timeout);

/* The options as they are now, with defaults filled in. Strings and arrays are the pool's. */
WEIR_API int weir_pool_get_options(struct weir_pool *pool, struct weir_pool_options *options);

/* From pause to resume no worker takes a task, but for one that it was just about to take; those
 * that run go on, and tasks may be submitted. A waiter may still claim the very task that it waits
 * for. Shutdown ends a pause. */
WEIR_API int weir_pool_pause(struct weir_pool *pool);
WEIR_API int weir_pool_resume(struct weir_pool *pool);

/*
 * A worker is about to block outside the pool's knowledge (a read, a foreign lock): until the end
 * it does not count against max_threads, and if tasks are queued another thread takes its place,
 * up to max_spares above max_threads. Nests. Nothing happens on a thread that is no worker.
 * (The idea of ForkJoinPool's ManagedBlocker.)
 */
WEIR_API void weir_blocking_begin(void);
WEIR_API void weir_blocking_end(void);

/*
 * Ends the pool's life: it accepts nothing more. Only escalates: CANCEL_PENDING after DRAIN drops
 * what is still queued, DRAIN after CANCEL_PENDING changes nothing. Does not wait for tasks; with
 * CANCEL the drop functions run on this thread. Any thread, tasks and callbacks included.
 * A pool that was never started has nobody to drain it: its tasks are dropped.
 */
WEIR_API int weir_pool_shutdown(struct weir_pool *pool, enum weir_shutdown_mode mode);

/* A task that was taken back: either task, or fn and arg of weir_pool_execute. */
struct weir_taken {
    struct weir_task *task;
    void (*fn)(void *arg);
    void *arg;
};

/* Takes up to n queued tasks out, of each queue and band the oldest first, and tells which. Each
 * gets its drop with -ECANCELED, on this thread, before the call returns; unless that frees it, the
 * task may be submitted again. After CANCEL shutdown nothing is left to take. Returns how many. */
WEIR_API ptrdiff_t weir_pool_take_back(struct weir_pool *pool, struct weir_taken *taken, size_t n);

/* Waits until no task is queued or runs, at some moment during the call.
 * -ETIMEDOUT (-EAGAIN with WEIR_NOW); -EDEADLK from a task of this pool. On a pool not yet
 * started, or paused, with tasks queued it waits for the start. */
WEIR_API int weir_pool_await_idle(struct weir_pool *pool, uint64_t deadline_ns);

/* Waits until the pool was shut down and every worker has left its last task.
 * -ETIMEDOUT (-EAGAIN with WEIR_NOW); -EDEADLK from a task of this pool; -EOWNERDEAD: it broke, and
 * every worker has left. */
WEIR_API int weir_pool_await(struct weir_pool *pool, uint64_t deadline_ns);

/* Shuts down with DRAIN unless that was done, waits, joins, frees. No other thread may use the
 * pool any more; its futures stay valid. -EDEADLK from a task of this pool, and nothing has
 * happened. NULL is allowed. */
WEIR_API int weir_pool_free(struct weir_pool *pool);

/* Threads that the pool has or, before its start, will have. */
WEIR_API size_t weir_pool_size(struct weir_pool *pool);

WEIR_API enum weir_pool_phase weir_pool_phase(struct weir_pool *pool);

WEIR__END

#endif
