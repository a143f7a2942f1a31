/*
 * early_idle: quiesce returns neither early (a task accepted before the call still queued or
 * running) nor never.
 *
 * While producers submit, several threads call quiesce: each first notes which tasks have been
 * accepted, children of running tasks among them, and every one of those must have ended, with
 * its result visible, when the call returns. A pool that counts a task as active only after it
 * has left the queue shows a moment that looks idle.
 */
#include <stdlib.h>

#include "stress/episode.h"

#define ROOTS    24
#define CALLS    200 /* at most, of each watcher; fewer when the producers are done */
#define WATCHERS 2

struct member {
    struct episode *e;
    unsigned first; /* producers: first root */
    bool watches;
    unsigned calls; /* watchers: that had something to wait for */
    _Atomic(unsigned) *producing;
};

static void run_root(void *arg) {
    struct task *root = arg;
    task_begin(root);
    if (root->user != NULL) {
        (void)episode_try(root->episode, root->user, task_plain);
    }
    task_end(root);
}

static void produce(struct member *m) {
    uint64_t random = episode_seed(m->e, m->first);
    for (unsigned i = 0; i < ROOTS; i++) {
        (void)episode_submit(m->e, &m->e->tasks[m->first + 2 * i], run_root);
        if (stress_random(&random) % 4 == 0) {
            perturb_rest(100); /* lets the pool run dry */
        }
    }
    atomic_fetch_sub_explicit(m->producing, 1, memory_order_relaxed);
}

/* Acquire: whoever sees the acceptance comes after the submission. */
static bool accepted(struct episode *e, uint32_t i) {
    return atomic_load_explicit(&e->board->records[i].accepted, memory_order_acquire) != 0;
}

static void check_noted(struct member *m, const bool *noted) {
    struct episode *e = m->e;
    for (uint32_t i = 0; i < e->planned; i++) {
        if (!noted[i]) {
            continue;
        }
        if (atomic_load_explicit(&e->board->records[i].ended, memory_order_relaxed) == 0) {
            episode_fail(e, "early idle",
                         "quiesce returned before task %u had ended (%s), accepted before the call",
                         i, i % 2 == 0 ? "submitted from outside" : "submitted by a task");
        }
        if (e->tasks[i].out != task_result(&e->tasks[i])) {
            episode_fail(e, "lost result", "what task %u wrote is not seen after quiesce", i);
        }
    }
}

static void watch(struct member *m) {
    struct episode *e = m->e;
    bool *noted = malloc(e->planned * sizeof(*noted));
    if (noted == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    for (unsigned call = 0;
         call < CALLS && atomic_load_explicit(m->producing, memory_order_relaxed) != 0; call++) {
        bool pending = false;
        for (uint32_t i = 0; i < e->planned; i++) {
            noted[i] = accepted(e, i);
            pending |= noted[i] &&
                       atomic_load_explicit(&e->board->records[i].ended, memory_order_relaxed) == 0;
        }
        m->calls += pending;
        episode_quiesce(e);
        check_noted(m, noted);
    }
    free(noted);
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    if (m->watches) {
        watch(m);
    } else {
        produce(m);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct member crew[EPISODE_CREW];
    _Atomic(unsigned) producing = producers;
    episode_open(e, producers * ROOTS * 2);
    bool nested = episode_can(e, WEIR_SUBJECT_FROM_TASK);
    for (unsigned i = 0; i < producers * ROOTS; i++) {
        bool parent = nested && episode_below(e, 3) != 0;
        e->tasks[2 * i].user = parent ? &e->tasks[2 * i + 1] : NULL;
    }
    for (unsigned i = 0; i < producers + WATCHERS; i++) {
        crew[i] = (struct member){e, i * ROOTS * 2, i >= producers, 0, &producing};
    }
    episode_phase(e, "quiesce against submissions");
    episode_crew(e, producers + WATCHERS, work, crew, sizeof(crew[0]));
    episode_join(e);
    episode_phase(e, "last quiesce");
    episode_settle(e);
    episode_close(e);
    for (unsigned i = producers; i < producers + WATCHERS; i++) {
        episode_reach(e, 0, crew[i].calls);
    }
}

const struct scenario scenario_early_idle = {
    .name = "early_idle",
    .invariant =
        "quiesce returns when all that was accepted before has ended: not before, not never",
    .reach = {"calls with tasks pending"},
    .run = run,
};
