/*
 * exactly_once: every accepted task runs exactly once, with its own argument, and what it wrote
 * is seen after the wait for its end.
 *
 * Producers submit roots, roots submit children where the pool allows it, and the episode ends
 * either with quiesce, whose return makes all results visible, or with close alone, which must
 * bring every accepted task to its end. Workers that steal from each other, and a full queue, are
 * what makes a task go two ways or none.
 */
#include "stress/episode.h"

#define MAX_ROOTS 48

struct producer {
    struct episode *e;
    unsigned first, count;
    bool batches;
};

/* A root's child has the id after it. */
static void run_root(void *arg) {
    struct task *root = arg;
    task_begin(root);
    if (root->user != NULL) {
        /* Full: the child stays refused, and must never run. */
        (void)episode_try(root->episode, root->user, task_plain);
    }
    task_end(root);
}

/* How many went in with one call; the one after them goes alone. */
static unsigned hand_over_some(struct producer *p, unsigned next) {
    struct task *batch[EPISODE_BATCH];
    unsigned n = 0;
    while (n < EPISODE_BATCH && next + n < p->count) {
        batch[n] = &p->e->tasks[p->first + 2 * (next + n)];
        n++;
    }
    return episode_try_batch(p->e, batch, n, run_root);
}

static void *produce(void *arg) {
    struct producer *p = arg;
    episode_ready(p->e);
    for (unsigned i = 0; i < p->count; i++) {
        i += p->batches ? hand_over_some(p, i) : 0;
        if (i < p->count) {
            (void)episode_submit(p->e, &p->e->tasks[p->first + 2 * i], run_root);
        }
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned roots = 8 + (unsigned)episode_below(e, MAX_ROOTS - 8);
    unsigned producers = e->spec->producers;
    struct producer crew[EPISODE_CREW];
    episode_open(e, producers * roots * 2);
    bool nested = episode_can(e, WEIR_SUBJECT_FROM_TASK) && episode_below(e, 4) != 0;
    for (unsigned i = 0; i < producers * roots; i++) {
        bool parent = nested && episode_below(e, 2) == 0;
        e->tasks[2 * i].user = parent ? &e->tasks[2 * i + 1] : NULL;
    }
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, i * roots * 2, roots, episode_below(e, 2) == 0};
    }
    episode_phase(e, "submit");
    episode_crew(e, producers, produce, crew, sizeof(crew[0]));
    episode_join(e);
    if (nested || episode_below(e, 2) == 0) { /* close is for a pool that nobody uses any more */
        episode_phase(e, "quiesce");
        episode_settle(e);
    }
    episode_close(e);
    episode_check_all(e, false);
    episode_reach(e, 0, producers * roots);
}

const struct scenario scenario_exactly_once = {
    .name = "exactly_once",
    .invariant = "an accepted task runs exactly once, with its argument, and its result is seen",
    .reach = {"roots"},
    .run = run,
};
