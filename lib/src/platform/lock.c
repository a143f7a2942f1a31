#include "platform/lock.h"

#include <weir/base.h>

#include "platform/futex.h"
#include "platform/point.h"

enum { FREE = 0, HELD = 1, CONTENDED = 2 };

static void lock_contended(_Atomic uint32_t *lock) {
    while (atomic_exchange_explicit(lock, CONTENDED, memory_order_acquire) != FREE)
        weir__futex_wait(lock, CONTENDED, WEIR_FOREVER);
}

void weir__lock(_Atomic uint32_t *lock) {
    uint32_t free = FREE;

    WEIR__POINT("lock.lock");
    if (!atomic_compare_exchange_strong_explicit(lock, &free, HELD, memory_order_acquire,
                                                 memory_order_relaxed))
        lock_contended(lock);
}

void weir__unlock(_Atomic uint32_t *lock) {
    if (atomic_exchange_explicit(lock, FREE, memory_order_release) == CONTENDED)
        weir__futex_wake_one(lock);
    WEIR__POINT("lock.unlocked");
}
