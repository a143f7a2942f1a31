/*
 * timeouts: a wait with a deadline does not end before it without a result, ends soon after it,
 * and leaves the call as it was; and a jump of the wall clock changes nothing.
 *
 * Calls are held by a gate while threads wait for them with deadlines that pass; then the gate
 * opens, and every call ends with its value.
 */
#include <errno.h>
#include <string.h>

#include "stress/episode.h"

#define WAITS   6
#define LONGEST UINT64_C(3000000000) /* this late is no matter of scheduling any more */

struct waiter {
    struct episode *e;
    struct task *call;
    uint64_t random;
};

static void *run_held(void *arg) {
    struct task *t = arg;
    task_begin(t);
    gate_pass(t->user);
    task_end(t);
    return t;
}

static int wait_once(struct waiter *w, uint64_t deadline_ns) {
    const struct weir_subject *s = w->e->subject;
    void *pool = w->e->pool, *ticket = w->call->ticket, *value = NULL;
    uint64_t way = stress_random(&w->random) % 3;
    if (way == 1 && s->wait_any != NULL) {
        return s->wait_any(pool, &ticket, 1, deadline_ns);
    }
    if (way == 2 && s->wait_all != NULL) {
        return s->wait_all(pool, &ticket, 1, deadline_ns);
    }
    return s->await(pool, ticket, deadline_ns, &value);
}

/* The call cannot end meanwhile. */
static void wait_in_vain(struct waiter *w) {
    struct episode *e = w->e;
    bool at_once = stress_random(&w->random) % 4 == 0;
    uint64_t before = episode_after_ns(0);
    uint64_t deadline_ns =
        at_once ? WEIR_SUBJECT_NOW : before + stress_random(&w->random) % 1500000;
    int error = wait_once(w, deadline_ns);
    uint64_t after = episode_after_ns(0);
    if (error >= 0) {
        episode_fail(e, "early completion", "a wait for held call %u gave %d", w->call->id, error);
    }
    if (error != -ETIMEDOUT) {
        episode_fail(e, "wrong error", "a wait with a deadline gave %d (%s)", error,
                     strerror(-error));
    }
    if (!at_once && after < deadline_ns) {
        episode_fail(e, "early time-out", "a wait gave up %llu us before its deadline",
                     (unsigned long long)(deadline_ns - after) / 1000);
    }
    if (after - before > LONGEST) {
        episode_fail(e, "late time-out", "a wait of at most 1.5 ms took %llu ms",
                     (unsigned long long)(after - before) / 1000000);
    }
}

static void *wait_for_held(void *arg) {
    struct waiter *w = arg;
    episode_ready(w->e);
    for (unsigned i = 0; i < WAITS; i++) {
        wait_in_vain(w);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned n = e->spec->producers < e->spec->workers ? e->spec->producers : e->spec->workers;
    struct waiter crew[EPISODE_CREW];
    struct gate gate;
    gate_init(&gate);
    episode_open(e, n);
    episode_phase(e, "hold calls");
    for (unsigned i = 0; i < n; i++) {
        e->tasks[i].user = &gate;
        gate_await_inside(&gate, i); /* the queue is empty: no caller runs it */
        (void)episode_async(e, &e->tasks[i], run_held);
        crew[i] = (struct waiter){e, &e->tasks[i], episode_seed(e, i)};
    }
    gate_await_inside(&gate, n);
    episode_phase(e, "waits with deadlines for held calls");
    episode_crew(e, n, wait_for_held, crew, sizeof(crew[0]));
    episode_join(e);
    gate_open(&gate);
    episode_phase(e, "the calls end after waits that timed out");
    for (unsigned i = 0; i < n; i++) {
        (void)episode_await(e, &e->tasks[i]);
    }
    episode_close(e);
    episode_check_all(e, false);
    gate_fini(&gate);
    episode_reach(e, 0, n * WAITS);
}

const struct scenario scenario_timeouts = {
    .name = "timeouts",
    .invariant = "a wait with a deadline ends neither before it nor long after, and harms nothing",
    .needs = NEEDS_ASYNC | NEEDS_DEADLINES,
    .reach = {"waits in vain"},
    .run = run,
};
