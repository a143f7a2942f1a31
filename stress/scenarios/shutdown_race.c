/*
 * shutdown_race: submissions race shutdown. What was accepted ends in run or in drop, never both,
 * never neither; what was refused does neither; every submitter and every waiter returns.
 *
 * Producers submit until they are refused, some as calls whose value another thread awaits; one or
 * two threads shut down, draining or cancelling, at a moment drawn by the seed. After DRAIN alone
 * nothing may be dropped.
 */
#include <errno.h>
#include <string.h>

#include "stress/episode.h"

#define TASKS 60

struct member {
    struct episode *e;
    unsigned first; /* producers */
    bool calls, batches;
    bool shuts;
    enum weir_subject_shutdown how;
    unsigned refused, accepted;
};

static enum handed hand_over(struct member *m, struct task *t) {
    return m->calls ? episode_async(m->e, t, task_call) : episode_submit(m->e, t, task_plain);
}

/* How many went in with one call. */
static unsigned hand_over_some(struct member *m, unsigned next) {
    struct task *batch[EPISODE_BATCH];
    unsigned n = 0;
    while (n < EPISODE_BATCH && next + n < TASKS) {
        batch[n] = &m->e->tasks[m->first + next + n];
        n++;
    }
    return episode_try_batch(m->e, batch, n, task_plain);
}

static void produce(struct member *m) {
    struct task *tasks = &m->e->tasks[m->first];
    unsigned n = 0;
    do {
        n += m->batches ? hand_over_some(m, n) : 0;
    } while (n < TASKS && hand_over(m, &tasks[n]) == HANDED_ACCEPTED && ++n < TASKS);
    m->accepted = n;
    m->refused = n < TASKS;
    for (unsigned i = 0; m->calls && i < n; i++) {
        (void)episode_await(m->e, &tasks[i]); /* 0 or -ECANCELED, but it returns */
    }
}

static void shut_down(struct member *m) {
    perturb_rest(400);
    atomic_store_explicit(&m->e->shutting, true, memory_order_relaxed);
    int error = m->e->subject->shutdown(m->e->pool, m->how);
    if (error != 0 && error != -ESHUTDOWN && error != -EALREADY) {
        episode_fail(m->e, "wrong error", "shutdown gave %d (%s)", error, strerror(-error));
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    if (m->shuts) {
        shut_down(m);
    } else {
        produce(m);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    unsigned shutters = 1 + (unsigned)episode_below(e, 2);
    bool values = e->subject->async != NULL && e->subject->await != NULL;
    bool cancels = false;
    struct member crew[EPISODE_CREW];
    episode_open(e, producers * TASKS);
    for (unsigned i = 0; i < producers + shutters; i++) {
        crew[i] = (struct member){.e = e, .first = i * TASKS, .shuts = i >= producers};
        crew[i].calls = values && episode_below(e, 3) == 0;
        crew[i].batches = !crew[i].calls && episode_below(e, 2) == 0;
        if (crew[i].shuts) {
            crew[i].how = episode_below(e, 2) == 0 ? WEIR_SUBJECT_DRAIN : WEIR_SUBJECT_CANCEL;
            cancels |= crew[i].how == WEIR_SUBJECT_CANCEL;
        }
    }
    episode_phase(e, cancels ? "submit against shutdown (cancel)" : "submit against shutdown");
    episode_crew(e, producers + shutters, work, crew, sizeof(crew[0]));
    episode_join(e);
    episode_close(e);
    episode_check_all(e, cancels);
    for (unsigned i = 0; i < producers; i++) {
        episode_reach(e, 0, crew[i].refused != 0 && crew[i].accepted != 0);
    }
}

const struct scenario scenario_shutdown_race = {
    .name = "shutdown_race",
    .invariant = "what shutdown meets is run or dropped, what it refuses neither; waiters return",
    .needs = NEEDS_SHUTDOWN,
    .reach = {"producers refused on the way"},
    .run = run,
};
