/*
 * full_queue: a bounded queue holds exactly its capacity, says so in the way that was chosen
 * (block, reject, caller-runs), and lets every blocked submitter go on when there is room.
 *
 * Every worker is held inside a task, so that what is queued stays queued: exactly `capacity`
 * more tasks fit. Then the full queue is tried: plain and timed submissions, and, where
 * submitters block, several of them at once; the gate opens while they sleep.
 */
#include <errno.h>
#include <string.h>

#include "stress/episode.h"

#define EACH 6 /* submissions of each thread against the full queue */

struct submitter {
    struct episode *e;
    unsigned first;
};

static void run_held(void *arg) {
    struct task *t = arg;
    task_begin(t);
    gate_pass(t->user);
    task_end(t);
}

static bool started(struct episode *e, const struct task *t) {
    return atomic_load_explicit(&e->board->records[t->id].started, memory_order_relaxed) != 0;
}

static void hold_workers(struct episode *e, struct gate *gate) {
    for (unsigned i = 0; i < e->spec->workers; i++) {
        e->tasks[i].user = gate;
        gate_await_inside(gate, i); /* the queue is empty: nobody is refused, no caller runs it */
        if (episode_try(e, &e->tasks[i], run_held) != HANDED_ACCEPTED) {
            episode_fail(e, "refused with room", "the queue was empty, and task %u was refused", i);
        }
    }
    gate_await_inside(gate, e->spec->workers);
}

/* Only while nothing moves: under load a count of several parts may see a task twice. */
static void check_bound(struct episode *e) {
    if (e->subject->queued == NULL) {
        return;
    }
    size_t queued = e->subject->queued(e->pool);
    if (queued > e->spec->capacity) {
        episode_fail(e, "bound exceeded", "%zu tasks queued, capacity %zu", queued,
                     e->spec->capacity);
    }
}

static void fill(struct episode *e) {
    unsigned workers = e->spec->workers;
    for (size_t i = 0; i < e->spec->capacity; i++) {
        struct task *t = &e->tasks[workers + i];
        bool fits = episode_try(e, t, task_plain) == HANDED_ACCEPTED && !started(e, t);
        if (!fits) {
            episode_fail(e, "refused with room", "%zu of capacity %zu queued, and no more taken", i,
                         e->spec->capacity);
        }
        check_bound(e);
    }
}

/* One task more than fits, on a queue that stays full meanwhile. */
static void overfill(struct episode *e, struct task *t) {
    char way = e->spec->full[0];
    if (way == 'r' && episode_try(e, t, task_plain) == HANDED_ACCEPTED) {
        episode_fail(e, "bound exceeded", "capacity %zu, all workers held, and task %u was taken",
                     e->spec->capacity, t->id);
    }
    if (way == 'c') {
        (void)episode_try(e, t, task_plain);
        if (!started(e, t)) {
            episode_fail(e, "bound exceeded", "capacity %zu, and the caller did not run task %u",
                         e->spec->capacity, t->id);
        }
    }
}

static void overfill_timed(struct episode *e, struct task *t) {
    if (e->subject->submit_until == NULL || e->spec->full[0] == 'c') {
        return;
    }
    bool at_once = episode_below(e, 3) == 0;
    uint64_t deadline_ns =
        at_once ? WEIR_SUBJECT_NOW : episode_after_ns(1000 * episode_below(e, 800));
    task_prepare(t);
    int error = e->subject->submit_until(e->pool, task_plain, t, deadline_ns);
    if (error == 0) {
        episode_fail(e, "bound exceeded", "capacity %zu, all workers held, and task %u was taken",
                     e->spec->capacity, t->id);
    }
    if (error != (at_once ? -EAGAIN : -ETIMEDOUT)) {
        episode_fail(e, "wrong error", "timed submit on a full queue gave %d (%s)", error,
                     strerror(-error));
    }
    if (episode_after_ns(0) < deadline_ns) {
        episode_fail(e, "early time-out", "timed submit gave up before its deadline");
    }
}

static void *submit_against(void *arg) {
    struct submitter *s = arg;
    episode_ready(s->e);
    for (unsigned i = 0; i < EACH; i++) {
        struct task *t = &s->e->tasks[s->first + i];
        (void)episode_submit(s->e, t, task_plain);
    }
    return NULL;
}

static void run(struct episode *e) {
    unsigned producers = e->spec->producers, workers = e->spec->workers;
    unsigned extra = workers + (unsigned)e->spec->capacity;
    struct submitter crew[EPISODE_CREW];
    struct gate gate;
    gate_init(&gate);
    episode_open(e, extra + 4 + producers * EACH);
    episode_phase(e, "hold every worker");
    hold_workers(e, &gate);
    episode_phase(e, "fill the queue");
    fill(e);
    episode_phase(e, "submit to a full queue");
    overfill(e, &e->tasks[extra]);
    overfill_timed(e, &e->tasks[extra + 1]);
    overfill(e, &e->tasks[extra + 2]);
    overfill_timed(e, &e->tasks[extra + 3]);
    for (unsigned i = 0; i < producers; i++) {
        crew[i] = (struct submitter){e, extra + 4 + i * EACH};
    }
    episode_phase(e, "release submitters of a full queue");
    episode_crew(e, producers, submit_against, crew, sizeof(crew[0]));
    perturb_rest(400); /* submitters fall asleep, or are about to */
    gate_open(&gate);
    episode_join(e);
    episode_phase(e, "quiesce after a full queue");
    episode_settle(e);
    episode_close(e);
    gate_fini(&gate);
    episode_reach(e, 0, 1);
    episode_reach(e, 1, e->spec->full[0] == 'b' ? producers : 0);
}

const struct scenario scenario_full_queue = {
    .name = "full_queue",
    .invariant = "the bound is exact, and every submitter that waits for room gets it",
    .needs = NEEDS_BOUNDED,
    .reach = {"full queues", "blocked submitters"},
    .run = run,
};
