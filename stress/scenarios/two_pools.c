/*
 * two_pools: two pools of one process share nothing.
 *
 * Held: while every worker of the second pool is held, the first one runs, idles and closes as if
 * it were alone. Across: tasks of the first pool submit to the second, which must run them, also
 * after the first is closed.
 */
#include "stress/episode.h"

#define ROOTS 16

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
    for (unsigned i = 0; i < ROOTS; i++) {
        (void)episode_submit(p->e, &p->e->tasks[p->first + i], task_plain);
    }
    return NULL;
}

static void from_all(struct episode *e, unsigned first, void *(*fn)(void *)) {
    struct producer crew[EPISODE_CREW];
    for (unsigned i = 0; i < e->spec->producers; i++) {
        crew[i] = (struct producer){e, first + i * ROOTS};
    }
    episode_crew(e, e->spec->producers, fn, crew, sizeof(crew[0]));
    episode_join(e);
}

static void held(struct episode *e) {
    unsigned workers = e->spec->workers, roots = e->spec->producers * ROOTS;
    struct gate gate;
    struct episode other;
    gate_init(&gate);
    episode_open(e, workers + 2 * roots);
    episode_open_another(e, &other);
    episode_phase(e, "hold every worker of the other pool");
    for (unsigned i = 0; i < workers; i++) {
        e->tasks[i].user = &gate;
        gate_await_inside(&gate, i);
        (void)episode_submit(&other, &e->tasks[i], run_held);
    }
    gate_await_inside(&gate, workers);
    episode_phase(e, "one pool runs while the other is held");
    from_all(e, workers, produce);
    episode_quiesce(e);
    for (unsigned i = workers; i < workers + roots; i++) {
        if (atomic_load_explicit(&e->board->records[i].ended, memory_order_relaxed) == 0) {
            episode_fail(e, "early idle", "quiesce returned before task %u had ended", i);
        }
    }
    episode_close(e);
    gate_open(&gate);
    episode_phase(e, "the other pool goes on when the first is closed");
    from_all(&other, workers + roots, produce);
    episode_close_another(&other);
    episode_check_all(e, false);
    gate_fini(&gate);
    episode_reach(e, 0, 1);
}

/* The child has the id after it, and goes to the other pool. */
static void run_across(void *arg) {
    struct task *t = arg;
    task_begin(t);
    (void)episode_try(t->user, t + 1, task_plain);
    task_end(t);
}

static void *produce_across(void *arg) {
    struct producer *p = arg;
    episode_ready(p->e);
    for (unsigned i = 0; i < ROOTS; i += 2) {
        (void)episode_submit(p->e, &p->e->tasks[p->first + i], run_across);
    }
    return NULL;
}

static void across(struct episode *e) {
    unsigned roots = e->spec->producers * ROOTS;
    struct episode other;
    episode_open(e, roots);
    episode_open_another(e, &other);
    for (unsigned i = 0; i < roots; i++) {
        e->tasks[i].user = &other;
    }
    episode_phase(e, "tasks of one pool submit to the other");
    from_all(e, 0, produce_across);
    episode_quiesce(e);
    episode_close(e);
    episode_phase(e, "the other pool ends what came from the first");
    episode_quiesce(&other);
    episode_close_another(&other);
    episode_check_all(e, false);
    episode_reach(e, 1, roots / 2);
}

static void run(struct episode *e) {
    if (episode_below(e, 2) == 0) {
        held(e);
    } else {
        across(e);
    }
}

const struct scenario scenario_two_pools = {
    .name = "two_pools",
    .invariant = "two pools share nothing: one idles, runs and closes whatever the other does",
    .needs = NEEDS_OWN_THREADS,
    .reach = {"pools beside a held one", "tasks from pool to pool"},
    .run = run,
};
