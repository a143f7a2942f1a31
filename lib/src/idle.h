/*
 * Idle set: who lives, who searches, who sleeps, and whom to wake.
 *
 * Parking. A worker may sleep only if no task is queued. It is RUNNING (has a task), SEARCHING
 * (looks through all queues) or PARKED (on the stack below, asleep or about to be). One word
 * counts the living, the searching and the parked, and the submitters that need a living worker.
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
 *
 * Coming and going. A worker is counted as living and searching from the moment that somebody
 * decides to create its thread, so that the others who find a task queued meanwhile do not create
 * one each. A worker that leaves for want of work takes itself off both counts in one step
 * (seq_cst), then looks once more at every queue: the same four steps as in parking, with "nobody
 * lives" in the place of "somebody sleeps" (mutant leave_without_last_look; stress:
 * coming_and_going). The last one may not leave while a submitter has announced its intent: that
 * submitter has seen a living worker, and is about to publish a task for it that it could not take
 * back.
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
    /* Sixteen bits each, from the low end: parked, searching, living, intents. */
    _Alignas(64) _Atomic uint64_t word;
    _Atomic uint64_t wakes; /* wake-ups sent; written under the mutex */
    pthread_mutex_t mutex;  /* guards the stack */
    struct weir__sleeper *top;
    /* Workers that wait inside a task, and look for others to run meanwhile: they may be parked,
     * but the pool is not over. */
    _Atomic uint32_t helping;
};

/* The four counts at one moment. seq_cst. */
struct weir__idle_counts {
    uint32_t parked, searching, living, intents;
};
struct weir__idle_counts weir__idle_counts(struct weir__idle *idle);

void weir__idle_init(struct weir__idle *idle);
void weir__idle_destroy(struct weir__idle *idle);

/* A worker without a task begins to search. */
void weir__idle_search(struct weir__idle *idle);

/* A searcher has found a task. True: it was the last one, and owes the others a wake-up if more
 * work is queued: somebody is parked, or fewer than limit live. */
bool weir__idle_found(struct weir__idle *idle, uint32_t limit);

/* A searcher found nothing: counts as parked from here on. Look once more, then park or retract. */
void weir__idle_announce(struct weir__idle *idle, struct weir__sleeper *sleeper);

/* The last look found work: the worker is searching again. A wake-up that came meanwhile is
 * consumed. */
void weir__idle_retract(struct weir__idle *idle, struct weir__sleeper *sleeper);

/* Sleeps until woken or the deadline; the worker is searching again. False: nobody woke it. */
bool weir__idle_park(struct weir__idle *idle, struct weir__sleeper *sleeper, uint64_t deadline_ns);

/* Whether all living workers search or are parked, so that none is inside a task. seq_cst. */
bool weir__idle_all(struct weir__idle *idle);

/* Counts one more worker as living and searching, unless limit live already, or, with if_needed,
 * somebody searches or is parked. The caller creates its thread, or calls dismiss. */
bool weir__idle_hire(struct weir__idle *idle, uint32_t limit, bool if_needed);

/* A worker leaves for good, or could not be created. searching: it is counted so, else it runs. */
void weir__idle_dismiss(struct weir__idle *idle, bool searching);

/* A worker leaves unless fewer than keep would live then, or, when it is the last one, a submitter
 * has announced its intent. False: it stays. searching: it is counted so, else it runs. */
bool weir__idle_leave(struct weir__idle *idle, uint32_t keep, bool searching);

/* Around a submission: between the two the last living worker stays. Returns how many live. */
uint32_t weir__idle_intend(struct weir__idle *idle);
void weir__idle_intent_done(struct weir__idle *idle);

/* After publishing work: wakes one worker unless one already searches or none sleeps. True: all
 * workers are inside tasks, and fewer than limit live. */
bool weir__idle_wake_one(struct weir__idle *idle, uint32_t limit);

/* Wakes this worker if it is parked. */
void weir__idle_wake_this(struct weir__idle *idle, struct weir__sleeper *sleeper);

/* Wakes everybody, for the end of the pool. */
void weir__idle_wake_all(struct weir__idle *idle);

#endif
