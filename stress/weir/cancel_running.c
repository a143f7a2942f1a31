/*
 * weir_cancel_running: a shutdown that cancels what runs is seen by running tasks, which end; what
 * is queued is dropped; every wait returns. Escalation may come from several threads. A task that
 * sees it sees what was written before it.
 */
#include <errno.h>

#include "stress/weir/work.h"

#define QUEUED 20

struct scene {
    struct gate gate;
    int reason; /* plain memory: the cancellation publishes it */
};

struct shutter {
    struct episode *e;
    struct scene *scene;
    struct weir_pool *pool;
    enum weir_shutdown_mode mode;
};

static void run_until_cancelled(struct task *t) {
    struct scene *scene = t->user;
    gate_pass(&scene->gate); /* open: it counts who is inside */
    while (!weir_cancelled()) {
        perturb_rest(30);
    }
    if (scene->reason != 1) {
        episode_fail(t->episode, "lost result", "a cancelled task does not see why");
    }
}

static void *shut(void *arg) {
    struct shutter *s = arg;
    episode_ready(s->e);
    if (s->mode == WEIR_CANCEL_RUNNING) {
        s->scene->reason = 1;
    }
    work_expect(s->e, "weir_pool_shutdown", weir_pool_shutdown(s->pool, s->mode), 0);
    return NULL;
}

static void run(struct episode *e) {
    unsigned workers = e->spec->workers;
    struct shutter crew[3];
    struct weir_pool_options options;
    struct scene scene = {.reason = 0};
    gate_init(&scene.gate);
    gate_open(&scene.gate);
    work_options(e, &options);
    options.capacity = 0;
    episode_plan(e, workers + QUEUED);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    for (unsigned i = 0; i < e->planned; i++) {
        e->tasks[i].user = &scene;
        works[i].body = i < workers ? run_until_cancelled : NULL;
        (void)work_insist(e, pool, &works[i], &e->tasks[i], 0);
    }
    episode_phase(e, "running tasks are asked to end");
    gate_await_inside(&scene.gate, workers);
    for (unsigned i = 0; i < 3; i++) {
        crew[i] = (struct shutter){e, &scene, pool, (enum weir_shutdown_mode)i};
    }
    atomic_store_explicit(&e->shutting, true, memory_order_relaxed);
    episode_crew(e, 3, shut, crew, sizeof crew[0]);
    episode_join(e);
    work_expect(e, "weir_pool_await", weir_pool_await(pool, WEIR_FOREVER), 0);
    work_free(e, pool);
    episode_check_all(e, true);
    free(works);
    gate_fini(&scene.gate);
    episode_reach(e, 0, workers);
}

const struct scenario scenario_weir_cancel_running = {
    .name = "weir_cancel_running",
    .invariant = "a shutdown that cancels what runs is seen by every running task",
    .reach = {"tasks asked to end"},
    .run = run,
};
