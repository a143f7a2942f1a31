/*
 * Counters of a pool and of each worker. Reading them never blocks a worker; counters of one
 * snapshot may be a few tasks apart, and are exact when the pool is idle.
 */
#ifndef WEIR_STATS_H
#define WEIR_STATS_H

#include <weir/base.h>

WEIR__BEGIN

struct weir_pool;

struct weir_pool_stats {
    size_t size;         /* sizeof(struct weir_pool_stats), set by the caller */
    uint64_t workers;    /* threads that have not left */
    uint64_t active;     /* workers inside a task */
    uint64_t queued;     /* accepted, not started */
    uint64_t submitted;  /* accepted */
    uint64_t completed;  /* run returned 0 */
    uint64_t failed;     /* run returned an error */
    uint64_t cancelled;  /* dropped or cancelled before they started */
    uint64_t rejected;   /* refused: full */
    uint64_t caller_ran; /* run by the thread that submitted or waited */
    uint64_t steals;     /* taken from another worker's deque */
    uint64_t parks;      /* times a worker went to sleep */
    uint64_t wakes;      /* times somebody was sent a wake-up */
    uint64_t largest;    /* most threads at one time */
    uint64_t blocked;    /* workers inside weir_blocking_begin, or waiting under WEIR_WAIT_SPARE */
    uint64_t discarded;  /* of the cancelled: by a full policy */
    uint64_t lost;       /* threads that a task ended, or that could not be created */
    /* How long the oldest task that an outside thread submitted has been queued; 0: none is.
     * In steps of the kernel's tick, a few milliseconds. After more than 60,000 submissions a
     * second of which the workers never saw the end, the next few hundred may count as old as
     * those. */
    uint64_t oldest_ns;
};

struct weir_worker_stats {
    size_t size; /* sizeof(struct weir_worker_stats), set by the caller */
    uint64_t active;
    uint64_t completed;
    uint64_t failed;
    uint64_t steals;
    uint64_t parks;
    uint64_t queued;  /* in its own deque */
    uint64_t alive;   /* 1: it has a thread just now */
    uint64_t task_ns; /* how long it has been inside its present task; 0: in none, or hooks.task_*
                         and trace are off */
};

/* Fills stats for the whole pool. Any thread. Only the first stats->size bytes are written.
 * -EINVAL: NULL, or a size that no version of the struct up to the library's has had. */
WEIR_API int weir_pool_stats(struct weir_pool *pool, struct weir_pool_stats *stats);

/* The same for worker index 0 ... threads - 1. -ERANGE: no such worker. */
WEIR_API int weir_worker_stats(struct weir_pool *pool, size_t index,
                               struct weir_worker_stats *stats);

WEIR__END

#endif
