/*
 * Claim: how a waiting or cancelling thread wins a task that is still queued.
 *
 * A plain task belongs to whoever took it out of its queue. A future's task may besides be
 * claimed while it is queued, and then two threads may hold its address for a moment. Its
 * weir__state decides, by bits that are each set once:
 *
 *     0 -> QUEUED             submit, when nothing can fail any more
 *     QUEUED -> + TAKEN       whoever took it out of a queue (compare-exchange from QUEUED exactly)
 *     QUEUED -> + CLAIMED     the claimer (compare-exchange from QUEUED exactly)
 *     0 -> CLAIMED            cancelled before it was ever submitted
 *
 * The worker that finds it claimed sets TAKEN all the same and lets go: that was its last touch.
 * The claimer, once it has won, takes the task out of its queue; if it is not there, a worker has
 * it in hand, and the claimer waits for TAKEN before anyone may reuse the memory. Were the bits a
 * plain test and store, both would run the task (stress: cancel_race, nested_wait); without the
 * wait for TAKEN the worker's store of it would land in freed memory (stress: future_lifetime).
 * CANCELLED goes along with TAKEN or CLAIMED when the winner will drop the task.
 *
 * A claimed task counts as unfinished until the claimer reports its end. So the pool, and with it
 * the queue that the claimer must visit, cannot go away meanwhile.
 */
#ifndef WEIR__CLAIM_H
#define WEIR__CLAIM_H

#include "task.h"

/* By whoever has taken the task out of a queue; how is TASK_CANCELLED (to drop it) or 0. False: it
 * was claimed; never touch it. */
bool weir__claim_take(struct weir_task *task, uint32_t how);

enum weir__claim {
    CLAIM_LOST = 0, /* somebody else's, ended, or never submitted */
    CLAIM_REMOVED,  /* the caller's alone; the caller took it out of its queue */
    CLAIM_IN_HAND,  /* the caller's alone; a worker had taken it out of its queue */
};

/* Tries to win a queued task; how is TASK_CANCELLED or 0. */
enum weir__claim weir__claim_queued(struct weir_task *task, uint32_t how);

/* Takes a plain task out of the queue that it is in. False: it is in none. */
bool weir__claim_remove(struct weir_task *task);

#endif
