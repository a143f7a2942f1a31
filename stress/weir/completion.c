/*
 * weir_completion: every future that goes in is taken exactly once, when it has ended, by one of
 * many takers; then the queue says that nothing is outstanding. Its descriptor is readable while
 * something can be taken.
 */
#include <errno.h>
#include <poll.h>

#include "stress/weir/work.h"

#define CALLS  40
#define TAKERS 3

struct shared {
    struct episode *e;
    struct weir_completion *queue;
    _Atomic(uint32_t) taken, adding;
    _Atomic(uint32_t) times[CALLS];
    uint64_t out[CALLS]; /* plain: written by the call, read by its taker */
};

struct call {
    struct shared *s;
    unsigned i;
};

static struct call calls[CALLS];

static int run_call(void *arg, void **value) {
    struct call *c = arg;
    perturb_point("harness:completion");
    c->s->out[c->i] = 5 + c->i;
    *value = c;
    return c->i % 5 == 0 ? -EIO : 0;
}

static void check_taken(struct shared *s, struct weir_future *future, void *user) {
    struct call *c = user;
    void *value = NULL;
    if (c < calls || c >= calls + CALLS) {
        episode_fail(s->e, "wrong value", "a future was taken that nobody added");
    }
    if (atomic_fetch_add_explicit(&s->times[c->i], 1, memory_order_relaxed) != 0) {
        episode_fail(s->e, "double run", "future %u was taken twice", c->i);
    }
    int error = weir_future_get(future, &value, WEIR_NOW);
    if (error != (c->i % 5 == 0 ? -EIO : 0)) {
        work_wrong(s->e, "get of a future that was taken", error);
    }
    if (s->out[c->i] != 5 + c->i) {
        episode_fail(s->e, "lost result", "what call %u wrote is not seen by its taker", c->i);
    }
    weir_future_unref(future);
    atomic_fetch_add_explicit(&s->taken, 1, memory_order_relaxed);
}

static void *take(void *arg) {
    struct shared *s = *(struct shared **)arg;
    uint64_t random = episode_seed(s->e, 9);
    episode_ready(s->e);
    for (;;) {
        struct weir_future *future = NULL;
        void *user = NULL;
        /* Before the look: what is added in between it would not see. */
        bool all_added = atomic_load_explicit(&s->adding, memory_order_acquire) == 0;
        bool polls = stress_random(&random) % 3 == 0;
        int error = weir_completion_next(s->queue, &future, &user,
                                         polls ? weir_after(100000) : WEIR_FOREVER);
        if (error == 0) {
            check_taken(s, future, user);
        } else if (error == -ENOENT) {
            if (all_added) {
                return NULL;
            }
            sched_yield();
        } else if (error != -ETIMEDOUT) {
            work_wrong(s->e, "weir_completion_next", error);
        }
    }
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    struct shared *crew[TAKERS], *s = episode_memory(e, sizeof *s);
    s->e = e;
    work_options(e, &options);
    episode_plan(e, 1);
    struct weir_pool *pool = work_pool(e, &options);
    work_expect(e, "weir_completion_new", weir_completion_new(&s->queue), 0);
    int fd = episode_below(e, 2) == 0 ? weir_completion_fd(s->queue) : -1;
    atomic_store_explicit(&s->adding, 1, memory_order_release);
    for (unsigned i = 0; i < TAKERS; i++) {
        crew[i] = s;
    }
    episode_phase(e, "takers of a completion queue");
    episode_crew(e, TAKERS, take, crew, sizeof crew[0]);
    unsigned added = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        calls[i] = (struct call){s, i};
        int error = weir_completion_async(s->queue, pool, run_call, &calls[i], &calls[i]);
        added += error == 0;
        if (error != 0 && error != -EAGAIN) {
            work_wrong(e, "weir_completion_async", error);
        }
    }
    atomic_store_explicit(&s->adding, 0, memory_order_release);
    episode_join(e);
    if (atomic_load_explicit(&s->taken, memory_order_relaxed) != added) {
        episode_fail(e, "lost task", "%u futures went into a completion queue, %u came out", added,
                     atomic_load_explicit(&s->taken, memory_order_relaxed));
    }
    struct pollfd look = {.fd = fd, .events = POLLIN};
    if (fd >= 0 && poll(&look, 1, 0) != 0) {
        episode_fail(e, "wrong value", "the descriptor of an empty completion queue is readable");
    }
    weir_completion_free(s->queue);
    work_free(e, pool);
    free(s);
    episode_reach(e, 0, added);
}

const struct scenario scenario_weir_completion = {
    .name = "weir_completion",
    .invariant = "every future of a completion queue is taken once, when it has ended",
    .reach = {"futures taken"},
    .run = run,
};
