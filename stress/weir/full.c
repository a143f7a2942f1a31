/*
 * weir_full: DISCARD, DISCARD_OLDEST and HANDLER accept every task, and each ends in run or drop.
 *
 * Every worker is held, so that what is queued stays queued. One producer: what is dropped is known
 * exactly, the newest tasks or the oldest. Several: every task still has one outcome, and as many
 * are dropped as the pool says.
 */
#include "stress/weir/work.h"

#define EACH 12

struct member {
    struct episode *e;
    struct weir_pool *pool;
    struct work *works;
    unsigned first;
};

static void hold(struct task *t) {
    gate_pass(t->user);
}

static enum weir_full_policy ask(void *arg, struct weir_pool *pool, struct weir_task *task) {
    static const enum weir_full_policy answers[] = {WEIR_FULL_REJECT, WEIR_FULL_CALLER_RUNS,
                                                    WEIR_FULL_DISCARD, WEIR_FULL_DISCARD_OLDEST};
    (void)arg;
    (void)pool;
    return answers[stress_mix((uintptr_t)task) % 4];
}

static void *produce(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    for (unsigned i = 0; i < EACH; i++) {
        unsigned task = m->first + i;
        (void)work_submit(m->e, m->pool, &m->works[task], &m->e->tasks[task], 0);
    }
    return NULL;
}

/* Of one producer, which tasks must have been dropped. */
static void check_which(struct episode *e, enum weir_full_policy policy, unsigned first,
                        size_t capacity) {
    for (unsigned i = 0; i < EACH; i++) {
        bool expected = policy == WEIR_FULL_DISCARD ? i >= capacity : i + capacity < EACH;
        if (work_dropped(&e->tasks[first + i]) != expected) {
            episode_fail(e, "order", "task %u of %u at capacity %zu was %s", i, EACH, capacity,
                         expected ? "not discarded" : "discarded");
        }
    }
}

static uint64_t count_dropped(struct episode *e) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->planned; i++) {
        n += work_dropped(&e->tasks[i]);
    }
    return n;
}

static void run(struct episode *e) {
    static const enum weir_full_policy policies[] = {WEIR_FULL_DISCARD, WEIR_FULL_DISCARD_OLDEST,
                                                     WEIR_FULL_HANDLER};
    unsigned producers = e->spec->producers, workers = e->spec->workers;
    struct member crew[EPISODE_CREW];
    struct weir_pool_options options;
    struct weir_pool_stats stats = {.size = sizeof stats};
    struct gate gate;
    gate_init(&gate);
    work_options(e, &options);
    options.capacity = e->spec->capacity;
    options.full = policies[episode_below(e, 3)];
    options.hooks.full = options.full == WEIR_FULL_HANDLER ? ask : NULL;
    episode_plan(e, workers + producers * EACH);
    struct work *works = episode_memory(e, e->planned * sizeof *works);
    struct weir_pool *pool = work_pool(e, &options);
    episode_phase(e, "hold every worker");
    for (unsigned i = 0; i < workers; i++) {
        e->tasks[i].user = &gate;
        works[i].body = hold;
        gate_await_inside(&gate, i);
        work_expect(e, "submit with room", work_submit(e, pool, &works[i], &e->tasks[i], 0), 0);
    }
    gate_await_inside(&gate, workers);
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct member){e, pool, works, workers + i * EACH};
    }
    episode_phase(e, "more tasks than there is room for");
    episode_crew(e, producers, produce, crew, sizeof crew[0]);
    bool early = producers != 1 && episode_below(e, 2) == 0;
    if (early) {
        gate_open(&gate); /* workers take while tasks are discarded */
    }
    episode_join(e);
    if (producers == 1 && options.full != WEIR_FULL_HANDLER) {
        check_which(e, options.full, workers, e->spec->capacity);
    }
    gate_open(&gate);
    episode_phase(e, "idle after discarding");
    work_expect(e, "weir_pool_await_idle", weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    weir_pool_stats(pool, &stats);
    uint64_t dropped = count_dropped(e);
    if (stats.discarded != dropped) {
        episode_fail(e, "wrong value", "%llu tasks were dropped, and the pool counts %llu",
                     (unsigned long long)dropped, (unsigned long long)stats.discarded);
    }
    work_free(e, pool);
    episode_check_all(e, true);
    free(works);
    gate_fini(&gate);
    episode_reach(e, 0, dropped);
}

const struct scenario scenario_weir_full = {
    .name = "weir_full",
    .invariant = "discard, discard-oldest and handler: each task is run or dropped, the right ones",
    .needs = NEEDS_BOUNDED,
    .reach = {"discarded tasks"},
    .run = run,
};
