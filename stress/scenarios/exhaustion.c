/*
 * exhaustion: when threads or memory run out a call fails and nothing else happens.
 *
 * The first, second, ... call of pthread_create or malloc that the pool makes is refused, in one
 * life of a pool each, until a life is not met any more. Or the kernel allows no thread, one, two,
 * ... (RLIMIT_NPROC), and then as many as are wanted. A pool that could not be opened leaves
 * nothing behind; one that was opened, with fewer threads perhaps, runs what it accepts.
 */
#include <errno.h>
#include <string.h>

#include "stress/episode.h"
#include "stress/fault.h"
#include "stress/limit.h"

#define TASKS 10
#define LIVES 40

static bool is_exhaustion(int error) {
    return error == -ENOMEM || error == -EAGAIN;
}

static void judge(struct episode *e, const char *call, int error) {
    if (!is_exhaustion(error)) {
        episode_fail(e, "wrong error", "%s without memory or threads gave %d (%s)", call, error,
                     strerror(-error));
    }
}

static void note(struct episode *e, const struct task *t, bool accepted) {
    struct record *r = &e->board->records[t->id];
    atomic_fetch_add_explicit(accepted ? &r->accepted : &r->refused, 1, memory_order_release);
}

static void submit(struct episode *e, struct task *t) {
    task_prepare(t);
    int error = e->subject->submit(e->pool, task_plain, t);
    note(e, t, error == 0);
    if (error != 0) {
        judge(e, "submit", error);
    }
}

/* A call, and a wait for it in which memory may run out as well. */
static void call_and_wait(struct episode *e, struct task *t) {
    const struct weir_subject *s = e->subject;
    void *value = NULL;
    t->ticket = episode_ticket(e);
    t->is_call = true;
    task_prepare(t);
    int error = s->async(e->pool, task_call, t, t->ticket);
    note(e, t, error == 0);
    if (error != 0) {
        judge(e, "async", error);
        free(t->ticket);
        t->ticket = NULL;
        return;
    }
    if (s->wait_all != NULL &&
        (error = s->wait_all(e->pool, &t->ticket, 1, WEIR_SUBJECT_FOREVER)) < 0) {
        judge(e, "wait_all", error);
    }
    while ((error = s->await(e->pool, t->ticket, WEIR_SUBJECT_FOREVER, &value)) != 0) {
        judge(e, "await", error);
    }
    episode_check_value(e, t, value);
    s->release(e->pool, t->ticket);
    free(t->ticket);
    t->ticket = NULL;
}

/* One life. False: the pool could not be opened. */
static bool live(struct episode *e) {
    bool calls = e->subject->async != NULL;
    episode_plan(e, TASKS);
    int error = episode_try_open(e);
    if (error != 0) {
        judge(e, "open", error);
        return false;
    }
    for (unsigned i = 0; i < TASKS; i++) {
        if (calls && i % 2 != 0) {
            call_and_wait(e, &e->tasks[i]);
        } else {
            submit(e, &e->tasks[i]);
        }
    }
    episode_quiesce(e);
    episode_close(e);
    episode_check_all(e, false);
    return true;
}

static void limited_lives(struct episode *e) {
    episode_phase(e, "lives of a pool under a limit of threads");
    for (unsigned n = 0; n < e->spec->workers; n++) {
        if (!limit_threads(n)) {
            e->board->threads_unlimited = n == 0; /* later ones: others have come or gone */
            break;
        }
        (void)live(e);
        limit_threads_end();
        episode_reach(e, 2, 1);
    }
    if (!live(e)) {
        episode_fail(e, "open failed", "open failed when the limit of threads had gone");
    }
}

static void refused_lives(struct episode *e, enum fault_site site) {
    episode_phase(e, site == SITE_THREAD ? "lives of a pool without threads"
                                         : "lives of a pool without memory");
    for (unsigned n = 0; n < LIVES; n++) {
        fault_arm(site, n);
        bool opened = live(e);
        bool met = fault_disarm();
        if (!opened && !met) {
            episode_fail(e, "open failed", "open failed though nothing was refused");
        }
        episode_reach(e, site == SITE_THREAD ? 0 : 1, met);
        if (!met) {
            break;
        }
    }
}

static void run(struct episode *e) {
    switch (episode_below(e, 3)) {
    case 0:
        refused_lives(e, SITE_THREAD);
        break;
    case 1:
        refused_lives(e, SITE_MEMORY);
        break;
    default:
        limited_lives(e);
    }
}

const struct scenario scenario_exhaustion = {
    .name = "exhaustion",
    .invariant = "when threads or memory run out a call fails, and nothing is lost or left behind",
    .needs = NEEDS_EXHAUSTION,
    .reach = {"threads refused", "allocations refused", "lives under a limit of threads"},
    .run = run,
};
