/*
 * Injector: the queue through which threads outside the pool submit; a first-in first-out list a
 * band, linked through the tasks themselves under one mutex, so it needs no memory of its own and a
 * claimer can take a task out of the middle.
 *
 * count is written under the mutex and read without it by workers that look for work. Its store
 * after a push is seq_cst: the submitter then looks whether anyone sleeps (see idle.h).
 */
#ifndef WEIR__INJECTOR_H
#define WEIR__INJECTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/pool.h>
#include <weir/task.h>

#include "age.h"
#include "deque.h"

struct weir__injector_band {
    struct weir_task *head, *tail;
    uint64_t appended;
    struct weir__age age;
    _Atomic uint64_t passed_ns;
};

struct weir__injector {
    pthread_mutex_t mutex;
    struct weir__injector_band bands[WEIR_MAX_BANDS];
    uint32_t bands_count;
    _Atomic size_t count;
    _Atomic uint64_t accepted; /* tasks ever pushed; counted before others can find them */
    _Atomic bool closed;       /* written under the mutex */
};

void weir__injector_init(struct weir__injector *injector, uint32_t bands);
void weir__injector_destroy(struct weir__injector *injector);

/* Appends n tasks but those that were cancelled before they came here, which have had their
 * outcome. Returns how many it appended; -ESHUTDOWN: closed, none was taken. */
ptrdiff_t weir__injector_push(struct weir__injector *injector, struct weir_task *const *tasks,
                              size_t n);

/* The oldest task of the first band that has one, or NULL. rarest: of the last band that has. */
struct weir_task *weir__injector_pop(struct weir__injector *injector, bool rarest);

/* The oldest task of one band, or NULL; besides moves up to more further ones into the caller's own
 * deque of that band, so that the oldest of them is popped first. */
struct weir_task *weir__injector_pop_batch(struct weir__injector *injector, uint32_t band,
                                           struct weir__deque *deque, size_t more);

/* Puts back a task that was queued before, as the oldest of its band. */
void weir__injector_put_back(struct weir__injector *injector, struct weir_task *task);

/* Takes one task out of the middle. False: it is not here. */
bool weir__injector_remove(struct weir__injector *injector, struct weir_task *task);

/* In a child of fork, where nobody else uses it: takes all, linked through weir__next, the first
 * band's oldest first, in front of those given. Counts are forgotten. */
struct weir_task *weir__injector_harvest(struct weir__injector *injector, struct weir_task *rest);

/* From now on push fails. */
void weir__injector_close(struct weir__injector *injector);

/* A worker that found nothing is about to sleep: what comes next has its age told exactly. */
void weir__injector_ran_dry(struct weir__injector *injector);

/* How long the oldest task has been here; 0: there is none. */
uint64_t weir__injector_oldest_ns(struct weir__injector *injector);

/* For a scheduler that keeps more than lists under the same mutex, which it holds. append:
 * 0, -ESHUTDOWN, or -ECANCELED for a task that was cancelled before. */
int weir__injector_append_locked(struct weir__injector *injector, struct weir_task *task);
struct weir_task *weir__injector_pop_locked(struct weir__injector *injector, bool rarest);

/* Tasks queued; seq_cst, for the last look before a worker sleeps. */
static inline size_t weir__injector_count(struct weir__injector *injector) {
    return atomic_load_explicit(&injector->count, memory_order_seq_cst);
}

static inline bool weir__injector_is_closed(struct weir__injector *injector) {
    return atomic_load_explicit(&injector->closed, memory_order_seq_cst);
}

#endif
