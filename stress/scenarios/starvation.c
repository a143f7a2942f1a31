/*
 * starvation: whatever keeps the pool busy, a task that was accepted gets its turn, and so does a
 * producer that waits for room.
 *
 * Chain: every worker runs tasks that each submit the next one; a task from outside must start
 * before every worker has run a few hundred of them. (A slot for the newest task that always wins
 * starves everything else.) Producers: all submit without end to a full queue until each has got
 * in a few times.
 */
#include "stress/episode.h"

#define LINKS   3400
#define VICTIMS 3
#define PATIENT 400 /* links that each worker may run after the victims were accepted */
#define CREW    EPISODE_CREW
#define TURNS   12
#define LIMIT_S 6

/* ---- Chain ---- */

struct chain {
    struct episode *e;
    _Atomic(uint32_t) next;    /* task of the next link */
    _Atomic(bool) waiting;     /* the victims have been accepted */
    _Atomic(uint32_t) threads; /* that have run a link since */
    _Atomic(uint32_t) patient; /* of those, that have run enough of them */
};

/* Of one worker; the chain tells episodes apart. */
static _Thread_local struct {
    struct chain *chain;
    unsigned links;
} own;

static bool victims_started(struct chain *c) {
    for (unsigned i = 0; i < VICTIMS; i++) {
        if (atomic_load_explicit(&c->e->board->records[i].started, memory_order_relaxed) == 0) {
            return false;
        }
    }
    return true;
}

/* A worker that has a victim in hand, and is slow to start it, runs no links meanwhile. */
static void count_link(struct chain *c) {
    if (!atomic_load_explicit(&c->waiting, memory_order_relaxed)) {
        sched_yield(); /* links are few */
        return;
    }
    if (own.chain != c) {
        own.chain = c;
        own.links = 0;
        atomic_fetch_add_explicit(&c->threads, 1, memory_order_relaxed);
    }
    if (++own.links == PATIENT) {
        atomic_fetch_add_explicit(&c->patient, 1, memory_order_relaxed);
    }
    if (atomic_load_explicit(&c->patient, memory_order_relaxed) >= c->e->spec->workers &&
        !victims_started(c)) {
        episode_fail(c->e, "starved",
                     "each of %u workers has run %u tasks that came later, and one from outside "
                     "has not started",
                     c->e->spec->workers, PATIENT);
    }
}

static void run_link(void *arg) {
    struct task *t = arg;
    struct chain *c = t->user;
    task_begin(t);
    count_link(c);
    bool over = atomic_load_explicit(&c->waiting, memory_order_relaxed) && victims_started(c);
    uint32_t next = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed);
    if (!over && next < LINKS && !task_is_nested()) {
        struct task *link = &c->e->tasks[next];
        link->user = c;
        (void)episode_try(c->e, link, run_link); /* full: the chain ends here */
    }
    task_end(t);
}

static void chains(struct episode *e) {
    static struct chain chain; /* static: its address tells a thread that it has changed */
    chain = (struct chain){.e = e, .next = VICTIMS + e->spec->workers};
    episode_open(e, LINKS);
    own.chain = NULL;
    episode_phase(e, "tasks that submit the next one");
    for (unsigned i = 0; i < e->spec->workers; i++) {
        e->tasks[VICTIMS + i].user = &chain;
        (void)episode_submit(e, &e->tasks[VICTIMS + i], run_link);
    }
    perturb_rest(300);
    for (unsigned i = 0; i < VICTIMS; i++) {
        (void)episode_submit(e, &e->tasks[i], task_plain);
    }
    atomic_store_explicit(&chain.waiting, true, memory_order_relaxed);
    episode_phase(e, "a task from outside among tasks that submit the next one");
    episode_settle(e);
    uint32_t links = atomic_load_explicit(&chain.next, memory_order_relaxed);
    episode_close(e);
    episode_check_all(e, false);
    episode_reach(e, 0, links < LINKS ? links : LINKS);
}

/* ---- Producers ---- */

struct producer {
    struct episode *e;
    _Atomic(uint32_t) turns;
    struct producer *crew;
    _Atomic(uint64_t) *ran;
};

static void run_counted(void *arg) {
    atomic_fetch_add_explicit((_Atomic(uint64_t) *)arg, 1, memory_order_relaxed);
}

static bool all_had_turns(const struct producer *p) {
    for (unsigned i = 0; i < p->e->spec->producers; i++) {
        if (atomic_load_explicit(&p->crew[i].turns, memory_order_relaxed) < TURNS) {
            return false;
        }
    }
    return true;
}

/* Who is refused is in no queue, and may always come too late. */
static bool may_starve(const struct episode *e) {
    return e->spec->capacity != 0 && e->spec->full[0] != 'b';
}

/* These tasks have no record: there is no end of them. */
static void *insist(void *arg) {
    struct producer *p = arg;
    struct episode *e = p->e;
    uint64_t limit_ns = episode_after_ns(LIMIT_S * UINT64_C(1000000000));
    episode_ready(e);
    while (!all_had_turns(p)) {
        int error = e->subject->submit(e->pool, run_counted, p->ran);
        if (error == 0) {
            atomic_fetch_add_explicit(&p->turns, 1, memory_order_relaxed);
        } else if (e->spec->capacity == 0 && !episode_can(e, WEIR_SUBJECT_REJECTS)) {
            episode_fail(e, "wrong error", "submit gave %d without a bound", error);
        }
        if (atomic_load_explicit(&p->turns, memory_order_relaxed) < TURNS) {
            continue;
        }
        if (!may_starve(e) && episode_after_ns(0) > limit_ns) {
            episode_fail(e, "starved", "others went on submitting for %d s, and one did not get in",
                         LIMIT_S);
        }
        if (may_starve(e)) { /* leaves the room to the others */
            return NULL;
        }
    }
    return NULL;
}

static void producers(struct episode *e) {
    unsigned n = e->spec->producers;
    struct producer crew[CREW];
    _Atomic(uint64_t) ran = 0;
    uint64_t turns = 0;
    episode_open(e, 1);
    for (unsigned i = 0; i < n; i++) {
        crew[i] = (struct producer){.e = e, .crew = crew, .ran = &ran};
    }
    episode_phase(e, "every producer gets its turns");
    episode_crew(e, n, insist, crew, sizeof(crew[0]));
    episode_join(e);
    (void)episode_submit(e, &e->tasks[0], task_plain);
    episode_close(e);
    for (unsigned i = 0; i < n; i++) {
        turns += atomic_load_explicit(&crew[i].turns, memory_order_relaxed);
    }
    if (turns != atomic_load_explicit(&ran, memory_order_relaxed)) {
        episode_fail(e, "lost task", "%llu tasks were accepted, %llu ran",
                     (unsigned long long)turns,
                     (unsigned long long)atomic_load_explicit(&ran, memory_order_relaxed));
    }
    episode_reach(e, 1, n);
}

static void run(struct episode *e) {
    if (episode_can(e, WEIR_SUBJECT_FROM_TASK) && episode_below(e, 2) == 0) {
        chains(e);
    } else {
        producers(e);
    }
}

const struct scenario scenario_starvation = {
    .name = "starvation",
    .invariant = "an accepted task gets its turn whatever else comes, and so does each producer",
    .reach = {"links of chains", "producers that got in"},
    .run = run,
};
