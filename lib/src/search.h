/*
 * Search: how a worker without a task looks for one, sleeps and leaves, under the schedulers that
 * use the idle set. The protocols are told in idle.h.
 */
#ifndef WEIR__SEARCH_H
#define WEIR__SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "worker.h"

struct weir__search {
    /* Takes a task from anywhere, or gives NULL. */
    struct weir_task *(*look)(struct weir__worker *worker);
    /* Whether look may find something: the last look before sleep, with seq_cst loads. */
    bool (*is_visible)(struct weir_pool *pool);
    /* Whether nothing is queued, nor on its way into a queue. seq_cst. */
    bool (*is_drained)(struct weir_pool *pool);
};

/* The next task for a worker that has found none at hand. NULL: it is off the counts, and ends. */
struct weir_task *weir__search(struct weir__worker *worker, const struct weir__search *how);

/* For a worker that waits inside a task: see scheduler.h. */
int weir__search_help_sleep(struct weir__worker *worker, const struct weir__search *how,
                            bool (*done)(void *arg), void *arg, uint64_t deadline_ns);

/* A task was published: wakes or hires one worker, unless one searches. */
void weir__search_summon(struct weir_pool *pool);

/* A worker has gone off the counts without having looked everywhere: somebody else must. */
void weir__search_gone(struct weir_pool *pool, const struct weir__search *how);

#endif
