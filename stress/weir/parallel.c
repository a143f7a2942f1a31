/*
 * weir_parallel: weir_for calls its body for every index exactly once, and has seen all of them
 * end when it returns; an error ends it; loops inside loops and at the same time do not deadlock;
 * and in an idle pool as many bodies run at the same time as there are participants.
 */
#include <errno.h>

#include "stress/weir/work.h"

#define INDICES 400
#define LOOPS   4

struct loop {
    struct episode *e;
    struct weir_pool *pool;
    unsigned char *seen; /* plain: whoever returns sees what every body wrote */
    size_t fails_at;     /* INDICES: nowhere */
    bool nested;
};

static int count_inner(void *arg, size_t low, size_t high) {
    atomic_fetch_add_explicit((_Atomic(size_t) *)arg, high - low, memory_order_relaxed);
    return 0;
}

static int body(void *arg, size_t low, size_t high) {
    struct loop *l = arg;
    perturb_point("harness:body");
    for (size_t i = low; i < high; i++) {
        l->seen[i]++;
        if (i == l->fails_at) {
            return -EIO;
        }
    }
    if (l->nested && low % 64 == 0) {
        _Atomic(size_t) inner = 0;
        work_expect(l->e, "weir_for inside", weir_for(l->pool, 0, 50, 7, count_inner, &inner), 0);
        work_expect(l->e, "indices of an inner loop",
                    (long)atomic_load_explicit(&inner, memory_order_relaxed), 50);
    }
    return 0;
}

static void check(struct loop *l, int answer) {
    bool fails = l->fails_at < INDICES;
    work_expect(l->e, "weir_for", answer, fails ? -EIO : 0);
    for (size_t i = 0; i < INDICES; i++) {
        if (l->seen[i] > 1) {
            episode_fail(l->e, "double run", "index %zu was worked on %d times", i, l->seen[i]);
        }
        if (l->seen[i] == 0 && !fails) {
            episode_fail(l->e, "lost task", "index %zu was not worked on", i);
        }
    }
}

static void *work(void *arg) {
    struct loop *l = arg;
    episode_ready(l->e);
    for (unsigned i = 0; i < LOOPS; i++) {
        for (size_t k = 0; k < INDICES; k++) {
            l->seen[k] = 0;
        }
        check(l, weir_for(l->pool, 0, INDICES, i * 9, body, l));
    }
    return NULL;
}

struct meeting {
    unsigned expected;
    _Atomic(unsigned) come;
    struct gate gate;
};

/* Waits until every body of the loop has begun. */
static int meet(void *arg, size_t low, size_t high) {
    struct meeting *m = arg;
    (void)low;
    (void)high;
    if (atomic_fetch_add_explicit(&m->come, 1, memory_order_relaxed) + 1 == m->expected) {
        gate_open(&m->gate);
    }
    gate_pass(&m->gate);
    return 0;
}

/* A chunk for the caller and one for each worker: each must come to somebody who is free. */
static void meet_in_idle_pool(struct episode *e, struct weir_pool *pool) {
    for (unsigned i = 0; i < LOOPS; i++) {
        struct meeting m = {.expected = e->spec->workers + 1};
        gate_init(&m.gate);
        work_expect(e, "weir_pool_await_idle", weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        work_expect(e, "weir_for of bodies that wait for each other",
                    weir_for(pool, 0, m.expected, 1, meet, &m), 0);
        gate_fini(&m.gate);
    }
    episode_reach(e, 1, LOOPS);
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct loop crew[EPISODE_CREW];
    struct weir_pool_options options;
    work_options(e, &options);
    episode_plan(e, 1);
    struct weir_pool *pool = work_pool(e, &options);
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct loop){e, pool, episode_memory(e, INDICES), INDICES, false};
        crew[i].fails_at = episode_below(e, 3) == 0 ? episode_below(e, INDICES) : INDICES;
        crew[i].nested = episode_below(e, 2) == 0;
    }
    episode_phase(e, "loops at the same time");
    episode_crew(e, producers, work, crew, sizeof crew[0]);
    episode_join(e);
    if (options.capacity == 0) { /* with a bound there may be no room to call them all */
        episode_phase(e, "bodies that wait for each other");
        meet_in_idle_pool(e, pool);
    }
    work_free(e, pool);
    for (unsigned i = 0; i < producers; i++) {
        free(crew[i].seen);
    }
    episode_reach(e, 0, producers * LOOPS);
}

const struct scenario scenario_weir_parallel = {
    .name = "weir_parallel",
    .invariant = "weir_for: every index once, all ended at the return, errors and nesting included",
    .reach = {"loops", "loops whose bodies wait for each other"},
    .run = run,
};
