#include "stress/episode.h"
#include "stress/fault.h"

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define FORKED_CHILD_DIES true
#else
#define FORKED_CHILD_DIES false
#endif

extern const struct scenario scenario_exactly_once, scenario_lost_wakeup, scenario_early_idle,
    scenario_shutdown_race, scenario_submit_after_shutdown, scenario_nested_wait,
    scenario_future_lifetime, scenario_full_queue, scenario_cancel_race, scenario_work_conservation,
    scenario_starvation, scenario_callbacks, scenario_two_pools, scenario_waiters_return,
    scenario_shutdown_inside, scenario_lifecycle, scenario_idle_cost, scenario_timeouts,
    scenario_exhaustion, scenario_fork_outside, scenario_fifo_order;

/* Filled up by scenarios_add, before the first episode. */
static const struct scenario *table[BOARD_SCENARIOS] = {
    &scenario_exactly_once,
    &scenario_lost_wakeup,
    &scenario_early_idle,
    &scenario_shutdown_race,
    &scenario_submit_after_shutdown,
    &scenario_nested_wait,
    &scenario_future_lifetime,
    &scenario_full_queue,
    &scenario_cancel_race,
    &scenario_work_conservation,
    &scenario_starvation,
    &scenario_callbacks,
    &scenario_two_pools,
    &scenario_waiters_return,
    &scenario_shutdown_inside,
    &scenario_lifecycle,
    &scenario_idle_cost,
    &scenario_timeouts,
    &scenario_exhaustion,
    &scenario_fork_outside,
    &scenario_fifo_order,
};

unsigned scenario_count(void) {
    unsigned n = 0;
    while (n < BOARD_SCENARIOS && table[n] != NULL) {
        n++;
    }
    return n;
}

const struct scenario *scenario_at(unsigned i) {
    return table[i];
}

bool scenarios_add(const struct scenario *const *more) {
    unsigned n = scenario_count();
    for (; *more != NULL; more++, n++) {
        if (n == BOARD_SCENARIOS) {
            return false;
        }
        table[n] = *more;
    }
    return true;
}

const char *scenario_lacks(const struct scenario *s, const struct weir_subject *subject,
                           uint32_t capabilities) {
    bool values = subject->async != NULL && subject->await != NULL && subject->release != NULL;
    uint32_t full = WEIR_SUBJECT_FULL_REJECT | WEIR_SUBJECT_FULL_BLOCK | WEIR_SUBJECT_FULL_CALLER;
    if (subject->inside != NULL) {
        return "takes tasks from threads of its own alone, and scenarios submit from outside";
    }
    if ((s->needs & NEEDS_ASYNC) && !values) {
        return "no async and await";
    }
    if ((s->needs & NEEDS_CANCEL) && subject->cancel == NULL) {
        return "no cancel";
    }
    if ((s->needs & NEEDS_SHUTDOWN) && subject->shutdown == NULL) {
        return "no shutdown";
    }
    if ((s->needs & NEEDS_NESTED) && !(capabilities & WEIR_SUBJECT_NESTED)) {
        return "await inside a task is not safe there";
    }
    if ((s->needs & NEEDS_FROM_TASK) && !(capabilities & WEIR_SUBJECT_FROM_TASK)) {
        return "no submission from inside a task";
    }
    if ((s->needs & NEEDS_ON_DONE) && subject->on_done == NULL) {
        return "no on_done";
    }
    if ((s->needs & NEEDS_SHUTDOWN_INSIDE) && !(capabilities & WEIR_SUBJECT_SHUTDOWN_INSIDE)) {
        return "no shutdown from inside a task";
    }
    if ((s->needs & NEEDS_EXHAUSTION) && !(capabilities & WEIR_SUBJECT_EXHAUSTION)) {
        return "does not say that it survives without memory or threads";
    }
    if ((s->needs & NEEDS_EXHAUSTION) && !fault_is_connected()) {
        return "built without the wrappers that refuse memory and threads";
    }
    if ((s->needs & NEEDS_DEADLINES) && (capabilities & WEIR_SUBJECT_UNTIMED)) {
        return "no waiting with a deadline";
    }
    if ((s->needs & NEEDS_FIFO) && !(capabilities & WEIR_SUBJECT_FIFO)) {
        return "not first in, first out";
    }
    if ((s->needs & NEEDS_OWN_THREADS) && (capabilities & WEIR_SUBJECT_SHARED_THREADS)) {
        return "its threads are the process's, not the pool's";
    }
    if ((s->needs & NEEDS_FORK) && FORKED_CHILD_DIES) {
        return "under ThreadSanitizer a forked child cannot live";
    }
    if ((s->needs & NEEDS_BOUNDED) &&
        (!(capabilities & WEIR_SUBJECT_BOUNDED) || !(capabilities & full))) {
        return "no bound, or no policy for a full queue";
    }
    return NULL;
}
