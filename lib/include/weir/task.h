/*
 * Task: one piece of work, in memory that its owner provides.
 *
 * The owner fills in run (and drop, if the work must be known to be lost), submits the task to a
 * pool, and keeps the memory valid until run or drop has been called. The pool calls exactly one
 * of the two, exactly once, for each accepted task; the callee may free or reuse the task.
 */
#ifndef WEIR_TASK_H
#define WEIR_TASK_H

#include <weir/base.h>

WEIR__BEGIN

struct weir_task;

/* Does the work. Called on a worker, or on the submitter under WEIR_FULL_CALLER_RUNS. The task's
 * memory belongs to the callee again. Returns 0 or a negative errno, which the pool counts. */
typedef int (*weir_task_run)(struct weir_task *task);

/* Called instead of run when the task will never run: with -ECANCELED; -EOWNERDEAD, the pool is
 * broken; or -EAGAIN, the pool's only thread, which was on its way, could not be created. On the
 * thread that finds that out; no lock of the pool is held. The memory belongs to the callee again.
 */
typedef void (*weir_task_drop)(struct weir_task *task, int error);

enum weir_task_flags {
    /* A thread outside the pool that waits for this task's future may run it itself. */
    WEIR_TASK_ANY_THREAD = 1 << 0,
};

/* Flag: the task belongs to band n of a pool with bands; 0, the most urgent, unless said. */
#define WEIR_TASK_BAND(n) ((uint32_t)(n) << 8)

struct weir_task {
    weir_task_run run;
    weir_task_drop drop; /* NULL: nobody needs to know */
    uint32_t flags;      /* enum weir_task_flags */

    /* The library's own from submit until run or drop. */
    WEIR__ATOMIC(uint32_t) weir__state;
    struct weir_task *weir__next;
    struct weir_task *weir__prev;
    WEIR__ATOMIC(uintptr_t) weir__place;
    WEIR__ATOMIC(uint64_t) weir__queued_ns;
    WEIR__ATOMIC(uint64_t) weir__id; /* last: of all these, only it is not touched for each task */
};

#ifdef __cplusplus
#define WEIR_TASK_INIT(fn)                                                                         \
    { (fn), 0, 0, 0, 0, 0, 0, 0, 0 }
#else
#define WEIR_TASK_INIT(fn)                                                                         \
    { .run = (fn) }
#endif

/*
 * A number that no other task of this process has had, given on the first call for this task and
 * kept until the memory is initialised anew. Any thread that may read the task; no system call.
 */
WEIR_API uint64_t weir_task_id(struct weir_task *task);

#define WEIR_UUID_TEXT 37 /* 36 characters and the final NUL */

/* The same identity as RFC 9562 text (version 8: a per-process random part, then the id). One
 * system call a process, none a task. */
WEIR_API void weir_task_uuid(struct weir_task *task, char text[WEIR_UUID_TEXT]);

WEIR__END

#endif
