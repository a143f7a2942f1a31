/*
 * Quiescence: knowing that no task is queued or runs, without a counter that all threads share.
 *
 * Each thread that accepts or ends tasks counts them in counters of its own, which only grow: a
 * task is counted as accepted before others can find it, and as ended after its last instruction.
 * Whoever sums all ended first and all accepted second, and finds the sums equal, knows that at
 * the moment between the two nothing was queued or ran: ended(then) >= the first sum = the second
 * sum >= accepted(then) >= ended(then). (After Mattern's counting for termination, 1987.)
 *
 * Waiting. A waiter adds itself to waiters, then sums; a thread that has run out of tasks, or has
 * ended one outside the workers, does a read-modify-write on the same word, then sums if anyone
 * waits. The two steps on one word are ordered: the later one sees what came before the earlier,
 * so either the waiter sees the task's end or the ender sees the waiter. (Two separate words would
 * need a full fence on the path of every task.)
 *
 * The ender publishes in mark the number of tasks at the idle moment that it saw. A waiter returns
 * when mark reaches the number accepted at its own start; so a moment of idleness is enough, even
 * if new tasks come at once, and one that lies before the waiter's start never counts for it.
 */
#ifndef WEIR__QUIESCENCE_H
#define WEIR__QUIESCENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one thread, or, with read-modify-writes, of all that are not workers. */
struct weir__counters {
    _Alignas(64) _Atomic uint64_t accepted; /* not counting what a shared queue counts itself */
    _Atomic uint64_t completed;
    _Atomic uint64_t failed;
    _Atomic uint64_t dropped;
    _Atomic uint64_t steals;
    _Atomic uint64_t parks;
    _Atomic uint64_t active;
};

enum weir__outcome { OUTCOME_COMPLETED, OUTCOME_FAILED, OUTCOME_DROPPED };

struct weir__quiescence {
    /* The two sums, over every thread's counters and what queues count by themselves. */
    uint64_t (*accepted)(struct weir__quiescence *quiescence);
    uint64_t (*ended)(struct weir__quiescence *quiescence);
    _Alignas(64) _Atomic uint32_t waiters;
    _Atomic uint32_t moves; /* what waiters sleep on */
    _Atomic uint64_t mark;
};

/* Adds one to a counter that only the calling thread writes. */
static inline void weir__count(_Atomic uint64_t *counter) {
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_release);
}

/* Counts the end of a task: in the caller's own counters, or in those that outsiders share. */
void weir__count_end(struct weir__counters *counters, enum weir__outcome outcome, bool shared);

/* The caller has run out of tasks, or has ended one outside the workers: tells waiters if the
 * pool is idle. */
void weir__quiescence_tell(struct weir__quiescence *quiescence);

/* Waits for a moment without tasks. 0, -EAGAIN (WEIR_NOW) or -ETIMEDOUT. */
int weir__quiescence_await(struct weir__quiescence *quiescence, uint64_t deadline_ns);

/* completed + failed + dropped, each with acquire. */
uint64_t weir__count_ended(struct weir__counters *counters);

#endif
