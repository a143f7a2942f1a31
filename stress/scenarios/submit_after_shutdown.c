/*
 * submit_after_shutdown: once shutdown has returned, nothing is accepted any more, from outside
 * or from a task that still runs; a refused task never runs; waiting and closing still work.
 *
 * Workers are held inside tasks while the pool is shut down, with more tasks queued. Then every
 * way to submit is tried, from other threads and, where the pool allows it, from the held tasks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stress/episode.h"

#define LATE 6 /* submissions by each thread after shutdown */

struct late {
    struct episode *e;
    unsigned first;
    uint64_t random;
};

struct held {
    struct gate gate;
    bool from_tasks;
};

static void refuse(struct episode *e, const char *call, int error) {
    if (error == 0) {
        episode_fail(e, "accepted after shutdown", "%s took a task after shutdown had returned",
                     call);
    }
    if (error != -ESHUTDOWN) {
        episode_fail(e, "wrong error", "%s after shutdown gave %d (%s), not -ESHUTDOWN", call,
                     error, strerror(-error));
    }
}

static void submit_late(struct episode *e, struct task *t, unsigned way) {
    const struct weir_subject *s = e->subject;
    task_prepare(t);
    if (way == 1 && s->submit_until != NULL) {
        refuse(e, "submit_until", s->submit_until(e->pool, task_plain, t, WEIR_SUBJECT_FOREVER));
    } else if (way == 2 && s->async != NULL && s->await != NULL) {
        t->ticket = episode_ticket(e);
        refuse(e, "async", s->async(e->pool, task_call, t, t->ticket));
    } else {
        refuse(e, "submit", s->submit(e->pool, task_plain, t));
    }
}

/* A task that is running when the pool is shut down; its late child has the id after it. */
static void run_held(void *arg) {
    struct task *t = arg;
    task_begin(t);
    struct held *held = t->user;
    gate_pass(&held->gate);
    if (held->from_tasks) {
        submit_late(t->episode, t + 1, 0);
    }
    task_end(t);
}

static void *produce_late(void *arg) {
    struct late *late = arg;
    episode_ready(late->e);
    for (unsigned i = 0; i < LATE; i++) {
        submit_late(late->e, &late->e->tasks[late->first + i],
                    (unsigned)(stress_random(&late->random) % 3));
    }
    return NULL;
}

/* Holds every worker; more tasks are queued behind as far as there is room. */
static void fill(struct episode *e, struct held *held) {
    unsigned workers = e->spec->workers;
    bool caller_runs = e->spec->full[0] == 'c';
    for (unsigned i = 0; i < workers; i++) {
        e->tasks[2 * i].user = held;
        if (caller_runs) {
            gate_await_inside(&held->gate, i); /* a free place for each: none runs here */
        }
        (void)episode_submit(e, &e->tasks[2 * i], run_held);
    }
    gate_await_inside(&held->gate, workers);
    unsigned room =
        e->spec->capacity == 0 || e->spec->capacity > 8 ? 8u : (unsigned)e->spec->capacity;
    for (unsigned i = 0; i < room; i++) {
        (void)episode_submit(e, &e->tasks[2 * workers + i], task_plain);
    }
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers, workers = e->spec->workers;
    unsigned first_late = 2 * workers + 8;
    struct held held = {.from_tasks = episode_can(e, WEIR_SUBJECT_FROM_TASK)};
    struct late crew[EPISODE_CREW];
    bool cancel = episode_below(e, 2) == 0;
    gate_init(&held.gate);
    episode_open(e, first_late + producers * LATE);
    episode_phase(e, "hold every worker");
    fill(e, &held);
    episode_phase(e, "shutdown with workers held");
    atomic_store_explicit(&e->shutting, true, memory_order_relaxed);
    int error = e->subject->shutdown(e->pool, cancel ? WEIR_SUBJECT_CANCEL : WEIR_SUBJECT_DRAIN);
    if (error != 0) {
        episode_fail(e, "wrong error", "shutdown gave %d (%s)", error, strerror(-error));
    }
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct late){e, first_late + i * LATE, episode_seed(e, i)};
    }
    episode_phase(e, "submit after shutdown");
    episode_crew(e, producers, produce_late, crew, sizeof(crew[0]));
    if (episode_below(e, 2) == 0) {
        gate_open(&held.gate); /* workers leave while submissions come */
    }
    episode_join(e);
    gate_open(&held.gate);
    episode_phase(e, "quiesce after shutdown");
    episode_quiesce(e); /* held tasks submit until they end; close must not meet them */
    episode_close(e);
    episode_check_all(e, cancel);
    for (unsigned i = first_late; i < e->planned; i++) {
        free(e->tasks[i].ticket);
    }
    gate_fini(&held.gate);
    episode_reach(e, 0, producers * LATE);
    episode_reach(e, 1, held.from_tasks ? workers : 0);
}

const struct scenario scenario_submit_after_shutdown = {
    .name = "submit_after_shutdown",
    .invariant = "after shutdown nothing is accepted, nothing refused runs, and waits still return",
    .needs = NEEDS_SHUTDOWN,
    .reach = {"late submissions", "late submissions from tasks"},
    .run = run,
};
