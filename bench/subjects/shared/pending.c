/*
 * Waiting for the end. A count of ended tasks is read before the count of begun ones; both only
 * grow, and a task begins before it ends, so when they are equal there was a moment between the two
 * readings at which nothing was pending, and it came after the call.
 *
 * No lost wake-up: a task adds to `ended`, then looks at `waiting`; the waiter sets `waiting`, then
 * adds up `ended`. All four are seq_cst, so in their single order one of the two sees the other:
 * the waiter sees the last end, or the last end sees the waiter and posts. With release and acquire
 * both could look before the other's store was visible. A post that nobody needed only makes a
 * later waiter look once more.
 */
#include "bench/subjects/shared/pending.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINES      64u   /* threads beyond share one: the additions are atomic */
#define FEW        1024u /* so few are awaited on the semaphore, where every end looks at all lines */
#define FASTEST_NS 5u    /* no pool ends a task in less */

struct line {
    _Alignas(64) _Atomic uint64_t begun;
    _Atomic uint64_t ended;
};

struct pending {
    struct line lines[LINES];
    _Alignas(64) atomic_bool waiting;
    pthread_mutex_t waiters; /* one at a time */
    sem_t changed;
    struct pending *next; /* retired */
};

static struct pending *retired;
static pthread_mutex_t retired_lock = PTHREAD_MUTEX_INITIALIZER;

static _Atomic unsigned lines_used; /* of any pool: a thread keeps its number */
static _Thread_local unsigned own_line;

static struct line *line_of(struct pending *pending) {
    if (own_line == 0) {
        own_line = atomic_fetch_add_explicit(&lines_used, 1, memory_order_seq_cst) % LINES + 1;
    }
    return &pending->lines[own_line - 1];
}

/* Lines beyond have never been counted in. In the same single order: a claim comes before all that
 * is counted in the line. */
static unsigned lines_in_use(void) {
    unsigned used = atomic_load_explicit(&lines_used, memory_order_seq_cst);
    return used < LINES ? used : LINES;
}

/* How many pending tasks there were at some moment since the call, or more. */
static uint64_t left_of(struct pending *pending) {
    uint64_t begun = 0;
    uint64_t ended = 0;
    for (unsigned i = 0, n = lines_in_use(); i < n; i++) {
        ended += atomic_load_explicit(&pending->lines[i].ended, memory_order_seq_cst);
    }
    for (unsigned i = 0, n = lines_in_use(); i < n; i++) {
        begun += atomic_load_explicit(&pending->lines[i].begun, memory_order_seq_cst);
    }
    return begun - ended;
}

void pending_retire(struct pending *pending) {
    pthread_mutex_lock(&retired_lock);
    pending->next = retired;
    retired = pending;
    pthread_mutex_unlock(&retired_lock);
}

static struct pending *take_retired(void) {
    pthread_mutex_lock(&retired_lock);
    struct pending *pending = retired;
    retired = pending != NULL ? pending->next : NULL;
    pthread_mutex_unlock(&retired_lock);
    return pending;
}

struct pending *pending_new(void) {
    struct pending *pending = take_retired();
    if (pending != NULL) {
        return pending;
    }
    pending = aligned_alloc(64, sizeof(*pending));
    if (pending != NULL) {
        memset(pending, 0, sizeof(*pending));
        pthread_mutex_init(&pending->waiters, NULL);
        sem_init(&pending->changed, 0, 0);
    }
    return pending;
}

void pending_free(struct pending *pending) {
    sem_destroy(&pending->changed);
    pthread_mutex_destroy(&pending->waiters);
    free(pending);
}

void pending_begin(struct pending *pending) {
    atomic_fetch_add_explicit(&line_of(pending)->begun, 1, memory_order_seq_cst);
}

void pending_end(struct pending *pending) {
    atomic_fetch_add_explicit(&line_of(pending)->ended, 1, memory_order_seq_cst);
    if (__builtin_expect(atomic_load_explicit(&pending->waiting, memory_order_seq_cst), 0) &&
        left_of(pending) == 0) {
        sem_post(&pending->changed);
    }
}

void pending_wait(struct pending *pending) {
    pthread_mutex_lock(&pending->waiters);
    /* While much is left, for as long as the fastest pool would need for it. */
    for (uint64_t left = left_of(pending); left > FEW; left = left_of(pending)) {
        uint64_t ns = left * FASTEST_NS;
        struct timespec rest = {.tv_sec = (time_t)(ns / 1000000000u),
                                .tv_nsec = (long)(ns % 1000000000u)};
        nanosleep(&rest, NULL);
    }
    atomic_store_explicit(&pending->waiting, true, memory_order_seq_cst);
    while (left_of(pending) != 0) {
        sem_wait(&pending->changed);
    }
    atomic_store_explicit(&pending->waiting, false, memory_order_seq_cst);
    pthread_mutex_unlock(&pending->waiters);
}
