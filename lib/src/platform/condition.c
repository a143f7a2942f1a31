#include "platform/condition.h"

#include "platform/futex.h"
#include "platform/point.h"

int weir__condition_wait(struct weir__condition *c, pthread_mutex_t *mutex, uint64_t deadline_ns) {
    uint32_t moves = atomic_load_explicit(&c->moves, memory_order_relaxed);

    c->waiters++;
    pthread_mutex_unlock(mutex);
    WEIR__POINT("condition.wait");
    int rc = weir__futex_wait(&c->moves, moves, deadline_ns);
    pthread_mutex_lock(mutex);
    if (atomic_load_explicit(&c->moves, memory_order_relaxed) == moves)
        c->waiters--;
    return rc;
}

/* Relaxed suffices: the mutex orders the counter against the waiter's read, and the kernel
 * compares the word again before it lets anyone sleep. */
void weir__condition_signal(struct weir__condition *c) {
    if (c->waiters == 0)
        return;
    c->waiters--;
    atomic_fetch_add_explicit(&c->moves, 1, memory_order_relaxed);
    weir__futex_wake_one(&c->moves);
}

void weir__condition_broadcast(struct weir__condition *c) {
    if (c->waiters == 0)
        return;
    c->waiters = 0;
    atomic_fetch_add_explicit(&c->moves, 1, memory_order_relaxed);
    weir__futex_wake_all(&c->moves);
}
