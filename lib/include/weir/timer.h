/*
 * Timer: a call that a pool runs later, once or again and again.
 *
 * A timer is caller-owned (weir_timer_init ... weir_timer_fini, in any memory). Runs of one timer
 * never overlap, and at most one is queued. Each pool with timers has one thread more, made with
 * the first of them, that sleeps in the kernel until the next is due and hands it to the pool; it
 * runs no calls itself. Times are CLOCK_MONOTONIC; a change of the wall clock moves none.
 *
 * A run that comes due while the pool is full waits for room, whatever the full policy, in the
 * order of due times; it is late then, and not lost.
 *
 * The result is a future: PENDING while the timer waits or is queued, RUNNING during a run, and
 * terminal when no further run will come. A call that returns a negative errno ends its series, and
 * that is the future's error. Dropping a waiting timer is not counted in the pool's statistics.
 *
 * Ordering: start happens before the first run, the end of each run before the next, the last
 * before whatever sees the future terminal.
 *
 * In a child of fork a timer of the parent is FAILED with -EOWNERDEAD.
 *
 * After Java's ScheduledThreadPoolExecutor.
 */
#ifndef WEIR_TIMER_H
#define WEIR_TIMER_H

#include <weir/base.h>
#include <weir/future.h>

WEIR__BEGIN

struct weir_pool;

/* With flags of the task (enum weir_task_flags and bands). */
enum weir_timer_flags {
    /*
     * What WEIR_DRAIN means for the timer. A timer that outlasts it still runs when due, and the
     * pool does not end before the timer has; one that ends with it is CANCELLED, after its run if
     * it is just running. Unless said: once outlasts, a series ends. Every other way of shutdown
     * cancels all timers, and so does DRAIN of a pool that was never started.
     */
    WEIR_TIMER_OUTLASTS_DRAIN = 1 << 16,
    WEIR_TIMER_ENDS_WITH_DRAIN = 1 << 17,

    /* Of a fixed rate: times that have passed while a run was late are left out, and the series
     * keeps to its grid. Unless said they are made up for, one run right after the other. */
    WEIR_TIMER_SKIPS_MISSED = 1 << 18,
};

struct weir__timers;

/* A place in a heap. */
struct weir__heap_node {
    uint64_t weir__key, weir__order;
    size_t weir__index; /* from 1; 0: in no heap */
};

/* Opaque but for its size. */
struct weir_timer {
    struct weir_future weir__future;
    struct weir__heap_node weir__node;
    struct weir__timers *weir__timers;
    struct weir_timer *weir__next, **weir__link;
    WEIR__ATOMIC(uint64_t) weir__due_ns;
    WEIR__ATOMIC(uint64_t) weir__runs;
    uint64_t weir__interval_ns;
    uint32_t weir__generation;
    uint32_t weir__kind;
    uint32_t weir__flags;
    WEIR__ATOMIC(uint32_t) weir__holds;
};

/* Makes a timer that is not started. call makes the value of a timer that runs once; of a series
 * its value is ignored. Never fails. */
WEIR_API void weir_timer_init(struct weir_timer *timer, weir_call call, void *arg, uint32_t flags);

/*
 * Starts a timer on pool, which must live until the timer's future is terminal; a timer is started
 * once. first_ns is a deadline: weir_after(delay), WEIR_NOW for at once; one at WEIR_FOREVER waits
 * until it is cancelled. No time overflows: what lies beyond the clock is never due. Does not
 * block.
 *
 *   once               one run, due at first_ns
 *   at_fixed_rate      due at first_ns, then every period_ns. A run that is late does not move the
 *                      next: that begins when the late one ends, at once if it is due by then
 *   with_fixed_delay   due at first_ns, then delay_ns after each run's end
 *
 * -EINVAL: a NULL, no call, an interval of 0, or an unknown flag; -EALREADY: started or terminal;
 * -ESHUTDOWN, -EOWNERDEAD: the pool's life is over; -ENOMEM; -EAGAIN: the timers' thread could not
 * be made. Nothing has happened then, and the timer may be started again.
 */
WEIR_API int weir_timer_once(struct weir_timer *timer, struct weir_pool *pool, uint64_t first_ns);
WEIR_API int weir_timer_at_fixed_rate(struct weir_timer *timer, struct weir_pool *pool,
                                      uint64_t first_ns, uint64_t period_ns);
WEIR_API int weir_timer_with_fixed_delay(struct weir_timer *timer, struct weir_pool *pool,
                                         uint64_t first_ns, uint64_t delay_ns);

/*
 * Ends a timer. 0: it waited or was queued, is CANCELLED and takes no room any more, neither among
 * the timers nor in the pool; -EINPROGRESS: it runs, that goes on, and no further run will come: of
 * a series the future is CANCELLED then, unless the run fails; -EALREADY: it is terminal. Any
 * thread, its own call included. -EINVAL: NULL.
 */
WEIR_API int weir_timer_cancel(struct weir_timer *timer);

/* The timer's future, for get, wait, callbacks and weir_future_set_token (before the start; a run
 * whose token is cancelled by its turn is dropped, and ends the series). Borrowed; weir_timer_fini
 * ends it. weir_future_cancel does what weir_timer_cancel does, but does not stop a series that is
 * just running. NULL for NULL. */
WEIR_API struct weir_future *weir_timer_future(struct weir_timer *timer);

/* When the next run is due, or the current or last one was; WEIR_FOREVER before the start. */
WEIR_API uint64_t weir_timer_due(struct weir_timer *timer);

/* Runs that have ended. */
WEIR_API uint64_t weir_timer_runs(struct weir_timer *timer);

/* Ends the use of a timer that is terminal or was never started. Returns when no thread touches its
 * memory any more: a wait of moments, of at most 10 ms on a full pool. -EBUSY: it waits, is queued
 * or runs, and nothing has happened; -EINVAL: NULL. */
WEIR_API int weir_timer_fini(struct weir_timer *timer);

WEIR__END

#endif
