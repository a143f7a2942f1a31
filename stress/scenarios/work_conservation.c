/*
 * work_conservation: no task waits in a queue while a worker sleeps.
 *
 * Inside: a running task submits as many others as there are other workers and ends only when all
 * of them are inside at the same time. Held: all workers but one are held, and the last one must
 * get through everything that comes. Batch: tasks handed over in one call meet, so one wake-up for
 * all of them is not enough.
 */
#include "stress/episode.h"

#define SHORT 16 /* tasks of each producer for the last free worker */

struct meeting {
    struct gate gate;
    unsigned at_once; /* children that ran inside their parent's submission; the parent's own */
    unsigned children;
};

/* ---- Inside ---- */

static void run_child(void *arg) {
    struct task *t = arg;
    struct meeting *m = t->user;
    task_begin(t);
    if (task_is_nested()) {
        m->at_once++; /* full, and its submitter ran it */
    } else {
        gate_pass(&m->gate);
    }
    task_end(t);
}

/* The children have the ids after it. */
static void run_parent(void *arg) {
    struct task *t = arg;
    struct meeting *m = t->user;
    unsigned accepted = 0;
    task_begin(t);
    for (unsigned i = 1; i <= m->children; i++) {
        t[i].user = m;
        accepted += episode_try(t->episode, &t[i], run_child) == HANDED_ACCEPTED;
    }
    gate_await_inside(&m->gate, accepted - m->at_once);
    gate_open(&m->gate);
    task_end(t);
}

static void inside(struct episode *e) {
    unsigned n = e->spec->workers, rounds = 3 + 16 / n;
    struct meeting *meetings = episode_memory(e, rounds * sizeof(*meetings));
    episode_open(e, n * rounds);
    for (unsigned round = 0; round < rounds; round++) {
        struct task *parent = &e->tasks[round * n];
        gate_init(&meetings[round].gate);
        meetings[round].children = n - 1;
        parent->user = &meetings[round];
        perturb_rest(200); /* workers go to sleep, or are about to */
        episode_phase(e, "a task waits until the tasks that it submitted are all inside");
        (void)episode_submit(e, parent, run_parent);
        episode_settle(e);
    }
    episode_close(e);
    for (unsigned round = 0; round < rounds; round++) {
        gate_fini(&meetings[round].gate);
    }
    free(meetings);
    episode_reach(e, 0, rounds * (n - 1));
}

/* ---- Held ---- */

struct producer {
    struct episode *e;
    unsigned first;
};

static void run_held(void *arg) {
    struct task *t = arg;
    task_begin(t);
    gate_pass(t->user);
    task_end(t);
}

static void *produce(void *arg) {
    struct producer *p = arg;
    episode_ready(p->e);
    for (unsigned i = 0; i < SHORT; i++) {
        (void)episode_submit(p->e, &p->e->tasks[p->first + i], task_plain);
    }
    return NULL;
}

static bool all_ended(struct episode *e, unsigned first, unsigned n) {
    for (unsigned i = first; i < first + n; i++) {
        if (atomic_load_explicit(&e->board->records[i].ended, memory_order_relaxed) == 0) {
            return false;
        }
    }
    return true;
}

static void held(struct episode *e) {
    unsigned n = e->spec->workers - 1, producers = e->spec->producers;
    struct producer crew[EPISODE_CREW];
    struct gate gate;
    gate_init(&gate);
    episode_open(e, n + producers * SHORT);
    episode_phase(e, "hold all workers but one");
    for (unsigned i = 0; i < n; i++) {
        e->tasks[i].user = &gate;
        gate_await_inside(&gate, i); /* the queue is empty: no caller runs it */
        (void)episode_submit(e, &e->tasks[i], run_held);
    }
    gate_await_inside(&gate, n);
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, n + i * SHORT};
    }
    episode_phase(e, "one worker must get through everything");
    episode_crew(e, producers, produce, crew, sizeof(crew[0]));
    episode_join(e);
    while (!all_ended(e, n, producers * SHORT)) {
        perturb_rest(100);
    }
    gate_open(&gate);
    episode_close(e);
    episode_check_all(e, false);
    gate_fini(&gate);
    episode_reach(e, 1, producers * SHORT);
}

/* ---- Batch ---- */

static void batch(struct episode *e) {
    unsigned n = e->spec->workers < EPISODE_BATCH ? e->spec->workers : EPISODE_BATCH;
    unsigned rounds = 8;
    struct gate gates[8];
    episode_open(e, n * rounds);
    for (unsigned round = 0; round < rounds; round++) {
        struct task *tasks[EPISODE_BATCH];
        gate_init(&gates[round]);
        for (unsigned i = 0; i < n; i++) {
            tasks[i] = &e->tasks[round * n + i];
            tasks[i]->user = &gates[round];
        }
        perturb_rest(200);
        episode_phase(e, "tasks of one call meet");
        unsigned taken = episode_try_batch(e, tasks, n, run_held);
        for (unsigned i = taken; i < n; i++) {
            (void)episode_submit(e, tasks[i], run_held);
        }
        gate_await_inside(&gates[round], n);
        gate_open(&gates[round]);
        episode_settle(e);
        episode_reach(e, 2, taken);
    }
    episode_close(e);
    for (unsigned round = 0; round < rounds; round++) {
        gate_fini(&gates[round]);
    }
}

static void run(struct episode *e) {
    bool caller_runs = e->spec->full[0] == 'c'; /* a held task must not hold its submitter */
    switch (episode_below(e, 3)) {
    case 0:
        if (episode_can(e, WEIR_SUBJECT_FROM_TASK)) {
            inside(e);
            break;
        } /* fall through */
    case 1:
        held(e);
        break;
    default:
        if (e->subject->submit_batch != NULL && !caller_runs) {
            batch(e);
        } else {
            held(e);
        }
    }
}

const struct scenario scenario_work_conservation = {
    .name = "work_conservation",
    .invariant = "no task waits in a queue while a worker sleeps",
    .reach = {"children that met", "tasks past held workers", "tasks of batches that met"},
    .run = run,
};
