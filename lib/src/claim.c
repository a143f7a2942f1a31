#include "claim.h"

#include "deque.h"
#include "injector.h"
#include "platform/futex.h"
#include "platform/point.h"

#define TURNS_BEFORE_SLEEP 256u
#define SLEEP_NS           UINT64_C(100000)

bool weir__claim_take(struct weir_task *task, uint32_t how) {
    uint32_t queued = TASK_QUEUED;

    if (!(task->flags & WEIR__TASK_FUTURE))
        return true;
    WEIR__POINT("claim.take");
    if (atomic_compare_exchange_strong_explicit(&task->weir__state, &queued,
                                                TASK_QUEUED | TASK_TAKEN | how,
                                                memory_order_acq_rel, memory_order_relaxed))
        return true;
    /* Claimed. Release: what we read of the task happens before the claimer, who reads TAKEN,
     * frees it. */
    atomic_fetch_or_explicit(&task->weir__state, TASK_TAKEN, memory_order_release);
    weir__futex_wake_all(&task->weir__state); /* the address alone: the claimer may be gone */
    return false;
}

static bool remove_once(struct weir_task *task) {
    uintptr_t place = atomic_load_explicit(&task->weir__place, memory_order_acquire);

    if (place & WEIR__PLACE_SLOT)
        return weir__slot_remove((weir__slot *)(place & ~WEIR__PLACE_SLOT), task);
    return place != WEIR__PLACE_NONE && weir__injector_remove((struct weir__injector *)place, task);
}

/*
 * Looks again until the task is found or a worker has let go of it. Each miss has a cause that
 * lasts a few instructions of another thread: it is moving from the injector to a deque, or a
 * worker is between taking it and setting TAKEN. Should that thread be preempted we sleep; the
 * sleep is bounded because a mover does not wake us.
 */
static enum weir__claim remove_from_queue(struct weir_task *task) {
    for (unsigned turn = 0; !remove_once(task); turn++) {
        uint32_t state = atomic_load_explicit(&task->weir__state, memory_order_acquire);
        if (state & TASK_TAKEN)
            return CLAIM_IN_HAND;
        if (turn < TURNS_BEFORE_SLEEP)
            weir__relax(turn);
        else
            /* uncovered: the thread that has it must be preempted on its way for long */
            weir__futex_wait(&task->weir__state, state, weir_after(SLEEP_NS));
    }
    return CLAIM_REMOVED;
}

enum weir__claim weir__claim_queued(struct weir_task *task, uint32_t how) {
    uint32_t queued = TASK_QUEUED;

    if (!atomic_compare_exchange_strong_explicit(&task->weir__state, &queued,
                                                 TASK_QUEUED | TASK_CLAIMED | how,
                                                 memory_order_acq_rel, memory_order_acquire))
        return CLAIM_LOST;
    WEIR__POINT("claim.won");
    return remove_from_queue(task);
}

bool weir__claim_remove(struct weir_task *task) {
    uintptr_t before, place = atomic_load_explicit(&task->weir__place, memory_order_acquire);

    do { /* it may be moving from the injector to a deque */
        if (remove_once(task))
            return true;
        before = place;
        place = atomic_load_explicit(&task->weir__place, memory_order_acquire);
    } while (place != before);
    return false;
}
