/*
 * Idle set: who sleeps, who searches, and whom to wake.
 *
 * Parking. A worker may sleep only if no task is queued. It is RUNNING (has a task), SEARCHING
 * (looks through all queues) or PARKED (on the stack below, asleep or about to be). One word
 * counts the searching and the parked.
 *
 *   worker:    stop searching, count itself parked (seq_cst), then look once more at every queue
 *              (seq_cst loads), and only then sleep;
 *   submitter: publish the task (seq_cst store of the injector's count or the deque's bottom),
 *              then read the word (seq_cst).
 *
 * In the single order of these four steps one sees the other: the worker finds the task in its
 * last look, or the submitter sees a parked worker and wakes it. Weakening either side to
 * acquire/release lets both look before the other's store is visible, and the task stays with
 * everyone asleep (mutant park_without_last_look and its kin; stress: lost_wakeup).
 *
 * Waking costs far more than a task, so a submitter wakes nobody while somebody searches: the
 * searcher will find the task, or see it in its last look. In exchange, the last searcher to find
 * work wakes the next one if more is queued. Thus one wake-up is under way at a time and grows to
 * as many workers as there is work.
 *
 * Of the parked the last one is woken first: its cache is warm, and the others sleep on.
 */
#ifndef WEIR__IDLE_H
#define WEIR__IDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parker.h"

/* One worker's place in the set. */
struct weir__sleeper {
    struct weir__parker parker;
    bool listed; /* on the stack; guarded by the mutex */
    struct weir__sleeper *below;
};

struct weir__idle {
    _Alignas(64) _Atomic uint64_t word; /* searching in the high half, parked in the low */
    _Atomic uint64_t wakes;             /* wake-ups sent; written under the mutex */
    pthread_mutex_t mutex;              /* guards the stack */
    struct weir__sleeper *top;
};

void weir__idle_init(struct weir__idle *idle);
void weir__idle_destroy(struct weir__idle *idle);

/* A worker without a task begins to search. */
void weir__idle_search(struct weir__idle *idle);

/* A searcher has found a task. True: it was the last one, and owes weir__idle_wake_one
 * if more work is queued. */
bool weir__idle_found(struct weir__idle *idle);

/* A searcher found nothing: counts as parked from here on. Look once more, then park or retract. */
void weir__idle_announce(struct weir__idle *idle, struct weir__sleeper *sleeper);

/* The last look found work: the worker is searching again. A wake-up that came meanwhile is
 * consumed. */
void weir__idle_retract(struct weir__idle *idle, struct weir__sleeper *sleeper);

/* Sleeps until woken; the worker is searching again. */
void weir__idle_park(struct weir__sleeper *sleeper);

/* Whether all of the workers search or are parked, so that none is inside a task. A worker that
 * leaves for good stays counted as searching. seq_cst. */
bool weir__idle_all(struct weir__idle *idle, unsigned workers);

/* After publishing work: wakes one worker unless one already searches or none sleeps. */
void weir__idle_wake_one(struct weir__idle *idle);

/* Wakes everybody, for the end of the pool. */
void weir__idle_wake_all(struct weir__idle *idle);

#endif
