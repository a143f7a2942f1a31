/*
 * Age: since when the oldest queued task waits, for almost nothing a task.
 *
 * A reading of even the coarse clock costs several nanoseconds, so not every task gets one. A task
 * is stamped when its number in the queue is a multiple of the distance between stamps, which needs
 * no counter of its own. As long as stamps follow each other within one tick of that clock the
 * distance doubles, up to EVERY_MOST; as soon as a tick lies between them, or a worker goes to
 * sleep, every task is stamped again. For a head without a stamp the age is known from above: not
 * older than the last stamp before it. What that can be wrong by: after a burst that workers never
 * saw the end of, the next EVERY_MOST tasks may count as old as the burst.
 *
 * A list keeps the stamp in the task, and whoever takes a stamped task remembers it. A ring, whose
 * tasks nobody may touch but who takes them, keeps a log of its own, so that a slot stays small and
 * a pop has nothing to do for it.
 *
 * Threads may race on these words where no mutex guards them; the worst is a stamp more or less.
 */
#ifndef WEIR__AGE_H
#define WEIR__AGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/task.h>

#include "platform/clock.h"

#define WEIR__STAMP_EVERY_MOST 256u

struct weir__age {
    _Atomic uint32_t rare; /* the distance between stamps, a power of two, less one */
    _Atomic uint64_t last_ns;
};

/* Whether the queue's number-th gets a stamp. */
static inline bool weir__age_is_due(const struct weir__age *age, uint64_t number) {
    return (number & atomic_load_explicit(&age->rare, memory_order_relaxed)) == 0;
}

/* By a worker that goes to sleep: whatever comes next is stamped. */
static inline void weir__age_expect(struct weir__age *age) {
    if (atomic_load_explicit(&age->rare, memory_order_relaxed) > 0)
        atomic_store_explicit(&age->rare, 0, memory_order_relaxed);
}

/* How long ago that was. */
uint64_t weir__age_since(uint64_t stamp_ns);

/* ---- In the task ---- */

/* A task that has a stamp (precise, for hooks) keeps it. True, so that who does this last needs to
 * keep nothing over the call. */
bool weir__age_stamp(struct weir__age *age, struct weir_task *task);

/* By whoever takes the head, whose stamp this is, or 0; passed_ns belongs to the queue's takers. */
static inline void weir__age_pass(_Atomic uint64_t *passed_ns, uint64_t stamp_ns) {
    if (stamp_ns != 0)
        atomic_store_explicit(passed_ns, stamp_ns, memory_order_relaxed);
}

/* ---- In a log ---- */

/* Words for a queue of that capacity: the stamps before a full queue's head are still there. */
#define WEIR__AGE_WORDS(capacity) ((size_t)(capacity) + WEIR__STAMP_EVERY_MOST - 1)

struct weir__age_log {
    _Atomic uint64_t *words; /* borrowed, zeroed by init; NULL: nothing is kept */
    size_t count;
};

void weir__age_log_init(struct weir__age_log *log, _Atomic uint64_t *words, size_t count);

/* Before the position is published. */
void weir__age_log_stamp(struct weir__age_log *log, struct weir__age *age, uint64_t position);

/* The age of what was put at that position, or 0: the log does not reach back so far. */
uint64_t weir__age_log_of(const struct weir__age_log *log, uint64_t position);

#endif
