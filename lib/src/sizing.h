/*
 * Sizing: how many threads a pool has, when another one comes, and when one leaves.
 *
 * The truth is the count of the living in the idle set's word (idle.h); here are the limits it is
 * held against. A worker that blocks outside the pool's knowledge raises the limit by one until it
 * is back, so the thread that stood in for it is then one too many and leaves.
 *
 * Whoever finds a task queued and nobody idle hires (idle.h), occupies a place (roster.h) and
 * creates the thread; nobody waits for it. A worker leaves when it was idle for the keep-alive time
 * and more than the core live, or after its present task when more live than the limit.
 *
 * Joining. A thread that leaves joins the one that left before it, so at most one is ever left to
 * join, and the pool's freer joins that. No thread of a freed pool is alive.
 */
#ifndef WEIR__SIZING_H
#define WEIR__SIZING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/pool.h>

#include "roster.h"

/* Reasons for a worker to look up before its next task. */
enum { ATTENTION_PAUSED = 1, ATTENTION_SURPLUS = 2 };

struct weir__sizing {
    _Atomic uint32_t core, max; /* max is 0 until the pool is started */
    _Atomic uint32_t attention;
    _Atomic uint64_t keep_alive_ns;
    _Atomic bool core_timeout;
    enum weir_growth growth;
    uint32_t max_spares;
    _Atomic uint32_t blocked;
    _Atomic uint32_t largest;
    _Atomic uint64_t lost;
    _Atomic uint64_t no_growth_before_ns; /* after a thread could not be created */
    struct weir__roster roster; /* its vacant places are guarded by the pool's lifecycle mutex */
    pthread_t leaver;           /* the last thread that left, not joined; guarded likewise */
    bool has_leaver;
};

/* Most threads that may live just now. */
uint32_t weir__sizing_limit(const struct weir__sizing *sizing);

/* Up to how many an ordinary submission makes the pool grow. */
uint32_t weir__sizing_growth_limit(const struct weir__sizing *sizing);

/* Whether the pool may be without a living worker just now, so that a submitter must say that it
 * needs one. */
bool weir__sizing_may_be_empty(struct weir_pool *pool);

/* Somebody found a task queued and nobody idle: starts one more thread if the limit allows. first:
 * a task that it runs before all others, or NULL. 0: a thread comes; -EBUSY: no need, or the limit
 * is reached; -EAGAIN: it could not be created. */
int weir__sizing_grow(struct weir_pool *pool, struct weir_task *first, bool if_needed);

/* How long an idle worker may wait from now on: WEIR_FOREVER for those that are kept. */
uint64_t weir__sizing_idle_deadline(struct weir_pool *pool);

/* A worker has waited in vain until the deadline: whether it may leave. It is off the counts then,
 * and, unless a mutex keeps submitters away meanwhile, must look once more at every queue; if it
 * finds something it calls rejoin, and searches again. searching: it is counted so. */
bool weir__sizing_leave_idle(struct weir_pool *pool, bool searching);
bool weir__sizing_rejoin(struct weir_pool *pool);

/* A worker finds ATTENTION_SURPLUS: whether it is one too many. It is off the counts then, and must
 * hand over what lies in its deque before it ends. */
bool weir__sizing_leave_surplus(struct weir_pool *pool, bool searching);

/* More may live than the limit allows: has workers look up. */
void weir__sizing_check_surplus(struct weir_pool *pool);

/* The calling thread leaves its place, with an empty deque and off the counts, for good. */
void weir__sizing_depart(struct weir_pool *pool, struct weir__worker *worker);

/* A worker has gone off the counts: what is left, and the end of the pool, is for the others. */
void weir__sizing_leave_to_others(struct weir_pool *pool);

/* The calling thread ends inside a task. Gives its place, deque and all, to a new thread. If none
 * can be created others must do what is left, and if there are no others the pool is broken. */
void weir__sizing_replace(struct weir_pool *pool, struct weir__worker *worker);

/* Joins the last thread that left. */
void weir__sizing_join(struct weir_pool *pool);

/* The calling worker begins to block outside the pool's knowledge, and is back. Nests: the worker
 * counts once. */
void weir__sizing_block(struct weir__worker *worker);
void weir__sizing_unblock(struct weir__worker *worker);

#endif
