/*
 * Condition variable: waits on a mutex for something to change.
 *
 * A counter, moves, on a futex. A waiter reads moves while it holds the mutex and sleeps only while
 * it keeps that value; signal changes moves first and wakes second. A signal sent after the waiter
 * let go of the mutex therefore either finds it asleep or keeps it from falling asleep. We have our
 * own because glibc's can lose a signal (its bug 25847), and because this one takes absolute
 * monotonic deadlines and has nothing that can fail to initialise.
 *
 * waiters is how many signals could still be of use. A signal uses one up at once, not when the
 * woken thread has come round to the mutex; otherwise a busy producer would send a system call an
 * item to a thread that is already on its way. A waiter that returns with moves unchanged has used
 * up no signal and takes itself off. One that finds moves changed cannot know whether the signal
 * was meant for it or for another, and leaves the number alone: it may then be too high, which
 * costs one wake for nothing and is mended by it, but never too low, which would lose a wake-up.
 */
#ifndef WEIR__CONDITION_H
#define WEIR__CONDITION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct weir__condition {
    _Atomic uint32_t moves;
    uint32_t waiters; /* guarded by the mutex */
};

/* The caller holds mutex. Returns with it held: 0, possibly for no reason, or -ETIMEDOUT; look at
 * the condition once more even then, since a signal may have been spent on this thread. */
int weir__condition_wait(struct weir__condition *c, pthread_mutex_t *mutex, uint64_t deadline_ns);

/* The caller holds the mutex. */
void weir__condition_signal(struct weir__condition *c);
void weir__condition_broadcast(struct weir__condition *c);

#endif
