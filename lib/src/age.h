/*
 * Age: since when the oldest queued task waits, for almost nothing a task.
 *
 * A reading of even the coarse clock costs several nanoseconds, so not every task gets one. As long
 * as stamped tasks follow each other within one tick of that clock the distance between two stamps
 * doubles, up to EVERY_MOST; as soon as a tick lies between them every task is stamped again. A
 * task that comes into an empty queue, or wakes a worker, is stamped always. Whoever takes a
 * stamped task remembers its stamp, so that for a head without one the age is known from above: not
 * older than the last stamp that passed.
 *
 * Submitters may race on these words where no mutex guards them; the worst is a stamp more or less.
 */
#ifndef WEIR__AGE_H
#define WEIR__AGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/task.h>

#include "platform/clock.h"

#define WEIR__STAMP_EVERY_MOST 64u

struct weir__age {
    _Atomic uint32_t every; /* distance between stamps; 0 is 1 */
    _Atomic uint32_t left;  /* tasks until the next stamp */
    _Atomic uint64_t last_ns;
};

/* Before the task is published. A task that has a stamp (precise, for hooks) keeps it. */
static inline void weir__age_stamp(struct weir__age *age, struct weir_task *task, bool now) {
    uint32_t left = atomic_load_explicit(&age->left, memory_order_relaxed);

    if (left > 0 && !now) {
        atomic_store_explicit(&age->left, left - 1, memory_order_relaxed);
        return;
    }
    uint64_t now_ns = weir__clock_coarse_ns();
    uint32_t every = atomic_load_explicit(&age->every, memory_order_relaxed);
    if (now_ns != atomic_load_explicit(&age->last_ns, memory_order_relaxed))
        every = 0;
    else if (!now)
        every = every * 2 + 1 < WEIR__STAMP_EVERY_MOST ? every * 2 + 1 : WEIR__STAMP_EVERY_MOST;
    atomic_store_explicit(&age->every, every, memory_order_relaxed);
    atomic_store_explicit(&age->left, every, memory_order_relaxed);
    atomic_store_explicit(&age->last_ns, now_ns, memory_order_relaxed);
    if (atomic_load_explicit(&task->weir__queued_ns, memory_order_relaxed) == 0)
        atomic_store_explicit(&task->weir__queued_ns, now_ns, memory_order_relaxed);
}

/* By whoever takes the task from the head; passed_ns belongs to the queue's takers. */
static inline void weir__age_pass(_Atomic uint64_t *passed_ns, const struct weir_task *task) {
    uint64_t stamp_ns = atomic_load_explicit(&task->weir__queued_ns, memory_order_relaxed);

    if (stamp_ns != 0)
        atomic_store_explicit(passed_ns, stamp_ns, memory_order_relaxed);
}

/* The age of a queue whose head has this stamp, or 0. */
static inline uint64_t weir__age_of(_Atomic uint64_t *passed_ns, uint64_t head_ns) {
    uint64_t since_ns = head_ns ? head_ns : atomic_load_explicit(passed_ns, memory_order_relaxed);
    uint64_t now_ns = weir__clock_coarse_ns();

    return since_ns != 0 && now_ns > since_ns ? now_ns - since_ns : 0;
}

#endif
