/*
 * Future, as the pool and weir_wait see it.
 *
 * weir__state holds the phase in its low bits (0: not terminal) and beside it, so that one
 * compare-exchange settles all of them at once:
 *
 *   BOUND      a call was bound: only its task ends the future
 *   WAITERS    some thread sleeps, or is about to, on the word itself
 *   CALLBACKS  the list of callbacks is not empty
 *   LOCKED     somebody changes the list, or is setting a plain promise: a few instructions
 *   NOTIFYING  terminal, and the callbacks are being called
 *
 * Value and error are written first; the phase is published with release and read with acquire.
 * Publishing it is the last touch of the future's memory, unless NOTIFYING is set; then clearing
 * NOTIFYING is. After either only the address is used, for a futex wake (mutant
 * future_touch_after_done; stress: future_lifetime).
 */
#ifndef WEIR__FUTURE_INTERNAL_H
#define WEIR__FUTURE_INTERNAL_H

#include <stdbool.h>

#include <weir/future.h>
#include <weir/pool.h>
#include <weir/token.h>

#include "claim.h"

struct weir__host;
struct weir__worker;

/* What futures and waiters ask of a pool; it lies a floor above. */
struct weir__host_calls {
    /* Ends a task that the caller has claimed: runs it, or drops it when cancelled. The host may
     * be gone afterwards. */
    void (*end_claimed)(struct weir__host *host, struct weir_task *task, enum weir__claim claim,
                        bool cancelled);
    /* The worker that the calling thread is in this pool, or NULL. */
    struct weir__worker *(*self)(struct weir__host *host);
    /* The calling worker, inside a task, runs others until done(arg) or the deadline: 0 or
     * -ETIMEDOUT. wake has it look at done again. */
    int (*help)(struct weir__worker *self, bool (*done)(void *arg), void *arg,
                uint64_t deadline_ns);
    void (*wake_helper)(struct weir__worker *helper);
    /* The calling worker, inside a task, begins to wait, and is back. */
    void (*block)(struct weir__host *host);
    void (*unblock)(struct weir__host *host);
};

/* What a future knows of the pool that it is queued in. */
struct weir__host {
    const struct weir__host_calls *calls;
    enum weir_wait_policy wait;
    uint32_t spin_ns;           /* how long a thread looks at a future before it sleeps */
    _Atomic uint32_t cancelled; /* running tasks are asked to end */
    struct weir_allocator allocator;
};

/* A library-owned future, bound to its call, with one reference for the caller and one for the
 * pool. NULL: no memory. */
struct weir_future *weir__future_new(const struct weir_allocator *from, weir_call call, void *arg);

/* The same at the beginning of a larger object of size bytes, with so many references; the call's
 * argument is the object. */
struct weir_future *weir__future_new_within(const struct weir_allocator *from, size_t size,
                                            weir_call call, uint32_t refs);

/* Whether a token forbids the task, which the caller has in hand, or has claimed, to run: it is to
 * be dropped. Later nobody may look: the token is its owner's again once the future is terminal. */
static inline bool weir__future_is_revoked(const struct weir_task *task) {
    const struct weir_future *future = (const struct weir_future *)(const void *)task;

    return (task->flags & WEIR__TASK_FUTURE) && future->weir__token &&
           weir_token_is_cancelled(future->weir__token);
}

/* Makes the future of a task that is run or dropped just now terminal, and gives up the pool's
 * reference: for tasks that do not leave it to the future's own run and drop. */
void weir__future_end(struct weir_future *future, enum weir_future_state phase, int error,
                      void *value);

/* Undoes weir__future_new when the submission failed. */
void weir__future_discard(struct weir_future *future);

/* By the pool, before it queues the future's task. */
void weir__future_set_host(struct weir_task *task, struct weir__host *host);

bool weir__future_is_terminal(struct weir_future *future);

/* Whether it was submitted by a parent of this process, and is not terminal: it will never be. */
bool weir__future_is_orphan(struct weir_future *future);

/* Whether the future's call is queued and this thread may run it, just now. The future is not
 * terminal before this returns, or is kept by the caller. */
bool weir__future_is_claimable(struct weir_future *future);

/* Runs the future's call on this thread if it is queued and this thread may. True: it did, and
 * the future is terminal. */
bool weir__future_claim(struct weir_future *future);

/* Ends a bound future that was never submitted: by running its call here, or with an error. False:
 * it was cancelled, and is terminal. */
bool weir__future_run_here(struct weir_future *future);
bool weir__future_end_here(struct weir_future *future, enum weir_future_state phase, int error);

/* Waits for a single future that is not terminal as weir_wait does, running other tasks of the
 * host meanwhile. */
int weir__wait_helping(struct weir_future *future, uint64_t deadline_ns);

/* The calling thread's pool, when it is a worker inside a task, and is to do something while it
 * waits. */
struct weir__host *weir__waiting_host(enum weir_wait_policy policy);

/* Takes a callback back. False: it has been called or is about to be. */
bool weir__future_remove_callback(struct weir_future *future, struct weir_callback *callback);

#endif
