#include "parker.h"

#include <weir/base.h>

#include "platform/futex.h"
#include "platform/point.h"

enum { EMPTY = 0, NOTIFIED = 1, PARKED = 2 };

void weir__parker_park(struct weir__parker *parker) {
    uint32_t seen = EMPTY;

    if (atomic_compare_exchange_strong_explicit(&parker->state, &seen, PARKED, memory_order_acquire,
                                                memory_order_acquire)) {
        WEIR__POINT("parker.park");
        do /* the kernel returns early for signals and for wakes meant for others */
            weir__futex_wait(&parker->state, PARKED, WEIR_FOREVER);
        while (atomic_load_explicit(&parker->state, memory_order_acquire) != NOTIFIED);
    }
    /* No other unpark can matter now: the owner runs, and looks for work by itself. */
    atomic_store_explicit(&parker->state, EMPTY, memory_order_relaxed);
}

void weir__parker_unpark(struct weir__parker *parker) {
    WEIR__POINT("parker.unpark");
    if (atomic_exchange_explicit(&parker->state, NOTIFIED, memory_order_release) == PARKED)
        weir__futex_wake_one(&parker->state);
}
