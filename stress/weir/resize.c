/*
 * weir_resize: sizes, keep-alive times and pauses may change at any moment under load; no task is
 * lost, run twice or left behind, and the pool keeps to its most threads.
 */
#include "stress/weir/work.h"

#define TASKS   50 /* of each producer */
#define CHANGES 24
#define MOST    8u

struct member {
    struct episode *e;
    struct weir_pool *pool;
    struct work *works;
    unsigned first;
    bool changes;
    uint64_t random;
};

static void change_once(struct member *m) {
    struct weir_pool *pool = m->pool;
    uint32_t most = 1 + (uint32_t)(stress_random(&m->random) % MOST);
    uint32_t core = (uint32_t)(stress_random(&m->random) % (most + 1));
    switch (stress_random(&m->random) % 5) {
    case 0:
    case 1:
        work_expect(m->e, "weir_pool_resize",
                    weir_pool_resize(pool, core == 0 ? WEIR_NO_CORE : core, most), 0);
        break;
    case 2:
        work_expect(m->e, "weir_pool_set_keep_alive",
                    weir_pool_set_keep_alive(pool, stress_random(&m->random) % 200000,
                                             stress_random(&m->random) % 2 == 0),
                    0);
        break;
    case 3:
        work_expect(m->e, "weir_pool_pause", weir_pool_pause(pool), 0);
        perturb_rest(200);
        work_expect(m->e, "weir_pool_resume", weir_pool_resume(pool), 0);
        break;
    default:
        (void)weir_pool_prestart(pool); /* how many it started */
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    for (unsigned i = 0; m->changes && i < CHANGES; i++) {
        change_once(m);
        perturb_rest(150);
    }
    for (unsigned i = 0; !m->changes && i < TASKS; i++) {
        unsigned task = m->first + i;
        (void)work_insist(m->e, m->pool, &m->works[task], &m->e->tasks[task], 0);
        if (stress_random(&m->random) % 8 == 0) {
            perturb_rest(120); /* threads leave */
        }
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct member crew[EPISODE_CREW];
    struct weir_pool_options options;
    struct weir_pool_stats stats = {.size = sizeof stats};
    work_options(e, &options);
    episode_plan(e, producers * TASKS);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    for (unsigned i = 0; i <= producers; i++) {
        crew[i] = (struct member){e, pool, works, i * TASKS, i == producers, episode_seed(e, i)};
    }
    episode_phase(e, "resize, pause and keep-alive under load");
    episode_crew(e, producers + 1, work, crew, sizeof crew[0]);
    episode_join(e);
    episode_phase(e, "idle after resizing");
    work_expect(e, "weir_pool_await_idle", weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    episode_check_all(e, false);
    weir_pool_stats(pool, &stats);
    if (stats.largest > (e->spec->workers > MOST ? e->spec->workers : MOST)) {
        episode_fail(e, "bound exceeded", "%llu threads at one time",
                     (unsigned long long)stats.largest);
    }
    work_free(e, pool);
    free(works);
    episode_reach(e, 0, CHANGES);
}

const struct scenario scenario_weir_resize = {
    .name = "weir_resize",
    .invariant = "resize, pause and keep-alive under load lose nothing and keep to the bounds",
    .reach = {"changes"},
    .run = run,
};
