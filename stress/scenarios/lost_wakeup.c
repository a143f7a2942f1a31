/*
 * lost_wakeup: a submitted task is never left queued while a worker sleeps.
 *
 * Three attacks, one an episode. Gather: as many tasks as workers, each of which ends only when
 * all of them are inside: proves as many wake-ups as submissions. Ping-pong: one task at a time,
 * the next one when the last has ended, so that each submission meets a worker on its way to
 * sleep. Squeeze: more producers than room, so that producers and workers sleep by turns and a
 * wake-up given to the wrong kind is the last one.
 */
#include "stress/episode.h"

#define ROUNDS   24
#define SQUEEZED 40

struct producer {
    struct episode *e;
    unsigned first, count;
    struct gate *gates; /* ping-pong: one a task */
};

/* ---- Gather ---- */

static void run_gathered(void *arg) {
    struct task *t = arg;
    task_begin(t);
    pthread_barrier_wait(t->user);
    task_end(t);
}

static void gather(struct episode *e) {
    unsigned n = e->spec->workers;
    unsigned rounds = 4 + ROUNDS / n;
    pthread_barrier_t together;
    pthread_barrier_init(&together, NULL, n);
    episode_open(e, n * rounds);
    for (unsigned round = 0; round < rounds; round++) {
        perturb_rest(200); /* workers go to sleep, or are about to */
        episode_phase(e, "submit tasks that meet");
        for (unsigned i = 0; i < n; i++) {
            struct task *t = &e->tasks[round * n + i];
            t->user = &together;
            (void)episode_submit(e, t, run_gathered);
        }
        episode_phase(e, "quiesce: tasks that meet");
        episode_settle(e);
    }
    episode_close(e);
    pthread_barrier_destroy(&together);
    episode_reach(e, 1, rounds);
}

/* ---- Ping-pong ---- */

static void run_pong(void *arg) {
    struct task *t = arg;
    task_begin(t);
    struct gate *done = t->user;
    task_end(t);
    gate_open(done);
}

static void *ping(void *arg) {
    struct producer *p = arg;
    uint64_t random = episode_seed(p->e, p->first);
    episode_ready(p->e);
    for (unsigned i = 0; i < p->count; i++) {
        struct task *t = &p->e->tasks[p->first + i];
        struct gate *done = &p->gates[p->first + i];
        t->user = done;
        (void)episode_submit(p->e, t, run_pong);
        gate_pass(done);
        if (stress_random(&random) % 4 == 0) {
            perturb_rest(60);
        }
    }
    return NULL;
}

static void ping_pong(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct gate gates[EPISODE_CREW * ROUNDS];
    struct producer crew[EPISODE_CREW];
    episode_open(e, producers * ROUNDS);
    for (unsigned i = 0; i < producers * ROUNDS; i++) {
        gate_init(&gates[i]);
    }
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, i * ROUNDS, ROUNDS, gates};
    }
    episode_phase(e, "one task at a time");
    episode_crew(e, producers, ping, crew, sizeof(crew[0]));
    episode_join(e);
    episode_close(e);
    episode_check_all(e, false);
    for (unsigned i = 0; i < producers * ROUNDS; i++) {
        gate_fini(&gates[i]);
    }
    episode_reach(e, 0, producers * ROUNDS);
}

/* ---- Squeeze ---- */

static void *squeeze(void *arg) {
    struct producer *p = arg;
    episode_ready(p->e);
    for (unsigned i = 0; i < p->count; i++) {
        (void)episode_submit(p->e, &p->e->tasks[p->first + i], task_plain);
    }
    return NULL;
}

static void squeezed(struct episode *e) {
    unsigned producers = e->spec->producers * 2;
    struct producer crew[EPISODE_CREW];
    episode_open(e, producers * SQUEEZED);
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, i * SQUEEZED, SQUEEZED, NULL};
    }
    episode_phase(e, "more producers than room");
    episode_crew(e, producers, squeeze, crew, sizeof(crew[0]));
    episode_join(e);
    episode_phase(e, "quiesce after more producers than room");
    episode_settle(e);
    episode_close(e);
    episode_reach(e, 2, producers * SQUEEZED);
}

static void run(struct episode *e) {
    /* A submitter that runs a gathering task itself would wait for its own submissions. */
    bool caller_runs = e->spec->full[0] == 'c';
    switch (episode_below(e, 3)) {
    case 0:
        if (!caller_runs) {
            gather(e);
            break;
        } /* fall through */
    case 1:
        ping_pong(e);
        break;
    default:
        squeezed(e);
    }
}

const struct scenario scenario_lost_wakeup = {
    .name = "lost_wakeup",
    .invariant = "a task is never left queued while a worker sleeps",
    .reach = {"ping-pongs", "gatherings", "squeezed tasks"},
    .run = run,
};
