/* Pool, as its own parts see it. The promises are in weir/pool.h. */
#ifndef WEIR__POOL_H
#define WEIR__POOL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/pool.h>

#include "future.h"
#include "idle.h"
#include "injector.h"
#include "orphan.h"
#include "platform/condition.h"
#include "platform/futex.h"
#include "platform/thread.h"
#include "quiescence.h"
#include "ring.h"
#include "room.h"
#include "scheduler.h"
#include "sizing.h"
#include "trace.h"
#include "worker.h"

/* Only grows. */
enum weir__pool_mode {
    POOL_OPEN = 0,
    POOL_DRAINING = 1,
    POOL_CANCELLING = 2,
    POOL_BROKEN = 3,
};

/* Reasons to read the clock for each task. */
enum { TIMING_HOOKS = 1, TIMING_TRACE = 2 };

/* What created threads wait for: whether all of them could be created. */
enum weir__gate { GATE_SHUT = 0, GATE_GO = 1, GATE_ABORT = 2 };

/*
 * Something of a floor above that lives as long as the pool, such as its timers. closing is called
 * in each shutdown, with no lock held; with POOL_DRAINING it may answer true: the pool then refuses
 * its users from now on, but accepts weir__pool_submit_held and ends only when
 * weir__pool_release was called once. orphaned, which may be NULL, is called in a child of fork,
 * before the pool is adopted or destroyed there: threads and tasks of the attachment are gone.
 * destroy is called when the pool is freed.
 */
struct weir__attachment {
    struct weir__attachment *next;
    bool (*closing)(struct weir__attachment *self, enum weir__pool_mode mode);
    void (*orphaned)(struct weir__attachment *self);
    void (*destroy)(struct weir__attachment *self);
};

struct weir_pool {
    struct weir__host host; /* first: a future knows its pool by this */
    const struct weir__scheduler *scheduler;
    _Atomic uint32_t mode;
    _Atomic uint32_t generation; /* of the process that its threads are in */
    _Atomic uint32_t timing;     /* who wants to know when tasks were queued and ran */
    enum weir_full_policy full;
    uint32_t bands;
    uint64_t idle_spin_ns;
    struct weir_hooks hooks;
    char name[WEIR__THREAD_NAME];
    size_t stack_bytes;
    struct weir_pool_options options; /* as given, defaults filled in */
    int *cpus;                        /* copy of options.cpus */

    struct weir__sizing sizing;
    struct weir__injector injector; /* LOCKED, STEALING */
    struct weir__ring *rings;       /* RING: one a band */
    _Atomic bool rings_closed;
    _Atomic uint64_t spent; /* RING: positions that carried nothing, and count as ended */
    struct weir__idle idle;
    struct weir__room room; /* STEALING, RING: the bound, or who waits for room */
    size_t capacity;        /* LOCKED, RING: the bound */
    struct weir__condition not_empty, not_full; /* LOCKED: on the injector's mutex */
    uint32_t sleepers, called; /* LOCKED: at not_empty, see locked.c; guarded by that mutex */
    _Atomic uint64_t locked_wakes;

    struct weir__quiescence quiescence;
    struct weir__counters outside; /* of all threads that are not workers of this pool */
    _Atomic uint64_t rejected;
    _Atomic uint64_t caller_ran;
    _Atomic uint64_t discarded;

    pthread_mutex_t lifecycle; /* start against shutdown; places, attachments */
    bool started;              /* guarded by lifecycle */
    struct weir__attachment *attachments;
    bool end_told;  /* somebody tells, or has told, that the pool has ended; guarded likewise */
    unsigned holds; /* attachments that keep a draining pool from closing; guarded likewise */
    _Atomic uint32_t gate;
    _Atomic uint32_t live;   /* threads that have not ended, and closers */
    _Atomic bool ended;      /* closed, no thread is left, and that was told */
    _Atomic uint32_t stages; /* moves when mode, live or ended does: what await sleeps on */

    struct weir__fork_guard guard;
    struct weir__trace trace;

    /* Outside threads between claiming a task and their last touch of the pool. */
    _Atomic uint32_t visitors;
};

static inline enum weir__pool_mode weir__pool_mode(const struct weir_pool *pool) {
    return (enum weir__pool_mode)atomic_load_explicit(&pool->mode, memory_order_relaxed);
}

static inline uint32_t weir__pool_timing(const struct weir_pool *pool) {
    return atomic_load_explicit(&pool->timing, memory_order_relaxed);
}

static inline bool weir__pool_is_traced(const struct weir_pool *pool) {
    return weir__pool_timing(pool) & TIMING_TRACE;
}

static inline bool weir__pool_is_orphan(const struct weir_pool *pool) {
    return atomic_load_explicit(&pool->generation, memory_order_acquire) != weir__fork_generation();
}

/* By each call that needs the pool's threads, or changes the pool: 0, or an error to return. */
static inline int weir__pool_check(struct weir_pool *pool) {
    if (!pool)
        return -EINVAL;
    return weir__pool_is_orphan(pool) ? weir__orphan_adopt(pool) : 0;
}

static inline uint32_t weir__pool_attention(const struct weir_pool *pool) {
    return atomic_load_explicit(&pool->sizing.attention, memory_order_relaxed);
}

static inline bool weir__pool_is_paused(const struct weir_pool *pool) {
    return weir__pool_attention(pool) & ATTENTION_PAUSED;
}

static inline const struct weir_allocator *weir__pool_allocator(struct weir_pool *pool) {
    return &pool->host.allocator;
}

/* mode, live or ended has changed. Release: who reads the new number sees the change. */
static inline void weir__pool_stage(struct weir_pool *pool) {
    atomic_fetch_add_explicit(&pool->stages, 1, memory_order_release);
    weir__futex_wake_all(&pool->stages);
}

/* Frees a pool without threads. */
void weir__pool_destroy(struct weir_pool *pool);

/* Creates all core threads, or none. With the lifecycle mutex held. */
int weir__pool_create_threads(struct weir_pool *pool);

/* In a new thread: its name, CPUs and memory. */
void weir__pool_prepare_thread(struct weir_pool *pool, uint32_t index);

/* The last touch of the pool by a thread of its own. */
void weir__pool_thread_gone(struct weir_pool *pool);

/* A thread could not do its part: nothing more is accepted, what is queued is dropped. */
void weir__pool_break(struct weir_pool *pool);

/* Sums for quiescence and statistics. */
uint64_t weir__pool_accepted(struct weir__quiescence *quiescence);
uint64_t weir__pool_ended(struct weir__quiescence *quiescence);

/* -ESHUTDOWN or -EOWNERDEAD: too late, and nothing has happened. */
int weir__pool_attach(struct weir_pool *pool, struct weir__attachment *attachment);

/* By the library: submits, waiting for room until the deadline, whatever the policy; also to a
 * draining pool that an attachment holds. */
int weir__pool_submit_held(struct weir_pool *pool, struct weir_task *task, uint64_t deadline_ns);
void weir__pool_release(struct weir_pool *pool);

#endif
