/*
 * Deque: a worker's own tasks. The owner pushes and pops at the bottom; any thread steals at the
 * top. After Chase and Lev (2005) in the C11 form of Lê, Pop, Cohen and Zappa Nardelli (2013),
 * with two changes: the buffer never grows (what does not fit goes to the injector), and a slot
 * is emptied by whoever takes its task.
 *
 * Indices top and bottom only grow and are 64 bits wide, so no index is ever seen twice. A task
 * lies in slot index mod SLOTS, for top <= index < bottom.
 *
 * push   owner: needs an empty slot; stores the task (release), then bottom + 1 (seq_cst).
 * pop    owner: stores bottom - 1 (seq_cst), then loads top (seq_cst). If more than one task was
 *        there the last is the owner's. If it was the only one, a compare-exchange on top decides
 *        against thieves.
 * steal  loads top, then bottom (both seq_cst); if top < bottom a compare-exchange on top + 1 wins
 *        the index.
 *
 * The owner's store of bottom and load of top, and the thief's compare-exchange of top after its
 * load of bottom, need the single order of seq_cst: with less, each could miss the other's step and
 * both would take the last task (mutant deque_pop_relaxed).
 *
 * The winner of an index takes what is in its slot by exchanging it with NULL, so whatever lies in
 * a slot is handed out once, whoever comes. It may find NULL: a claimer removed the task
 * (compare-exchange task -> NULL on the slot), and the index is spent and carries nothing. The
 * owner pushes only into an empty slot. So a winner who is slow to empty his slot blocks that slot,
 * not the deque; and if a claimer emptied it and the owner filled it again a lap later, the slow
 * winner takes that later task, and its own index will be the spent one.
 */
#ifndef WEIR__DEQUE_H
#define WEIR__DEQUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/task.h>

#define WEIR__DEQUE_SLOTS 256u

typedef _Atomic(struct weir_task *) weir__slot;

struct weir__deque {
    _Alignas(64) _Atomic int64_t top; /* thieves write it */
    _Alignas(64) _Atomic int64_t bottom;
    _Alignas(64) weir__slot slots[WEIR__DEQUE_SLOTS];
};

/* Owner only: true when the next push finds a place. Thieves can only make more room. Spent indices
 * at the bottom of a full deque are given up first. */
bool weir__deque_has_room(struct weir__deque *deque);

/* Owner only, after has_room. Sets the task's place. */
void weir__deque_push(struct weir__deque *deque, struct weir_task *task);

/* Owner only: the newest task, or NULL when the deque is empty. */
struct weir_task *weir__deque_pop(struct weir__deque *deque);

/* Any thread: the oldest task, or NULL when the deque is empty. */
struct weir_task *weir__deque_steal(struct weir__deque *deque);

/* In a child of fork, where the owner's thread is not: takes all, linked through weir__next, in
 * front of those given. A task that its owner, or a thief, was just taking runs in the parent; here
 * it is among them, since nobody will start it. */
struct weir_task *weir__deque_harvest(struct weir__deque *deque, struct weir_task *rest);

/* Any thread: takes the task out of the slot it was pushed into. False: somebody else did. */
bool weir__slot_remove(weir__slot *slot, struct weir_task *task);

/* Any thread: how many indices are between top and bottom. With seq_cst loads, for the last look
 * before a worker sleeps. */
size_t weir__deque_size(struct weir__deque *deque);

#endif
