/* Pool, as its own parts see it. The promises are in weir/pool.h. */
#ifndef WEIR__POOL_H
#define WEIR__POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/pool.h>

#include "future.h"
#include "idle.h"
#include "injector.h"
#include "platform/condition.h"
#include "platform/futex.h"
#include "platform/thread.h"
#include "quiescence.h"
#include "room.h"
#include "scheduler.h"
#include "worker.h"

/* Only grows. */
enum weir__pool_mode { POOL_OPEN = 0, POOL_DRAINING = 1, POOL_CANCELLING = 2 };

/* What created threads wait for: whether all of them could be created. */
enum weir__gate { GATE_SHUT = 0, GATE_GO = 1, GATE_ABORT = 2 };

struct weir_pool {
    struct weir__host host; /* first: a future knows its pool by this */
    const struct weir__scheduler *scheduler;
    struct weir__worker *workers;
    unsigned threads;
    enum weir_full_policy full;
    uint64_t idle_spin_ns;
    char name[WEIR__THREAD_NAME];

    struct weir__injector injector;
    struct weir__idle idle; /* STEALING: who sleeps */
    struct weir__room room; /* STEALING: the bound */
    size_t capacity;        /* LOCKED: the bound, and two conditions on the injector's mutex */
    struct weir__condition not_empty, not_full;
    _Atomic uint64_t locked_wakes;

    struct weir__quiescence quiescence;
    struct weir__counters outside; /* of all threads that are not workers of this pool */
    struct weir__counters **counters;
    _Atomic uint64_t rejected;
    _Atomic uint64_t caller_ran;

    pthread_mutex_t lifecycle; /* start against shutdown */
    bool started;              /* guarded by lifecycle */
    _Atomic uint32_t gate;
    _Atomic uint32_t mode;
    _Atomic uint32_t live;   /* workers that have not left */
    _Atomic uint32_t stages; /* moves when mode or live does: what await sleeps on */

    /* Outside threads between claiming a task and their last touch of the pool. */
    _Atomic uint32_t visitors;
};

static inline enum weir__pool_mode weir__pool_mode(const struct weir_pool *pool) {
    return (enum weir__pool_mode)atomic_load_explicit(&pool->mode, memory_order_relaxed);
}

/* mode or live has changed. Release: who reads the new number sees the change. */
static inline void weir__pool_stage(struct weir_pool *pool) {
    atomic_fetch_add_explicit(&pool->stages, 1, memory_order_release);
    weir__futex_wake_all(&pool->stages);
}

#endif
