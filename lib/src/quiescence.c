#include "quiescence.h"

#include <errno.h>

#include <weir/base.h>

#include "platform/futex.h"
#include "platform/point.h"

void weir__count_end(struct weir__counters *counters, enum weir__outcome outcome, bool shared) {
    _Atomic uint64_t *counter = outcome == OUTCOME_COMPLETED ? &counters->completed
                                : outcome == OUTCOME_FAILED  ? &counters->failed
                                                             : &counters->dropped;

    if (shared)
        atomic_fetch_add_explicit(counter, 1, memory_order_release);
    else
        weir__count(counter);
}

uint64_t weir__count_ended(struct weir__counters *counters) {
    uint64_t sum = atomic_load_explicit(&counters->completed, memory_order_acquire);

    sum += atomic_load_explicit(&counters->failed, memory_order_acquire);
    return sum + atomic_load_explicit(&counters->dropped, memory_order_acquire);
}

/* True with the number of tasks at an idle moment. The order of the two sums is the proof. */
static bool is_idle(struct weir__quiescence *quiescence, uint64_t *tasks) {
    *tasks = quiescence->ended(quiescence);
    WEIR__POINT("quiescence.sum");
    return quiescence->accepted(quiescence) == *tasks;
}

static void raise_mark(struct weir__quiescence *quiescence, uint64_t tasks) {
    uint64_t mark = atomic_load_explicit(&quiescence->mark, memory_order_relaxed);

    while (mark < tasks &&
           !atomic_compare_exchange_weak_explicit(&quiescence->mark, &mark, tasks,
                                                  memory_order_acq_rel, memory_order_relaxed))
        ;
}

void weir__quiescence_tell(struct weir__quiescence *quiescence) {
    uint64_t tasks;

    if (atomic_fetch_add_explicit(&quiescence->waiters, 0, memory_order_acq_rel) == 0)
        return;
    if (!is_idle(quiescence, &tasks))
        return;
    raise_mark(quiescence, tasks);
    atomic_fetch_add_explicit(&quiescence->moves, 1, memory_order_release);
    weir__futex_wake_all(&quiescence->moves);
}

static bool is_reached(struct weir__quiescence *quiescence, uint64_t start) {
    uint64_t tasks;

    return atomic_load_explicit(&quiescence->mark, memory_order_acquire) >= start ||
           is_idle(quiescence, &tasks);
}

int weir__quiescence_await(struct weir__quiescence *quiescence, uint64_t deadline_ns) {
    int rc = 0;

    atomic_fetch_add_explicit(&quiescence->waiters, 1, memory_order_acq_rel);
    uint64_t start = quiescence->accepted(quiescence);
    for (;;) {
        uint32_t moves = atomic_load_explicit(&quiescence->moves, memory_order_acquire);
        bool reached = is_reached(quiescence, start);
        if (reached || rc || deadline_ns == WEIR_NOW) {
            rc = reached ? 0 : rc ? rc : -EAGAIN;
            break;
        }
        rc = weir__futex_wait(&quiescence->moves, moves, deadline_ns);
    }
    atomic_fetch_sub_explicit(&quiescence->waiters, 1, memory_order_relaxed);
    return rc;
}
