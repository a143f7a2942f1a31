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
struct weir__host;
struct weir__event_ring;

/* A place for a thread: see roster.h. */
struct weir__worker {
    struct weir__counters counters; /* written by this worker alone */
    struct weir_pool *pool;
    uint32_t index;
    uint32_t ticks;          /* tasks taken, for fairness between queues */
    uint64_t random;         /* state of the choice of victims */
    struct weir_task *first; /* what a new thread runs before all others */
    bool hired;              /* a new thread, counted as searching */
    uint32_t blocks;         /* how deep inside weir_blocking_begin and waits with a spare */
    pthread_t thread;
    _Atomic uint32_t alive;
    _Atomic uint64_t task_since_ns;            /* of a pool with timing: since when in its task */
    _Atomic(struct weir__event_ring *) events; /* see trace.h */
    struct weir__worker *next_vacant;
    struct weir__sleeper sleeper;
    _Alignas(64) struct weir__deque deques[]; /* one a band, under STEALING */
};

/* The worker that the calling thread is in this pool, or in any, or NULL. */
struct weir__worker *weir__worker_self(const struct weir_pool *pool);
struct weir__worker *weir__worker_current(void);

/* Tasks in the worker's own deques; any thread. */
size_t weir__worker_queued(struct weir__worker *worker);

/* The calling worker goes to sleep, and is back: for counters, probes and the trace. */
uint64_t weir__worker_falls_asleep(struct weir__worker *worker);
void weir__worker_wakes(struct weir__worker *worker, uint64_t start_ns);

/* Creates the worker's thread: 0 or -EAGAIN. The caller has counted it in the pool's live. It waits
 * for the pool's gate, then takes and runs tasks until there will be none. */
int weir__worker_create(struct weir__worker *worker);

/* Runs a task that the caller owns and that was never queued: full policy CALLER_RUNS. */
void weir__run_on_caller(struct weir_pool *pool, struct weir_task *task);

/* Drops a task that the caller owns and that was never queued: full policy DISCARD. */
void weir__drop_on_caller(struct weir_pool *pool, struct weir_task *task);

/* Drops a task that the caller has taken out of a queue, unless it was claimed. error: what its
 * drop is told; 0: what the pool's state says. drop_claimed: after weir__claim_take. */
void weir__drop_taken(struct weir_pool *pool, struct weir_task *task, int error);
void weir__drop_claimed(struct weir_pool *pool, struct weir_task *task);

/* The pool's part of struct weir__host. */
extern const struct weir__host_calls weir__pool_host_calls;

#endif
