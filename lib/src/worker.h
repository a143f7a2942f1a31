/*
 * Worker: one thread of a pool, and how a task is run and its end counted, there or elsewhere.
 */
#ifndef WEIR__WORKER_H
#define WEIR__WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "claim.h"
#include "deque.h"
#include "idle.h"
#include "quiescence.h"

struct weir_pool;

struct weir__worker {
    struct weir__counters counters; /* written by this worker alone */
    struct weir_pool *pool;
    unsigned index;
    unsigned ticks;  /* tasks taken, for fairness between queues */
    uint64_t random; /* state of the choice of victims */
    pthread_t thread;
    struct weir__sleeper sleeper;
    struct weir__deque deque; /* used by STEALING */
};

/* The worker that the calling thread is in this pool, or NULL. */
struct weir__worker *weir__worker_self(const struct weir_pool *pool);

/* Thread body: waits for the pool's gate, then takes and runs tasks until there will be none. */
void *weir__worker_main(void *worker);

/* Runs a task that the caller owns and that was never queued: full policy CALLER_RUNS. */
void weir__run_on_caller(struct weir_pool *pool, struct weir_task *task);

/* Drops a task that the caller has taken out of a queue, unless it was claimed. */
void weir__drop_taken(struct weir_pool *pool, struct weir_task *task);

/* Runs or drops a claimed task: the pool's part of struct weir__host. */
struct weir__host;
void weir__end_claimed(struct weir__host *host, struct weir_task *task, enum weir__claim claim,
                       bool cancelled);

#endif
