/*
 * shutdown_inside: a task, or a callback of the pool, may shut its own pool down. The call
 * returns, everything accepted is run or dropped, and close from outside ends the pool.
 */
#include <errno.h>
#include <string.h>

#include "stress/episode.h"

#define BESIDE 12 /* tasks of each producer meanwhile */

struct producer {
    struct episode *e;
    unsigned first;
};

static enum weir_subject_shutdown how; /* of the episode under way; written before its threads */

static void shut_down(struct episode *e, const char *where) {
    atomic_store_explicit(&e->shutting, true, memory_order_relaxed);
    perturb_point("harness:shutdown inside");
    int error = e->subject->shutdown(e->pool, how);
    if (error != 0 && error != -ESHUTDOWN && error != -EALREADY) {
        episode_fail(e, "wrong error", "shutdown from a %s gave %d (%s)", where, error,
                     strerror(-error));
    }
}

static void run_shutting(void *arg) {
    struct task *t = arg;
    task_begin(t);
    shut_down(t->episode, "task");
    task_end(t);
}

static void on_done(void *arg) {
    struct task *t = arg;
    shut_down(t->episode, "callback");
    gate_open(t->user);
}

static void *produce(void *arg) {
    struct producer *p = arg;
    episode_ready(p->e);
    for (unsigned i = 0; i < BESIDE; i++) {
        if (episode_submit(p->e, &p->e->tasks[p->first + i], task_plain) ==
            HANDED_REFUSED_SHUTDOWN) {
            break;
        }
    }
    return NULL;
}

/* Task 0 shuts down, or the callback of its end does. */
static void hand_over_first(struct episode *e, bool by_callback, struct gate *told) {
    struct task *t = &e->tasks[0];
    if (!by_callback) {
        (void)episode_submit(e, t, run_shutting);
        return;
    }
    t->user = told;
    (void)episode_async(e, t, task_call);
    int error = e->subject->on_done(e->pool, t->ticket, on_done, t);
    if (error != 0) {
        episode_fail(e, "wrong error", "on_done gave %d (%s)", error, strerror(-error));
    }
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    bool by_callback =
        e->subject->async != NULL && e->subject->on_done != NULL && episode_below(e, 2) == 0;
    struct producer crew[EPISODE_CREW];
    struct gate told;
    gate_init(&told);
    how = episode_below(e, 2) == 0 ? WEIR_SUBJECT_DRAIN : WEIR_SUBJECT_CANCEL;
    episode_open(e, 1 + producers * BESIDE);
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, 1 + i * BESIDE};
    }
    episode_phase(e, by_callback ? "a callback shuts its pool down" : "a task shuts its pool down");
    hand_over_first(e, by_callback, &told);
    episode_crew(e, producers, produce, crew, sizeof(crew[0]));
    episode_join(e);
    if (by_callback) {
        gate_pass(&told);
        e->subject->release(e->pool, e->tasks[0].ticket);
        free(e->tasks[0].ticket);
    } else {
        episode_quiesce(e);
    }
    episode_close(e);
    episode_check_all(e, how == WEIR_SUBJECT_CANCEL);
    gate_fini(&told);
    episode_reach(e, by_callback, 1);
}

const struct scenario scenario_shutdown_inside = {
    .name = "shutdown_inside",
    .invariant = "a task or a callback may shut its own pool down, and nothing hangs or is lost",
    .needs = NEEDS_SHUTDOWN | NEEDS_SHUTDOWN_INSIDE,
    .reach = {"shutdowns from a task", "shutdowns from a callback"},
    .run = run,
};
