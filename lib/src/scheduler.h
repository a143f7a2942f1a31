/*
 * Scheduler: how tasks get from submitters to workers. Three of them stand behind this table:
 * locked.c, ringed.c and stealing.c.
 */
#ifndef WEIR__SCHEDULER_H
#define WEIR__SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/task.h>

#include "deque.h"

struct weir_pool;
struct weir_pool_options;
struct weir__worker;

struct weir__scheduler {
    /* Sets up what the scheduler alone needs. 0 or -ENOMEM. */
    int (*init)(struct weir_pool *pool, const struct weir_pool_options *options);
    void (*destroy)(struct weir_pool *pool);
    /* Queues n tasks in order, waiting for room until the deadline, and sees to it that somebody
     * will take them. self: the calling worker of this pool, or NULL. Returns how many it took, the
     * first ones; an error only for none: -EAGAIN, -ETIMEDOUT, -ESHUTDOWN, or -ECANCELED for a
     * single task that was cancelled. */
    ptrdiff_t (*submit)(struct weir_pool *pool, struct weir__worker *self,
                        struct weir_task *const *tasks, size_t n, uint64_t deadline_ns);
    /* The worker's next task; waits for one. NULL: the worker has left the counts, and ends. */
    struct weir_task *(*take)(struct weir__worker *worker);
    /* The worker's next task, or NULL; does not wait. */
    struct weir_task *(*try_take)(struct weir__worker *worker);
    /* Sleeps until there may be a task, done(arg) may have changed (see wake_helper), or the
     * deadline has passed. For a worker that waits inside a task. 0 or -ETIMEDOUT. */
    int (*help_sleep)(struct weir__worker *worker, bool (*done)(void *arg), void *arg,
                      uint64_t deadline_ns);
    void (*wake_helper)(struct weir__worker *worker);
    /* A task is queued, perhaps with everyone asleep or busy: wakes or hires one worker. */
    void (*summon)(struct weir_pool *pool);
    /* Any thread: the oldest task of the least urgent band of some queue, or NULL; no wait. */
    struct weir_task *(*take_any)(struct weir_pool *pool);
    /* Whether the slot is one of this pool's. Any thread. */
    bool (*holds)(struct weir_pool *pool, const weir__slot *slot);
    /* A claimer has taken a queued task out: there is room for another. */
    void (*removed)(struct weir_pool *pool);
    /* The thread of a worker that runs, or has just been hired, ends: takes it off the counts and
     * hands over what lies in its own queue. The caller has the others look: see sizing.h. */
    void (*abandon)(struct weir__worker *worker);
    /* In a child of fork, where nobody else uses the pool: takes whatever is queued, linked through
     * weir__next, and leaves the queues empty, open and with nothing ever counted. */
    struct weir_task *(*harvest)(struct weir_pool *pool);
    /* From now on submit fails; workers that sleep and submitters that wait for room return. */
    void (*close)(struct weir_pool *pool);
    bool (*is_closed)(struct weir_pool *pool);
    /* Sleeping workers look at the pool's sizes and attention again. */
    void (*look_up)(struct weir_pool *pool);
    size_t (*queued)(struct weir_pool *pool);
    uint64_t (*accepted)(struct weir_pool *pool); /* by shared queues, which count themselves */
    uint64_t (*wakes)(struct weir_pool *pool);
    uint64_t (*oldest_ns)(struct weir_pool *pool);
    /* A worker that found nothing is about to sleep: see age.h. */
    void (*ran_dry)(struct weir_pool *pool);
};

extern const struct weir__scheduler weir__locked;
extern const struct weir__scheduler weir__ringed;
extern const struct weir__scheduler weir__stealing;

#endif
