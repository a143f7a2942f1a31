#include "parker.h"

#include <weir/base.h>

#include "platform/futex.h"
#include "platform/point.h"

enum { EMPTY = 0, NOTIFIED = 1, PARKED = 2 };

/* Until NOTIFIED. False: still PARKED at the deadline, and EMPTY again. */
static bool sleep_until_notified(struct weir__parker *parker, uint64_t deadline_ns) {
    int late = 0;

    /* The kernel returns early for signals and for wakes meant for others. */
    while (atomic_load_explicit(&parker->state, memory_order_acquire) != NOTIFIED) {
        uint32_t parked = PARKED;
        if (late && atomic_compare_exchange_strong_explicit(
                        &parker->state, &parked, EMPTY, memory_order_acquire, memory_order_acquire))
            return false;
        late = weir__futex_wait(&parker->state, PARKED, deadline_ns);
    }
    return true;
}

bool weir__parker_park(struct weir__parker *parker, uint64_t deadline_ns) {
    uint32_t seen = EMPTY;

    if (atomic_compare_exchange_strong_explicit(&parker->state, &seen, PARKED, memory_order_acquire,
                                                memory_order_acquire)) {
        WEIR__POINT("parker.park");
        if (!sleep_until_notified(parker, deadline_ns))
            return false;
    }
    /* No other unpark can matter now: the owner runs, and looks for work by itself. */
    atomic_store_explicit(&parker->state, EMPTY, memory_order_relaxed);
    return true;
}

void weir__parker_unpark(struct weir__parker *parker) {
    WEIR__POINT("parker.unpark");
    if (atomic_exchange_explicit(&parker->state, NOTIFIED, memory_order_release) == PARKED)
        weir__futex_wake_one(&parker->state);
}
