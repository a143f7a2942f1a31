/*
 * waiters_return: when the pool is shut down every waiter comes back, whatever it waits for.
 *
 * With all workers held and the queue full, threads wait in every call that can wait: for a call's
 * value, for any or all of several, for idleness, for room. Then the pool is shut down, and a
 * little later the workers are let go.
 */
#include <errno.h>
#include <string.h>

#include "stress/episode.h"

#define WAITERS 4 /* kinds */

struct waiter {
    struct episode *e;
    unsigned kind;
    struct task *calls[2];
    struct task *extras[WAITERS];
};

static void run_held(void *arg) {
    struct task *t = arg;
    task_begin(t);
    gate_pass(t->user);
    task_end(t);
}

static void wait_for_calls(struct waiter *w, bool any) {
    struct episode *e = w->e;
    const struct weir_subject *s = e->subject;
    void *tickets[2] = {w->calls[0]->ticket, w->calls[1]->ticket};
    int (*wait)(void *, void *const *, size_t, uint64_t) = any ? s->wait_any : s->wait_all;
    int error = wait != NULL ? wait(e->pool, tickets, 2, WEIR_SUBJECT_FOREVER) : 0;
    if (error < 0 && error != -ECANCELED) {
        episode_fail(e, "wrong error", "a wait for several calls gave %d (%s)", error,
                     strerror(-error));
    }
}

static void *wait_for_it(void *arg) {
    struct waiter *w = arg;
    struct episode *e = w->e;
    bool calls = w->calls[0] != NULL && w->calls[1] != NULL;
    episode_ready(e);
    switch (w->kind) {
    case 0:
        episode_quiesce(e);
        break;
    case 1:
        if (calls) {
            wait_for_calls(w, true);
        }
        break;
    case 2:
        if (calls) {
            wait_for_calls(w, false);
        }
        break;
    default:
        if (e->spec->full[0] != 'c') { /* a caller that runs the task waits for nobody */
            for (unsigned i = 0; i < WAITERS; i++) { /* more than a small bound leaves room for */
                (void)episode_submit(e, w->extras[i], task_plain);
            }
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (w->calls[i] != NULL) {
            (void)episode_await(e, w->calls[i]);
        }
    }
    return NULL;
}

static struct task *queue_call(struct episode *e, struct task *t) {
    if (e->subject->async == NULL || e->spec->full[0] == 'c') {
        return NULL;
    }
    if (e->spec->full[0] == 'b' && e->spec->capacity != 0 && e->spec->capacity < 16) {
        return NULL; /* this thread would wait for room itself */
    }
    return episode_try_async(e, t, task_call) == HANDED_ACCEPTED ? t : NULL;
}

static void run(struct episode *e) {
    unsigned workers = e->spec->workers;
    bool cancel = episode_below(e, 3) != 0;
    struct waiter crew[WAITERS];
    struct gate gate;
    gate_init(&gate);
    episode_open(e, workers + 3 * WAITERS);
    episode_phase(e, "hold every worker");
    for (unsigned i = 0; i < workers; i++) {
        e->tasks[i].user = &gate;
        gate_await_inside(&gate, i);
        (void)episode_submit(e, &e->tasks[i], run_held);
    }
    gate_await_inside(&gate, workers);
    unsigned waiting = 0;
    for (unsigned i = 0; i < WAITERS; i++) {
        struct task *own = &e->tasks[workers + 3 * i];
        crew[i] = (struct waiter){.e = e, .kind = i};
        for (unsigned k = 0; k < WAITERS; k++) {
            crew[i].extras[k] = &e->tasks[workers + 3 * k + 2];
        }
        crew[i].calls[0] = queue_call(e, own);
        crew[i].calls[1] = queue_call(e, own + 1);
        waiting += crew[i].calls[0] != NULL;
    }
    episode_phase(e, "waiters of every kind");
    episode_crew(e, WAITERS, wait_for_it, crew, sizeof(crew[0]));
    perturb_rest(400);
    episode_phase(e, "shutdown under waiters of every kind");
    atomic_store_explicit(&e->shutting, true, memory_order_relaxed);
    int error = e->subject->shutdown(e->pool, cancel ? WEIR_SUBJECT_CANCEL : WEIR_SUBJECT_DRAIN);
    if (error != 0) {
        episode_fail(e, "wrong error", "shutdown gave %d (%s)", error, strerror(-error));
    }
    perturb_rest(200);
    gate_open(&gate);
    episode_join(e);
    episode_close(e);
    episode_check_all(e, cancel);
    gate_fini(&gate);
    episode_reach(e, 0, WAITERS);
    episode_reach(e, 1, waiting);
}

const struct scenario scenario_waiters_return = {
    .name = "waiters_return",
    .invariant = "when the pool is shut down every waiter comes back, whatever it waits for",
    .needs = NEEDS_SHUTDOWN,
    .reach = {"waiters", "waiters for queued calls"},
    .run = run,
};
