/*
 * Occupied: a pool whose one worker is inside a task that ends when it is told to, so that what is
 * submitted stays queued.
 */
#ifndef WEIR__TEST_OCCUPIED_H
#define WEIR__TEST_OCCUPIED_H

#include "unit.h"

struct occupied {
    struct weir_pool *pool;
    struct plug plug;
};

/* The defaults with the scheduler that the test runs under. */
struct weir_pool_options occupied_options(void **state);

/* One thread unless options say more; it is inside the plug when this returns. */
void occupied_make(struct occupied *occupied, const struct weir_pool_options *options);

/* Lets the worker go on, waits until nothing is queued or runs, and frees the pool. */
void occupied_end(struct occupied *occupied);

/* Queues a call that gives its argument back. */
struct weir_future *queue_echo(struct weir_pool *pool, void *value);

/* Waits, whatever the deadline, and gives the reference back. */
int get_and_unref(struct weir_future *future);

#endif
