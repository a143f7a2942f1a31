/* What weir's own scenarios share: a task of the harness in a task of weir, and a pool in the
 * episode's shape. */
#ifndef STRESS_WEIR_WORK_H
#define STRESS_WEIR_WORK_H

#include <weir.h>

#include "stress/episode.h"

struct work {
    struct weir_task task;
    struct task *record;
    void (*body)(struct task *record); /* between begin and end; NULL: nothing */
};

/* The options of the episode: workers, capacity, full policy, and a scheduler drawn for it. */
void work_options(struct episode *e, struct weir_pool_options *options);

/* Makes the pool, or judges. */
struct weir_pool *work_pool(struct episode *e, const struct weir_pool_options *options);
void work_free(struct episode *e, struct weir_pool *pool);

/* Submits and notes; any error but those that may be is a verdict. 0, -EAGAIN (a bound is set, or
 * may_be_full) or -ESHUTDOWN (e->shutting). */
int work_submit(struct episode *e, struct weir_pool *pool, struct work *w, struct task *record,
                uint32_t flags);
/* Again while the pool is full. */
int work_insist(struct episode *e, struct weir_pool *pool, struct work *w, struct task *record,
                uint32_t flags);

/* Set in a child of fork, where the parent's tasks may be dropped once more, and where the board is
 * the parent's: nothing is noted. */
extern bool work_in_child;

/* A wrong answer of a call. */
_Noreturn void work_wrong(struct episode *e, const char *call, long answer);
static inline void work_expect(struct episode *e, const char *call, long answer, long expected) {
    if (answer != expected) {
        work_wrong(e, call, answer);
    }
}

bool work_started(const struct task *t);
bool work_dropped(const struct task *t);

/* The scenarios. */
extern const struct scenario scenario_weir_resize, scenario_weir_full, scenario_weir_pause,
    scenario_weir_take_back, scenario_weir_bands, scenario_weir_group, scenario_weir_token,
    scenario_weir_then, scenario_weir_completion, scenario_weir_fork, scenario_weir_thread_end,
    scenario_weir_blocking, scenario_weir_cancel_running, scenario_weir_parallel,
    scenario_weir_hooks, scenario_weir_timer;

#endif
