/*
 * fifo_order: a pool that says that it is first in, first out is: of one producer's tasks none
 * overtakes one that was submitted before it.
 *
 * Each submission is a put, each start a get by the worker between the end of its task before and
 * the start of this one; the times make a history, which must be one of a FIFO queue. What a
 * submitter ran itself was never queued, and is left out.
 */
#include "stress/episode.h"
#include "stress/history.h"

#define TASKS 60 /* of each producer */

struct times {
    uint64_t put_from, put_to, get_from, get_to;
    bool queued;
};

struct producer {
    struct episode *e;
    unsigned first;
    uint64_t random;
};

static _Thread_local bool submits;   /* this thread submits: a task here was not queued */
static _Thread_local uint64_t ended; /* of this worker's task before */

static void run_timed(void *arg) {
    struct task *t = arg;
    struct times *times = t->user;
    if (!submits) {
        times->queued = true;
        times->get_from = ended;
        times->get_to = history_now();
    }
    task_begin(t);
    task_end(t);
    ended = submits ? 0 : history_now();
}

/* Each try has its own beginning: only the last one put the task in. */
static void submit_timed(struct episode *e, struct task *t) {
    struct times *times = t->user;
    enum handed handed;
    do {
        times->put_from = history_now();
        handed = episode_try(e, t, run_timed);
    } while (handed == HANDED_REFUSED_FULL && sched_yield() == 0);
    times->put_to = history_now();
}

static void *produce(void *arg) {
    struct producer *p = arg;
    submits = true;
    episode_ready(p->e);
    for (unsigned i = 0; i < TASKS; i++) {
        submit_timed(p->e, &p->e->tasks[p->first + i]);
        if (stress_random(&p->random) % 16 == 0) {
            perturb_rest(100);
        }
    }
    return NULL;
}

/* Of the tasks of one producer. */
static void check(struct episode *e, const struct times *times, uint32_t first) {
    struct history_op *ops = episode_memory(e, 2 * TASKS * sizeof(*ops));
    char why[HISTORY_WHY];
    size_t n = 0;
    for (uint32_t i = first; i < first + TASKS; i++) {
        const struct times *t = &times[i];
        if (t->queued) {
            ops[n++] = (struct history_op){t->put_from, t->put_to, i, HISTORY_PUT, 0};
            ops[n++] = (struct history_op){t->get_from, t->get_to, i, HISTORY_GET, 0};
        }
    }
    if (!history_check_fifo(ops, n, why)) {
        episode_fail(e, "order", "of the submissions and starts of a FIFO pool: %s", why);
    }
    free(ops);
    episode_reach(e, 0, n / 2);
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers;
    struct producer crew[EPISODE_CREW];
    struct times *times = episode_memory(e, producers * TASKS * sizeof(*times));
    episode_open(e, producers * TASKS);
    for (uint32_t i = 0; i < e->planned; i++) {
        e->tasks[i].user = &times[i];
    }
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct producer){e, i * TASKS, episode_seed(e, i)};
    }
    episode_phase(e, "tasks in the order of submission");
    episode_crew(e, producers, produce, crew, sizeof(crew[0]));
    episode_join(e);
    episode_settle(e);
    for (unsigned i = 0; i < producers; i++) {
        check(e, times, i * TASKS);
    }
    episode_close(e);
    free(times);
}

const struct scenario scenario_fifo_order = {
    .name = "fifo_order",
    .invariant = "of one producer's tasks none overtakes one that was submitted before it",
    .needs = NEEDS_FIFO,
    .reach = {"tasks in order"},
    .run = run,
};
