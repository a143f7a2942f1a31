/*
 * weir_blocking: while workers are blocked outside the pool's knowledge and say so, or wait for a
 * future under WEIR_WAIT_SPARE, spare threads run what is queued.
 *
 * Every worker blocks in a task until other tasks, submitted later, have run. Without spares that
 * is a deadlock.
 */
#include "stress/weir/work.h"

#define LATER 12

struct scene {
    struct gate gate;           /* what is waited for outside the pool */
    struct weir_future *future; /* of a call that runs already, so that nobody can claim it */
};

static void block_and_say_so(struct task *t) {
    struct scene *s = t->user;
    weir_blocking_begin();
    gate_pass(&s->gate);
    weir_blocking_end();
}

static void wait_for_future(struct task *t) {
    struct scene *s = t->user;
    int error = weir_future_get(s->future, NULL, WEIR_FOREVER);
    if (error != 0) {
        work_wrong(t->episode, "weir_future_get", error);
    }
}

static int held_call(void *arg, void **value) {
    struct scene *s = arg;
    *value = NULL;
    weir_blocking_begin();
    gate_pass(&s->gate);
    weir_blocking_end();
    return 0;
}

/* The last of them lets the blocked ones go. */
static void let_go(struct task *t) {
    struct episode *e = t->episode;
    struct scene *s = t->user;
    unsigned started = 0;
    for (uint32_t i = e->spec->workers; i < e->planned; i++) {
        started += work_started(&e->tasks[i]);
    }
    if (started == LATER) {
        gate_open(&s->gate);
    }
}

static void run(struct episode *e) {
    unsigned workers = e->spec->workers;
    bool futures = episode_below(e, 2) == 0;
    struct weir_pool_options options;
    struct scene s = {.future = NULL};
    gate_init(&s.gate);
    work_options(e, &options);
    options.capacity = 0;
    options.max_spares = workers + 1;
    options.wait = futures ? WEIR_WAIT_SPARE : WEIR_WAIT_CLAIM;
    episode_plan(e, workers + LATER);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    episode_phase(e, "every worker blocks until later tasks have run");
    if (futures) {
        work_expect(e, "weir_pool_async", weir_pool_async(pool, held_call, &s, &s.future), 0);
        gate_await_inside(&s.gate, 1);
    }
    for (unsigned i = 0; i < e->planned; i++) {
        e->tasks[i].user = &s;
        works[i].body = i >= workers ? let_go : futures ? wait_for_future : block_and_say_so;
        (void)work_insist(e, pool, &works[i], &e->tasks[i], 0);
    }
    work_expect(e, "weir_pool_await_idle", weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    work_free(e, pool);
    episode_check_all(e, false);
    if (futures) {
        weir_future_unref(s.future);
    }
    free(works);
    gate_fini(&s.gate);
    episode_reach(e, futures, workers);
}

const struct scenario scenario_weir_blocking = {
    .name = "weir_blocking",
    .invariant = "while workers are blocked and say so, spare threads run what is queued",
    .reach = {"blocked workers", "workers that wait for a future"},
    .run = run,
};
