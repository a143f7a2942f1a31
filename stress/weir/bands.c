/*
 * weir_bands: a worker takes from the most urgent band that has a task, but for rare turns the
 * other way round; and tasks of the last band do not starve.
 *
 * One worker is held while tasks are queued in all bands, in mixed order, and then lets them all
 * run: their starts must go from band to band with few exceptions.
 */
#include "stress/weir/work.h"

#define BANDS      3
#define EACH       16 /* tasks of a band */
#define EXCEPTIONS 3  /* one turn in 61 is the other way round */

static _Atomic(uint32_t) next_start;
static uint32_t starts[BANDS * EACH]; /* the band, in order of starting; one worker writes */

static void hold(struct task *t) {
    gate_pass(t->user);
}

static void note(struct task *t) {
    uint32_t place = atomic_fetch_add_explicit(&next_start, 1, memory_order_relaxed);
    starts[place] = (t->id - 1) % BANDS;
}

static void check(struct episode *e) {
    unsigned exceptions = 0, most_urgent = 0, left[BANDS] = {EACH, EACH, EACH};
    for (unsigned i = 0; i < BANDS * EACH; i++) {
        while (left[most_urgent] == 0) {
            most_urgent++;
        }
        exceptions += starts[i] > most_urgent;
        left[starts[i]]--;
    }
    if (exceptions > EXCEPTIONS) {
        episode_fail(e, "order", "%u of %u tasks started before more urgent ones", exceptions,
                     BANDS * EACH);
    }
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    struct gate gate;
    gate_init(&gate);
    work_options(e, &options);
    options.threads = 1;
    options.capacity = 0;
    options.bands = BANDS;
    episode_plan(e, 1 + BANDS * EACH);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    atomic_store_explicit(&next_start, 0, memory_order_relaxed);
    episode_phase(e, "hold the worker");
    e->tasks[0].user = &gate;
    works[0].body = hold;
    (void)work_insist(e, pool, &works[0], &e->tasks[0], 0);
    gate_await_inside(&gate, 1);
    for (unsigned i = 1; i < e->planned; i++) {
        works[i].body = note;
        (void)work_insist(e, pool, &works[i], &e->tasks[i], WEIR_TASK_BAND((i - 1) % BANDS));
    }
    gate_open(&gate);
    episode_phase(e, "tasks of all bands");
    work_expect(e, "weir_pool_await_idle", weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    check(e);
    work_free(e, pool);
    episode_check_all(e, false);
    free(works);
    gate_fini(&gate);
    episode_reach(e, 0, BANDS * EACH);
}

const struct scenario scenario_weir_bands = {
    .name = "weir_bands",
    .invariant = "the most urgent band goes first, but for rare turns the other way round",
    .reach = {"tasks in bands"},
    .run = run,
};
