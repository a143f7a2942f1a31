/*
 * weir_then: a dependent ends exactly as its source and its call say, whenever its source ends and
 * whoever cancels; its call runs at most once, after the source, which nobody need hold any more.
 */
#include <errno.h>

#include "stress/weir/work.h"

#define CHAINS 12
#define LINKS  3

struct link {
    struct episode *e;
    _Atomic(uint32_t) runs;
    uint64_t out; /* plain: written by the call, read after get */
};

struct chain {
    struct weir_future source;
    struct weir_future *links[LINKS];
    struct link calls[LINKS];
    uint64_t payload; /* plain: written before set, read by the first call */
    bool cancels;
    bool lets_go; /* of all links but the last, at once */
};

struct member {
    struct episode *e;
    struct chain *chains;
    bool sets;
};

static int run_link(void *arg, int error, void *value, void **result) {
    struct link *l = arg;
    struct chain *c = value;
    if (error != 0 || c == NULL || c->payload != 77) {
        episode_fail(l->e, "lost result", "a dependent does not see what came before its source");
    }
    if (atomic_fetch_add_explicit(&l->runs, 1, memory_order_relaxed) != 0) {
        episode_fail(l->e, "double run", "the call of a dependent ran twice");
    }
    perturb_point("harness:dependent");
    l->out = 78;
    *result = value;
    return 0;
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    for (unsigned i = 0; i < CHAINS; i++) {
        struct chain *c = &m->chains[i];
        if (m->sets) {
            c->payload = 77;
            int error = weir_future_set(&c->source, c);
            if (error != 0) {
                work_wrong(m->e, "weir_future_set", error);
            }
        } else if (c->cancels) {
            int error = weir_future_cancel(c->links[i % LINKS]);
            if (error != 0 && error != -EALREADY && error != -EINPROGRESS) {
                work_wrong(m->e, "weir_future_cancel", error);
            }
        }
    }
    return NULL;
}

static void check(struct episode *e, struct chain *c, unsigned i) {
    int before = 0;
    for (unsigned k = c->lets_go ? LINKS - 1 : 0; k < LINKS; k++) {
        void *value = NULL;
        int error = weir_future_get(c->links[k], &value, WEIR_FOREVER);
        uint32_t runs = atomic_load_explicit(&c->calls[k].runs, memory_order_relaxed);
        bool may_fail = before != 0 || (c->cancels && i % LINKS == k);
        if (error != 0 && !(may_fail && error == -ECANCELED)) {
            work_wrong(e, "get of a dependent", error);
        }
        if (error == 0 && (value != c || runs != 1 || c->calls[k].out != 78)) {
            episode_fail(e, "lost result", "what a dependent's call wrote is not seen after get");
        }
        before = error;
    }
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    struct member crew[2];
    struct chain *chains = aligned_alloc(64, (CHAINS * sizeof *chains + 63) / 64 * 64);
    if (chains == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    work_options(e, &options);
    options.capacity = 0;
    episode_plan(e, 1);
    struct weir_pool *pool = work_pool(e, &options);
    for (unsigned i = 0; i < CHAINS; i++) {
        struct chain *c = &chains[i];
        *c = (struct chain){.cancels = episode_below(e, 3) == 0};
        weir_future_init(&c->source);
        for (unsigned k = 0; k < LINKS; k++) {
            c->calls[k].e = e;
            struct weir_future *before = k == 0 ? &c->source : c->links[k - 1];
            work_expect(e, "weir_future_then",
                        weir_future_then(before, episode_below(e, 2) == 0 ? pool : NULL, run_link,
                                         &c->calls[k], 0, &c->links[k]),
                        0);
        }
        c->lets_go = !c->cancels && episode_below(e, 2) == 0;
        for (unsigned k = 0; c->lets_go && k < LINKS - 1; k++) {
            weir_future_unref(c->links[k]);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        crew[i] = (struct member){e, chains, i == 0};
    }
    episode_phase(e, "chains of dependents");
    episode_crew(e, 2, work, crew, sizeof crew[0]);
    for (unsigned i = 0; i < CHAINS; i++) {
        check(e, &chains[i], i);
    }
    episode_join(e); /* nobody cancels any more */
    for (unsigned i = 0; i < CHAINS; i++) {
        for (unsigned k = chains[i].lets_go ? LINKS - 1 : 0; k < LINKS; k++) {
            weir_future_unref(chains[i].links[k]);
        }
        work_expect(e, "weir_future_fini", weir_future_fini(&chains[i].source), 0);
    }
    work_free(e, pool);
    free(chains);
    episode_reach(e, 0, CHAINS);
}

const struct scenario scenario_weir_then = {
    .name = "weir_then",
    .invariant = "a dependent ends as its source and its call say, and its call runs at most once",
    .reach = {"chains"},
    .run = run,
};
