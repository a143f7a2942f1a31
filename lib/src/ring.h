/*
 * Ring: a bounded lock-free queue that any thread may push to and pop from; after Vyukov's bounded
 * MPMC queue (2010), with a bound that need not be a power of two, a gate that closes, and slots
 * that a claimer may empty.
 *
 * head and tail only grow and are 63 bits wide, so no position is ever seen twice; position p lies
 * in slot p mod capacity. The slot's turn says whose it is: 2p before it is filled for p, 2p + 1
 * while it is full, 2(p + capacity) once it is free for the next lap. (Vyukov's p, p + 1 and
 * p + capacity fall together when the capacity is one.)
 *
 * push   reads turn (acquire); when it is 2p, a compare-exchange on tail wins p. Then the task is
 *        stored, and turn 2p + 1 (seq_cst: the pusher next looks whether anyone sleeps, see
 * idle.h). tail's highest bit is the gate: a push that wins its position before the gate shuts will
 * be popped, one that comes later fails (stress: submit_after_shutdown). pop    reads turn
 * (acquire); when it is 2p + 1 a compare-exchange on head wins p. The winner takes what is in the
 * slot by exchanging it with NULL: a claimer may have emptied it (compare-exchange task -> NULL),
 * and then the position carries nothing and the winner goes on to the next. Then it stores turn 2(p
 * + capacity) (seq_cst: it next looks whether a submitter waits for room, see room.h).
 *
 * Release on the two stores of turn pairs with the acquire loads of the next one who gets the slot:
 * with less, a popper could read the task of the lap before (mutant ring_publishes_early).
 *
 * A claimer finds its task's slot through the task's place, which is set before turn is 2p + 1. A
 * slot is filled again only after its popper has stored the next lap's turn, and until then the
 * claimed task is not given up by its popper (claim.h), so a claimer never empties a later lap's
 * slot by its old place.
 */
#ifndef WEIR__RING_H
#define WEIR__RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/task.h>

#include "age.h"
#include "deque.h"

struct weir__ring_slot {
    _Atomic uint64_t turn;
    weir__slot task;
};

struct weir__ring {
    struct weir__ring_slot *slots; /* borrowed */
    size_t capacity;
    size_t mask; /* capacity - 1 when it is a power of two, else 0 */
    _Alignas(64) _Atomic uint64_t tail;
    struct weir__age age;
    struct weir__age_log log; /* set after init by who wants to know ages */
    _Alignas(64) _Atomic uint64_t head;
};

/* slots: memory for capacity slots, which the caller keeps. */
void weir__ring_init(struct weir__ring *ring, struct weir__ring_slot *slots, size_t capacity);

enum weir__ring_result { RING_PUSHED, RING_FULL, RING_CLOSED, RING_CANCELLED };

/* CANCELLED: the task of a future that was cancelled before it came here; it has had its outcome,
 * and a position that carries nothing was pushed, which tail counts. */
enum weir__ring_result weir__ring_push(struct weir__ring *ring, struct weir_task *task);

/* The oldest task, or NULL: none is published at the head. Adds to freed how many slots it gave
 * back, those that claimers had emptied among them. barrier: a word of which one bit, barred, keeps
 * poppers away from whatever is pushed by those who have seen it set; or NULL. */
struct weir_task *weir__ring_pop(struct weir__ring *ring, size_t *freed,
                                 const _Atomic uint32_t *barrier, uint32_t barred);

/* Passes the positions at the head that claimers have emptied, as pop would. Returns how many. */
size_t weir__ring_skip_spent(struct weir__ring *ring);

/* In a child of fork, where nobody else uses it: takes all, linked through weir__next, in front of
 * those given, and begins anew. What was on its way in was never accepted. */
struct weir_task *weir__ring_harvest(struct weir__ring *ring, struct weir_task *rest);

/* From now on push fails. */
void weir__ring_close(struct weir__ring *ring);

/* Whether pop would find a position to take. seq_cst, for the last look before a worker sleeps. */
bool weir__ring_is_ready(struct weir__ring *ring);

/* Positions between head and tail, those that are being filled among them. seq_cst. */
size_t weir__ring_size(struct weir__ring *ring);

/* Positions ever won. */
uint64_t weir__ring_pushed(struct weir__ring *ring);

uint64_t weir__ring_oldest_ns(struct weir__ring *ring);

#endif
