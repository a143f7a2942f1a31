/*
 * weir_take_back: a task that is taken back or removed has had its drop when the call returns, and
 * never runs; every other one runs.
 */
#include <errno.h>

#include "stress/weir/work.h"

#define TASKS 40 /* of each producer */
#define SOME  6

struct member {
    struct episode *e;
    struct weir_pool *pool;
    struct work *works;
    unsigned first;
    uint64_t random;
    _Atomic(bool) *handed; /* one a task */
    _Atomic(unsigned) *producing;
    bool takes;
    unsigned taken;
};

static void produce(struct member *m) {
    for (unsigned i = m->first; i < m->first + TASKS; i++) {
        (void)work_insist(m->e, m->pool, &m->works[i], &m->e->tasks[i], 0);
        atomic_store_explicit(&m->handed[i], true, memory_order_release);
    }
    atomic_fetch_sub_explicit(m->producing, 1, memory_order_relaxed);
}

static void check_taken(struct member *m, const struct task *t) {
    if (!work_dropped(t)) {
        episode_fail(m->e, "drop not told", "task %u was taken back without its drop", t->id);
    }
    if (work_started(t)) {
        episode_fail(m->e, "run and dropped", "task %u was taken back, and has run", t->id);
    }
    m->taken++;
}

static void take_some(struct member *m) {
    struct weir_taken taken[SOME];
    ptrdiff_t n = weir_pool_take_back(m->pool, taken, 1 + stress_random(&m->random) % SOME);
    if (n < 0) {
        work_wrong(m->e, "weir_pool_take_back", n);
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const struct work *w = (const struct work *)(const void *)taken[i].task;
        if (w < m->works || w >= m->works + m->e->planned) {
            episode_fail(m->e, "wrong value", "a task was taken back that nobody submitted");
        }
        check_taken(m, w->record);
    }
}

static void remove_one(struct member *m) {
    unsigned i = (unsigned)(stress_random(&m->random) % m->e->planned);
    if (!atomic_load_explicit(&m->handed[i], memory_order_acquire)) {
        return;
    }
    int error = weir_pool_remove(m->pool, &m->works[i].task);
    if (error == 0) {
        check_taken(m, &m->e->tasks[i]);
    } else if (error != -ENOENT) {
        work_wrong(m->e, "weir_pool_remove", error);
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    if (!m->takes) {
        produce(m);
        return NULL;
    }
    while (atomic_load_explicit(m->producing, memory_order_relaxed) != 0) {
        if (stress_random(&m->random) % 2 == 0) {
            take_some(m);
        } else {
            remove_one(m);
        }
        perturb_rest(40);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers, dropped = 0, taken = 0;
    struct member crew[EPISODE_CREW];
    struct weir_pool_options options;
    _Atomic(unsigned) producing = producers;
    work_options(e, &options);
    episode_plan(e, producers * TASKS);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    _Atomic(bool) *handed = episode_memory(e, e->planned * sizeof *handed);
    struct weir_pool *pool = work_pool(e, &options);
    for (unsigned i = 0; i < producers + 2; i++) {
        crew[i] = (struct member){.e = e, .pool = pool, .works = works, .first = i * TASKS};
        crew[i].random = episode_seed(e, i);
        crew[i].handed = handed;
        crew[i].producing = &producing;
        crew[i].takes = i >= producers;
    }
    episode_phase(e, "take back and remove while workers take");
    episode_crew(e, producers + 2, work, crew, sizeof crew[0]);
    episode_join(e);
    work_free(e, pool);
    episode_check_all(e, true);
    for (unsigned i = 0; i < e->planned; i++) {
        dropped += work_dropped(&e->tasks[i]);
    }
    for (unsigned i = producers; i < producers + 2; i++) {
        taken += crew[i].taken;
    }
    if (taken != dropped) {
        episode_fail(e, "wrong value", "%u tasks were taken back, %u dropped", taken, dropped);
    }
    free(works);
    free(handed);
    episode_reach(e, 0, taken);
}

const struct scenario scenario_weir_take_back = {
    .name = "weir_take_back",
    .invariant = "a task taken back has had its drop and never runs; every other one runs",
    .reach = {"tasks taken back"},
    .run = run,
};
