/*
 * The words by which queues and claimers agree on a task. The protocol is told in claim.h.
 */
#ifndef WEIR__TASK_H
#define WEIR__TASK_H

#include <stdatomic.h>
#include <stdbool.h>

#include <weir/task.h>

enum {
    TASK_QUEUED = 1,
    TASK_TAKEN = 2,
    TASK_CLAIMED = 4,
    TASK_CANCELLED = 8, /* with TAKEN or CLAIMED: by one who will not run it */
    TASK_STOPPED = 16,  /* with TAKEN or CLAIMED, while it runs: a timer's last run (timer.c) */
};

/* Internal flag: the task is the first member of a struct weir_future. */
#define WEIR__TASK_FUTURE (1u << 31)

/* Internal flags, of a future's task: the generation (platform/fork.h) in which it was submitted.
 */
#define WEIR__TASK_GENERATION(generation) (((generation)&0x7FFFu) << 16)

/* Where a queued task lies: the address of an injector, or of a slot of a deque or a ring with the
 * lowest bit set; 0 when it is in no queue. Written by whoever puts the task into a queue, before
 * others can find it there. */
#define WEIR__PLACE_NONE ((uintptr_t)0)
#define WEIR__PLACE_SLOT ((uintptr_t)1)

static inline uint32_t weir__task_band(const struct weir_task *task) {
    return task->flags >> 8 & 7u;
}

static inline void weir__task_set_place(struct weir_task *task, uintptr_t place) {
    atomic_store_explicit(&task->weir__place, place, memory_order_release);
}

/* Marks the task queued, at the point from which its submission can no longer fail. False: it was
 * cancelled before it came so far, and must not be queued. Plain tasks cannot be. */
static inline bool weir__task_mark_queued(struct weir_task *task) {
    if (!(task->flags & WEIR__TASK_FUTURE))
        return true;
    uint32_t none = 0;
    return atomic_compare_exchange_strong_explicit(&task->weir__state, &none, TASK_QUEUED,
                                                   memory_order_release, memory_order_relaxed);
}

/* The same for a task that its submitter runs at once: no queue, and no time to claim it. */
static inline bool weir__task_mark_taken(struct weir_task *task) {
    if (!(task->flags & WEIR__TASK_FUTURE))
        return true;
    uint32_t none = 0;
    return atomic_compare_exchange_strong_explicit(&task->weir__state, &none,
                                                   TASK_QUEUED | TASK_TAKEN, memory_order_release,
                                                   memory_order_relaxed);
}

#endif
