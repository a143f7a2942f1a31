/*
 * weir_thread_end: a task that ends its thread ends itself and no other; the pool goes on with as
 * many threads as before.
 */
#include <errno.h>

#include "stress/weir/work.h"

#define TASKS 30
#define ENDS  4

static int end_thread(struct weir_task *task) {
    (void)task;
    pthread_exit(NULL);
}

static int end_thread_in_call(void *arg, void **value) {
    (void)arg;
    (void)value;
    pthread_exit(NULL);
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    struct weir_task ends[ENDS];
    struct weir_future *futures[ENDS];
    work_options(e, &options);
    options.full = WEIR_FULL_BLOCK; /* a caller that ran them would end itself */
    episode_plan(e, TASKS);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    episode_phase(e, "tasks that end their threads among others");
    for (unsigned i = 0; i < TASKS; i++) {
        (void)work_insist(e, pool, &works[i], &e->tasks[i], 0);
        if (i % (TASKS / ENDS) == 3 && i / (TASKS / ENDS) < ENDS) {
            unsigned k = i / (TASKS / ENDS);
            ends[k] = (struct weir_task)WEIR_TASK_INIT(end_thread);
            work_expect(e, "submit", weir_pool_submit(pool, &ends[k]), 0);
            work_expect(e, "async", weir_pool_async(pool, end_thread_in_call, NULL, &futures[k]),
                        0);
        }
    }
    episode_phase(e, "futures of calls that ended their threads");
    for (unsigned k = 0; k < ENDS; k++) {
        int error = weir_future_get(futures[k], NULL, WEIR_FOREVER);
        if (error != -EOWNERDEAD) {
            work_wrong(e, "get of a call that ended its thread", error);
        }
        weir_future_unref(futures[k]);
    }
    episode_phase(e, "idle after threads were ended");
    work_expect(e, "weir_pool_await_idle", weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    episode_check_all(e, false);
    work_free(e, pool);
    free(works);
    episode_reach(e, 0, 2 * ENDS);
}

const struct scenario scenario_weir_thread_end = {
    .name = "weir_thread_end",
    .invariant = "a task that ends its thread fails alone, and the pool goes on",
    .reach = {"threads ended by tasks"},
    .run = run,
};
