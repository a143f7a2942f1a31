/*
 * cancel_race: cancelling a call that is about to start ends in exactly one of two ways: it never
 * runs and its waiters get -ECANCELED, or it runs to its end and they get its value.
 *
 * For each call a canceller races the workers, while a third thread awaits it already. The memory
 * that the call works on is freed by whoever won: by the canceller on success, else by the call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stress/episode.h"

#define CALLS 24 /* of each producer */

enum role { PRODUCE, CANCEL, WAIT, ROLES };

struct member {
    struct episode *e;
    enum role role;
    unsigned first;
    uint64_t random;
    _Atomic(bool) *handed; /* one a task: the ticket may be used */
    int *cancelled;        /* one a task: what cancel gave; the canceller's own */
    unsigned won, lost;
};

struct work {
    uint64_t value;
};

static void *run_work(void *arg) {
    struct task *t = arg;
    struct work *work = t->user;
    task_begin(t);
    if (work->value != t->in) {
        episode_fail(t->episode, "run and cancelled", "call %u runs on memory that is gone", t->id);
    }
    work->value = 0;
    free(work);
    task_end(t);
    return t;
}

static void produce(struct member *m) {
    for (unsigned i = m->first; i < m->first + CALLS; i++) {
        struct task *t = &m->e->tasks[i];
        struct work *work = malloc(sizeof(*work));
        if (work == NULL) {
            episode_fail(m->e, "harness error", "no memory");
        }
        task_prepare(t);
        work->value = t->in;
        t->user = work;
        (void)episode_async(m->e, t, run_work);
        atomic_store_explicit(&m->handed[i], true, memory_order_release);
    }
}

static struct task *next(struct member *m, unsigned i) {
    while (!atomic_load_explicit(&m->handed[i], memory_order_acquire)) {
        sched_yield();
    }
    return &m->e->tasks[i];
}

static void cancel(struct member *m) {
    struct episode *e = m->e;
    for (unsigned i = m->first; i < m->first + CALLS; i++) {
        struct task *t = next(m, i);
        if (stress_random(&m->random) % 4 == 0) {
            continue; /* left alone: cancelling must not be what makes the waiter return */
        }
        perturb_point("harness:cancel");
        int error = e->subject->cancel(e->pool, t->ticket);
        if (error == 0) {
            struct work *work = t->user;
            work->value = 0;
            free(work);
            m->won++;
        } else if (error == -EINPROGRESS || error == -EALREADY) {
            m->lost++;
        } else {
            episode_fail(e, "wrong error", "cancel gave %d (%s)", error, strerror(-error));
        }
        m->cancelled[i] = error;
    }
}

static void await_all(struct member *m) {
    struct episode *e = m->e;
    for (unsigned i = m->first; i < m->first + CALLS; i++) {
        struct task *t = next(m, i);
        void *value = NULL;
        perturb_point("harness:await");
        int error = -ETIMEDOUT;
        if (stress_random(&m->random) % 4 == 0 && !episode_can(e, WEIR_SUBJECT_UNTIMED)) {
            error = e->subject->await(e->pool, t->ticket,
                                      episode_after_ns(stress_random(&m->random) % 300000), &value);
        }
        if (error == -ETIMEDOUT) {
            error = e->subject->await(e->pool, t->ticket, WEIR_SUBJECT_FOREVER, &value);
        }
        if (error == 0) {
            episode_check_value(e, t, value);
        } else if (error != -ECANCELED) {
            episode_fail(e, "wrong error", "await gave %d (%s)", error, strerror(-error));
        }
        t->awaited = error;
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    if (m->role == PRODUCE) {
        produce(m);
    } else if (m->role == CANCEL) {
        cancel(m);
    } else {
        await_all(m);
    }
    return NULL;
}

/* Canceller and waiter must have been told the same. */
static void agree(struct episode *e, const int *cancelled) {
    for (unsigned i = 0; i < e->planned; i++) {
        struct task *t = &e->tasks[i];
        bool ran = atomic_load_explicit(&e->board->records[i].started, memory_order_relaxed) != 0;
        bool won = cancelled[i] == 0;
        if (won && ran) {
            episode_fail(e, "run and cancelled", "cancel of call %u gave 0, and it ran", i);
        }
        if (won != (t->awaited == -ECANCELED)) {
            episode_fail(e, "two outcomes", "call %u: cancel gave %d, await gave %d", i,
                         cancelled[i], t->awaited);
        }
        e->subject->release(e->pool, t->ticket);
        free(t->ticket);
        t->ticket = NULL;
    }
}

static void run(struct episode *e) {
    /* Three roles each: no more producers than the crew has room for. */
    unsigned producers = e->spec->producers < EPISODE_CREW * 2 / ROLES ? e->spec->producers
                                                                       : EPISODE_CREW * 2 / ROLES;
    struct member crew[EPISODE_CREW * 2];
    _Atomic(bool) handed[EPISODE_CREW * CALLS];
    int cancelled[EPISODE_CREW * CALLS];
    episode_open(e, producers * CALLS);
    for (unsigned i = 0; i < e->planned; i++) {
        atomic_init(&handed[i], false);
        cancelled[i] = 1; /* not tried */
    }
    for (unsigned i = 0; i < producers * ROLES; i++) {
        crew[i] = (struct member){.e = e, .role = (enum role)(i % ROLES), .handed = handed};
        crew[i].first = i / ROLES * CALLS;
        crew[i].random = episode_seed(e, i);
        crew[i].cancelled = cancelled;
    }
    episode_phase(e, "cancel against start");
    episode_crew(e, producers * ROLES, work, crew, sizeof(crew[0]));
    episode_join(e);
    episode_phase(e, "quiesce after cancel");
    episode_quiesce(e);
    agree(e, cancelled);
    episode_close(e);
    episode_check_all(e, true);
    for (unsigned i = 0; i < producers * ROLES; i++) {
        episode_reach(e, 0, crew[i].won);
        episode_reach(e, 1, crew[i].lost);
    }
}

const struct scenario scenario_cancel_race = {
    .name = "cancel_race",
    .invariant = "a cancelled call never runs, another one ends with its value, and waiters agree",
    .needs = NEEDS_ASYNC | NEEDS_CANCEL,
    .reach = {"cancelled in time", "cancelled too late"},
    .run = run,
};
