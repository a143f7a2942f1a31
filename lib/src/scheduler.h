/*
 * Scheduler: how tasks get from submitters to workers. Two of them stand behind this table:
 * locked.c and stealing.c.
 */
#ifndef WEIR__SCHEDULER_H
#define WEIR__SCHEDULER_H

#include <stddef.h>
#include <stdint.h>

#include <weir/task.h>

struct weir_pool;
struct weir__worker;

struct weir__scheduler {
    /* Queues n tasks in order, waiting for room until the deadline. self: the calling worker of
     * this pool, or NULL. Returns how many it took, the first ones; an error only for none:
     * -EAGAIN, -ETIMEDOUT, -ESHUTDOWN, or -ECANCELED for a single task that was cancelled. */
    ptrdiff_t (*submit)(struct weir_pool *pool, struct weir__worker *self,
                        struct weir_task *const *tasks, size_t n, uint64_t deadline_ns);
    /* The worker's next task; waits for one. NULL: shut down, and nothing is left. */
    struct weir_task *(*take)(struct weir__worker *worker);
    /* Any thread: some queued task, or NULL; does not wait. */
    struct weir_task *(*take_any)(struct weir_pool *pool);
    /* A claimer has taken a queued task out: there is room for another. */
    void (*removed)(struct weir_pool *pool);
    /* From now on submit fails; workers that sleep and submitters that wait for room return. */
    void (*close)(struct weir_pool *pool);
    size_t (*queued)(struct weir_pool *pool);
    uint64_t (*wakes)(struct weir_pool *pool);
};

extern const struct weir__scheduler weir__locked;
extern const struct weir__scheduler weir__stealing;

#endif
