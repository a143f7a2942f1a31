/*
 * The ABI of a pool under test.
 *
 * weir-bench and weir-stress see every pool, weir included, only through this table. A subject is
 * a shared object that exports one function, weir_subject(), or the same file compiled by
 * `make tsan SUBJECT=my_pool.c`. Fill in the four required operations and any optional ones that
 * the pool itself offers; leave the rest NULL: a missing capability is shown as missing, never
 * imitated by the harness.
 *
 * Threads: open and close are called by one thread. Between them every other operation may be
 * called by several threads at once, and from inside tasks where a capability says so.
 */
#ifndef WEIR_SUBJECT_H
#define WEIR_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_SUBJECT_ABI 1u

/* What a pool runs, and a call that brings a value back. */
typedef void (*weir_subject_fn)(void *arg);
typedef void *(*weir_subject_call)(void *arg);

/* Absolute deadlines in CLOCK_MONOTONIC nanoseconds. */
#define WEIR_SUBJECT_NOW     UINT64_C(0)
#define WEIR_SUBJECT_FOREVER UINT64_MAX

/* What the table of operations cannot say by itself. */
enum weir_subject_capability {
    WEIR_SUBJECT_NESTED = 1 << 0,      /* await inside a task never deadlocks, whatever the size */
    WEIR_SUBJECT_FIFO = 1 << 1,        /* tasks of one producer start in the order of submission */
    WEIR_SUBJECT_BOUNDED = 1 << 2,     /* config.capacity is honoured */
    WEIR_SUBJECT_FULL_REJECT = 1 << 3, /* full "reject": submit gives -EAGAIN */
    WEIR_SUBJECT_FULL_BLOCK = 1 << 4,  /* full "block": submit waits for room */
    WEIR_SUBJECT_FULL_CALLER = 1 << 5, /* full "caller-runs": submit runs the task itself */
    WEIR_SUBJECT_DROPS = 1 << 6,       /* config.dropped is called for tasks that never run */
    /* submit may be called from inside a task, and does not wait for room there: full means
     * -EAGAIN, or that the task runs at once. Nothing submits while close runs. */
    WEIR_SUBJECT_FROM_TASK = 1 << 7,
    WEIR_SUBJECT_ONE_THREAD_A_TASK = 1 << 8, /* no pool: config.workers has no meaning */
    /* A bound of its own, whatever config.capacity: submit may give -EAGAIN at any time. */
    WEIR_SUBJECT_REJECTS = 1 << 9,
    WEIR_SUBJECT_UNTIMED = 1 << 10, /* await knows no deadline but NOW and FOREVER */
    /* shutdown may be called from inside a task, and from a function given to on_done. */
    WEIR_SUBJECT_SHUTDOWN_INSIDE = 1 << 11,
    /* When memory or threads run out a call fails with -ENOMEM or -EAGAIN, or the pool goes on with
     * fewer threads; what was accepted is not lost, and nothing aborts. */
    WEIR_SUBJECT_EXHAUSTION = 1 << 12,
    /* NESTED also while the task holds a lock that other tasks want: a thread that awaits runs
     * nobody else's task. */
    WEIR_SUBJECT_NESTED_LOCKED = 1 << 13,
    /* The threads are the process's: pools of one process compete for them, they outlive a pool. */
    WEIR_SUBJECT_SHARED_THREADS = 1 << 14,
};

/* How shutdown() treats queued tasks. */
enum weir_subject_shutdown {
    WEIR_SUBJECT_DRAIN = 0,  /* run what is queued */
    WEIR_SUBJECT_CANCEL = 1, /* drop what is queued */
};

struct weir_subject_config {
    size_t size;        /* sizeof(struct weir_subject_config), for later versions */
    unsigned workers;   /* threads wanted; 0: the pool's own default */
    size_t capacity;    /* bound of the queue; 0: the pool's own default (usually unbounded) */
    const char *full;   /* "block", "reject" or "caller-runs"; NULL: the pool's own default */
    const char *config; /* name of one of the subject's configurations; NULL: the first */
    /* Free "key=value" strings given with --set, ended by NULL; may be NULL. A subject fails
     * open with -EINVAL for a key it does not know. */
    const char *const *options;
    /* Called once, with the task's argument, for each accepted task that will never run.
     * NULL: nobody listens. */
    void (*dropped)(void *arg);
};

/* A named setting of a subject, such as weir's schedulers and wait policies. */
struct weir_subject_variant {
    const char *name;
    const char *notes; /* the settings that matter, in words */
    uint32_t lacks;    /* capabilities of the subject that this variant does not have */
};

/* Work done inside the pool, so that a scenario can tell whether it reached what it attacks. */
struct weir_subject_counters {
    uint64_t steals;
    uint64_t parks;
    uint64_t wakes;
};

struct weir_subject {
    uint32_t abi;        /* WEIR_SUBJECT_ABI */
    size_t size;         /* sizeof(struct weir_subject) */
    const char *name;    /* one word: "glib" */
    const char *version; /* of the pool, as it tells it: "2.74.6" */
    const char *notes;   /* one line: the settings that matter */
    uint32_t capabilities;
    /* Configurations, the default first, ended by a NULL name; NULL: only "default". */
    const struct weir_subject_variant *variants;

    /* Required. All return 0 or a negative errno. */
    int (*open)(const struct weir_subject_config *config, void **pool);
    int (*submit)(void *pool, weir_subject_fn fn, void *arg);
    int (*quiesce)(void *pool); /* returns when every task accepted before the call has ended */
    int (*close)(void *pool);   /* ends every accepted task, joins, frees */

    /* Optional: submission. submit_batch returns how many were accepted, the first ones; an error
     * only when none was. */
    int (*submit_batch)(void *pool, weir_subject_fn fn, void *const *args, size_t n);
    int (*submit_until)(void *pool, weir_subject_fn fn, void *arg, uint64_t deadline_ns);

    /* Optional: values. The harness provides ticket_bytes of memory, aligned to 64, for each
     * call; it lives until release returns. async, await and release come together. */
    size_t ticket_bytes;
    int (*async)(void *pool, weir_subject_call call, void *arg, void *ticket);
    /* 0 with *value, -ETIMEDOUT, -ECANCELED, or the call's own error. */
    int (*await)(void *pool, void *ticket, uint64_t deadline_ns, void **value);
    void (*release)(void *pool, void *ticket);
    int (*poll)(void *pool, void *ticket); /* 1 when it has ended, else 0; never blocks */
    /* Calls fn(arg) once when the ticket has ended, on whatever thread the pool uses. */
    int (*on_done)(void *pool, void *ticket, weir_subject_fn fn, void *arg);
    /* Index of a ticket that has ended, or -ETIMEDOUT. */
    int (*wait_any)(void *pool, void *const *tickets, size_t n, uint64_t deadline_ns);
    int (*wait_all)(void *pool, void *const *tickets, size_t n, uint64_t deadline_ns);
    /* 0: it will never run and await gives -ECANCELED; -EINPROGRESS: it runs; -EALREADY: ended. */
    int (*cancel)(void *pool, void *ticket);

    /* Optional: the rest. After shutdown submit gives -ESHUTDOWN; close is still required. */
    int (*shutdown)(void *pool, enum weir_subject_shutdown how);
    size_t (*queued)(void *pool);
    int (*counters)(void *pool, struct weir_subject_counters *counters);
    /* Builds with synchronisation points of their own call hook(name) at each; NULL removes it. */
    void (*perturb)(void (*hook)(const char *point));

    /*
     * Optional: fork-join. Computes the kernel "fib", "nqueens", "uts" or "skynet" of size n in
     * the pool's own idiom, with the rule of spawning and the shared leaves of bench/kernels.h, and
     * stores its answer. -ENOTSUP: not this kernel. Called by one thread outside of the pool, which
     * takes part only where it counts as one of config.workers.
     */
    int (*kernel)(void *pool, const char *name, unsigned n, uint64_t *result);

    /* Optional: submit for a task that will sleep or block, for pools that want to be told so (a
     * spare thread, a longer queue, a separate executor). NULL: submit takes it like any other. */
    int (*submit_blocking)(void *pool, weir_subject_fn fn, void *arg);

    /*
     * Optional, for pools that take tasks from their own threads alone: runs body(arg) on the
     * calling thread as one of them, beside config.workers others. Every operation between open and
     * close is then called from inside of body; what is submitted from elsewhere may run at once on
     * its submitter. -EBUSY: another thread is inside.
     */
    int (*inside)(void *pool, void (*body)(void *arg), void *arg);
};

/* The one function that a subject exports. The table is static; nobody frees it. It has the name of
 * the struct, of which C++ would warn. */
#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
__attribute__((visibility("default"))) const struct weir_subject *weir_subject(void);
#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif

#ifdef __cplusplus
}
#endif
#endif
