/*
 * Condition variable: waits on a mutex for something to change.
 *
 * A counter on a futex. A waiter reads the counter while it holds the mutex and sleeps only while
 * the counter keeps that value; signal moves the counter first and wakes second. A signal sent
 * after the waiter let go of the mutex therefore either finds it asleep or keeps it from falling
 * asleep. We have our own because glibc's can lose a signal (its bug 25847), and because this one
 * takes absolute monotonic deadlines and has nothing that can fail to initialise.
 */
#ifndef WEIR__CONDITION_H
#define WEIR__CONDITION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct weir__condition {
    _Atomic uint32_t moves;
    uint32_t waiters; /* guarded by the mutex: signalling nobody costs no system call */
};

/* The caller holds mutex. Returns with it held: 0, possibly for no reason, or -ETIMEDOUT. */
int weir__condition_wait(struct weir__condition *c, pthread_mutex_t *mutex, uint64_t deadline_ns);

/* The caller holds the mutex. */
void weir__condition_signal(struct weir__condition *c);
void weir__condition_broadcast(struct weir__condition *c);

#endif
