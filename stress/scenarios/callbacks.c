/*
 * callbacks: on_done calls its function exactly once, after the end of the call, with everything
 * visible that the call wrote; also for a call that was cancelled.
 *
 * One thread hands the calls over, one asks for the callback, early or late, and one cancels some,
 * where the pool offers that.
 */
#include <errno.h>
#include <string.h>

#include "stress/episode.h"

#define CALLS 20

enum role { PRODUCE, LISTEN, CANCEL, ROLES };

struct notice {
    struct task *task;
    _Atomic(uint32_t) calls;
    struct gate told;
};

struct member {
    struct episode *e;
    enum role role;
    unsigned first;
    uint64_t random;
    struct notice *notices;
    _Atomic(bool) *handed, *cancelled;
};

static void on_done(void *arg) {
    struct notice *n = arg;
    struct task *t = n->task;
    struct episode *e = t->episode;
    struct record *r = &e->board->records[t->id];
    perturb_point("harness:callback");
    if (atomic_fetch_add_explicit(&n->calls, 1, memory_order_relaxed) != 0) {
        episode_fail(e, "double callback", "the callback of call %u was called twice", t->id);
    }
    bool ran = atomic_load_explicit(&r->started, memory_order_relaxed) != 0;
    if (ran && atomic_load_explicit(&r->ended, memory_order_relaxed) == 0) {
        episode_fail(e, "early completion", "the callback of call %u came before its end", t->id);
    }
    if (ran && t->out != task_result(t)) {
        episode_fail(e, "lost result", "what call %u wrote is not seen in its callback", t->id);
    }
    gate_open(&n->told);
}

static struct task *next(struct member *m, unsigned i) {
    while (!atomic_load_explicit(&m->handed[i], memory_order_acquire)) {
        sched_yield();
    }
    return &m->e->tasks[i];
}

static void produce(struct member *m, unsigned i) {
    (void)episode_async(m->e, &m->e->tasks[i], task_call);
    atomic_store_explicit(&m->handed[i], true, memory_order_release);
}

static void listen(struct member *m, unsigned i) {
    struct task *t = next(m, i);
    if (stress_random(&m->random) % 3 == 0) {
        perturb_rest(80);
    }
    int error = m->e->subject->on_done(m->e->pool, t->ticket, on_done, &m->notices[i]);
    if (error != 0) {
        episode_fail(m->e, "wrong error", "on_done gave %d (%s)", error, strerror(-error));
    }
}

static void cancel(struct member *m, unsigned i) {
    struct task *t = next(m, i);
    if (m->e->subject->cancel != NULL && stress_random(&m->random) % 2 == 0) {
        bool won = m->e->subject->cancel(m->e->pool, t->ticket) == 0;
        atomic_store_explicit(&m->cancelled[i], won, memory_order_relaxed);
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    static void (*const act[ROLES])(struct member *, unsigned) = {produce, listen, cancel};
    episode_ready(m->e);
    for (unsigned i = m->first; i < m->first + CALLS; i++) {
        act[m->role](m, i);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers, n = producers * CALLS;
    struct member crew[EPISODE_CREW * 2];
    _Atomic(bool) handed[EPISODE_CREW * CALLS], cancelled[EPISODE_CREW * CALLS];
    struct notice *notices = episode_memory(e, n * sizeof(*notices));
    episode_open(e, n);
    for (unsigned i = 0; i < n; i++) {
        atomic_init(&handed[i], false);
        atomic_init(&cancelled[i], false);
        notices[i].task = &e->tasks[i];
        gate_init(&notices[i].told);
    }
    for (unsigned i = 0; i < producers * ROLES; i++) {
        crew[i] = (struct member){.e = e, .role = (enum role)(i % ROLES), .notices = notices};
        crew[i].first = i / ROLES * CALLS;
        crew[i].random = episode_seed(e, i);
        crew[i].handed = handed;
        crew[i].cancelled = cancelled;
    }
    episode_phase(e, "callbacks asked for early and late");
    episode_crew(e, producers * ROLES, work, crew, sizeof(crew[0]));
    episode_join(e);
    episode_phase(e, "every callback comes");
    for (unsigned i = 0; i < n; i++) {
        gate_pass(&notices[i].told);
        e->subject->release(e->pool, e->tasks[i].ticket);
        free(e->tasks[i].ticket);
        e->tasks[i].ticket = NULL;
        bool ran = atomic_load_explicit(&e->board->records[i].started, memory_order_relaxed) != 0;
        if (atomic_load_explicit(&cancelled[i], memory_order_relaxed) && ran) {
            episode_fail(e, "run and cancelled", "cancel of call %u gave 0, and it ran", i);
        }
        episode_reach(e, ran ? 0 : 1, 1);
    }
    episode_close(e);
    episode_check_all(e, true);
    for (unsigned i = 0; i < n; i++) {
        gate_fini(&notices[i].told);
    }
    free(notices);
}

const struct scenario scenario_callbacks = {
    .name = "callbacks",
    .invariant = "a callback comes once, after the end of its call, and sees what the call wrote",
    .needs = NEEDS_ASYNC | NEEDS_ON_DONE,
    .reach = {"callbacks", "callbacks of cancelled calls"},
    .run = run,
};
