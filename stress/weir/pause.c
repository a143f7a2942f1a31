/*
 * weir_pause: from the return of pause to resume workers take no task, but for one that each may
 * have been about to take; then all start. A shutdown ends a pause.
 */
#include "stress/weir/work.h"

#define ROUNDS 6
#define TASKS  16 /* more than workers */

static void check_few(struct episode *e, unsigned first, unsigned n) {
    unsigned started = 0;
    for (unsigned i = first; i < first + n; i++) {
        started += work_started(&e->tasks[i]);
    }
    if (started > e->spec->workers) {
        episode_fail(e, "started in a pause", "%u of %u tasks submitted after pause have started",
                     started, n);
    }
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    work_options(e, &options);
    options.capacity = 0;
    episode_plan(e, ROUNDS * 2 * TASKS);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    bool shuts = episode_below(e, 2) == 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned before = round * 2 * TASKS, after = before + TASKS;
        episode_phase(e, "tasks before a pause");
        for (unsigned i = 0; i < TASKS; i++) {
            (void)work_insist(e, pool, &works[before + i], &e->tasks[before + i], 0);
        }
        work_expect(e, "weir_pool_pause", weir_pool_pause(pool), 0);
        episode_phase(e, "tasks in a pause");
        for (unsigned i = 0; i < TASKS; i++) {
            (void)work_insist(e, pool, &works[after + i], &e->tasks[after + i], 0);
        }
        perturb_rest(300);
        check_few(e, after, TASKS);
        if (round + 1 == ROUNDS && shuts) {
            break; /* free shuts down, and that ends the pause */
        }
        work_expect(e, "weir_pool_resume", weir_pool_resume(pool), 0);
        if (round % 2 == 0) {
            episode_phase(e, "idle after a pause");
            work_expect(e, "weir_pool_await_idle", weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        }
    }
    work_free(e, pool);
    episode_check_all(e, false);
    free(works);
    episode_reach(e, 0, ROUNDS);
    episode_reach(e, 1, shuts);
}

const struct scenario scenario_weir_pause = {
    .name = "weir_pause",
    .invariant = "in a pause workers take no further task; resume and shutdown end it",
    .reach = {"pauses", "pauses ended by shutdown"},
    .run = run,
};
