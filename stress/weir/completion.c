/*
 * weir_completion: every future that goes in is taken exactly once, when it has ended, by one of
 * many takers; then the queue says that nothing is outstanding. Its descriptor is readable while
 * something can be taken: one taker alone, who polls, misses nothing and is never woken in vain.
 * Whoever has taken a future may free it.
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
    int fd;
};

struct call {
    struct shared *s;
    unsigned i;
    struct weir_future *own; /* instead of one of the library */
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
    if (c->own != NULL) {
        work_expect(s->e, "weir_future_fini", weir_future_fini(future), 0);
        free(c->own);
    } else {
        weir_future_unref(future);
    }
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

/* The only taker: what is pending when it looks stays so until it takes it. */
static void *take_polled(void *arg) {
    struct shared *s = *(struct shared **)arg;
    struct pollfd look = {.fd = s->fd, .events = POLLIN};
    episode_ready(s->e);
    for (;;) {
        struct weir_future *future = NULL;
        void *user = NULL;
        bool all_added = atomic_load_explicit(&s->adding, memory_order_acquire) == 0;
        if (weir_completion_pending(s->queue) == 0) {
            if (all_added) {
                return NULL;
            }
            sched_yield();
        } else if (poll(&look, 1, -1) == 1) {
            int error = weir_completion_next(s->queue, &future, &user, WEIR_NOW);
            if (error != 0) {
                work_wrong(s->e, "next of a queue whose descriptor is readable", error);
            }
            check_taken(s, future, user);
        }
    }
}

/* A future of the caller's, that any thread may run. */
static int add_own(struct shared *s, struct weir_pool *pool, struct call *c) {
    c->own = aligned_alloc(64, (sizeof *c->own + 63) / 64 * 64);
    if (c->own == NULL) {
        episode_fail(s->e, "harness error", "no memory");
    }
    weir_future_init(c->own);
    struct weir_task *task = weir_future_task(c->own, run_call, c, WEIR_TASK_ANY_THREAD);
    int error = weir_pool_submit(pool, task);
    if (error != 0) {
        free(c->own);
        return error;
    }
    return weir_completion_add(s->queue, c->own, c);
}

static unsigned add_all(struct shared *s, struct weir_pool *pool) {
    unsigned added = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        struct call *c = &calls[i];
        *c = (struct call){.s = s, .i = i};
        int error = i % 2 == 0 ? add_own(s, pool, c)
                               : weir_completion_async(s->queue, pool, run_call, c, c);
        added += error == 0;
        if (error != 0 && error != -EAGAIN) {
            work_wrong(s->e, "a call for a completion queue", error);
        }
    }
    return added;
}

static void run(struct episode *e) {
    struct weir_pool_options options;
    struct shared *crew[TAKERS], *s = episode_memory(e, sizeof *s);
    s->e = e;
    work_options(e, &options);
    episode_plan(e, 1);
    struct weir_pool *pool = work_pool(e, &options);
    work_expect(e, "weir_completion_new", weir_completion_new(&s->queue), 0);
    s->fd = episode_below(e, 2) == 0 ? weir_completion_fd(s->queue) : -1;
    bool polls = s->fd >= 0 && episode_below(e, 2) == 0;
    atomic_store_explicit(&s->adding, 1, memory_order_release);
    for (unsigned i = 0; i < TAKERS; i++) {
        crew[i] = s;
    }
    episode_phase(e, "takers of a completion queue");
    episode_crew(e, polls ? 1 : TAKERS, polls ? take_polled : take, crew, sizeof crew[0]);
    unsigned added = add_all(s, pool);
    atomic_store_explicit(&s->adding, 0, memory_order_release);
    episode_join(e);
    if (atomic_load_explicit(&s->taken, memory_order_relaxed) != added) {
        episode_fail(e, "lost task", "%u futures went into a completion queue, %u came out", added,
                     atomic_load_explicit(&s->taken, memory_order_relaxed));
    }
    struct pollfd look = {.fd = s->fd, .events = POLLIN};
    if (s->fd >= 0 && poll(&look, 1, 0) != 0) {
        episode_fail(e, "wrong value", "the descriptor of an empty completion queue is readable");
    }
    weir_completion_free(s->queue);
    work_free(e, pool);
    free(s);
    episode_reach(e, polls, added);
}

const struct scenario scenario_weir_completion = {
    .name = "weir_completion",
    .invariant = "every future of a completion queue is taken once, when it has ended",
    .reach = {"futures taken", "futures taken by one who polls"},
    .run = run,
};
