/*
 * Episode: one short life of a pool, and what a scenario needs to attack it.
 *
 * Payloads (struct task's in and out) are plain memory: submit must order them before the start
 * of the run, and the end of the run before every wait that reports it. A native run sees wrong
 * values; ThreadSanitizer sees the missing edge itself.
 */
#ifndef STRESS_EPISODE_H
#define STRESS_EPISODE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "bench/subject.h"
#include "stress/board.h"
#include "stress/gate.h"
#include "stress/perturb.h"

/* For scenarios that a subject brings. */
#pragma GCC visibility push(default)

#define EPISODE_CREW           16 /* threads that a scenario may start, and as many again */
#define EPISODE_MOST_PRODUCERS 8
#define EPISODE_BATCH          4 /* at most, in one call */

struct episode;

/* One task. Its record is on the board; the rest is plain memory of the episode. */
struct task {
    struct episode *episode;
    uint32_t id;
    uint64_t in;  /* written before submit, read by the run */
    uint64_t out; /* written by the run, read after a wait for its end */
    void *user;   /* the scenario's */
    bool is_call; /* handed over with async */
    void *ticket;
    bool noted;  /* accepted before the call of quiesce under way; the main thread's */
    int awaited; /* the scenario's: what a wait for it gave */
};

struct episode {
    struct board *board;
    const struct spec *spec;
    const struct weir_subject *subject;
    uint32_t capabilities; /* the subject's, less what this configuration lacks */
    void *pool;
    bool closed;
    _Atomic(bool) usable; /* the pool is open, and close has not begun */
    uint64_t random;      /* of the main thread; others use their own from episode_seed */
    struct task *tasks;
    uint32_t planned;
    _Atomic(bool) shutting; /* set before shutdown is called: -ESHUTDOWN is right from now on */
    unsigned crew_size;
    pthread_t crew[EPISODE_CREW * 2];
    pthread_barrier_t start;
};

/* ---- Verdicts ---- */

/* Ends the child: writes the first verdict to the board. Any thread. */
_Noreturn void episode_fail(struct episode *e, const char *verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Says what the episode does now, for the report of a hang. Main thread. */
void episode_phase(struct episode *e, const char *phase);

/* The episode under way, or NULL; for the witness. usable: its pool may be asked. */
struct episode *episode_current(bool *usable);

/* Counts that a scenario reached what it attacks; kind is an index into its reach names. */
void episode_reach(struct episode *e, unsigned kind, uint64_t times);

/* ---- Choices ---- */

uint64_t episode_below(struct episode *e, uint64_t bound); /* main thread: 0 ... bound - 1 */
uint64_t episode_seed(struct episode *e, unsigned thread); /* start of a generator of its own */
bool episode_can(const struct episode *e, uint32_t capabilities);

uint64_t episode_after_ns(uint64_t ns); /* a deadline: now and ns more */

/* ---- The pool ---- */

/* Plans n tasks and opens the pool. The tasks' memory lives until episode_end. */
void episode_open(struct episode *e, uint32_t n);
/* The same in two steps, for scenarios with several pools one after the other, or with an open that
 * may fail (0 or its error). */
void episode_plan(struct episode *e, uint32_t n);
void episode_open_again(struct episode *e);
int episode_try_open(struct episode *e);
/* A second pool beside the first. Its tasks are among those that were planned; the copy of the
 * episode is used for what goes to it. */
void episode_open_another(struct episode *e, struct episode *other);
void episode_close_another(struct episode *other);
void episode_close(struct episode *e); /* closes the pool; every task must have ended then */
void episode_end(struct episode *e);

void episode_quiesce(struct episode *e); /* any thread; an error is a verdict */

/* ---- Submitting ---- */

/* Writes what the run must see. Before each submission of a task that does not go by the calls
 * below. */
void task_prepare(struct task *t);

/* For scenarios that hand tasks over in ways of their own: what the call said, and a drop. */
void episode_note(struct task *t, bool accepted);
void episode_dropped(void *task);

/* Outcome of handing a task over. */
enum handed { HANDED_ACCEPTED, HANDED_REFUSED_FULL, HANDED_REFUSED_SHUTDOWN };

/* One attempt. Any error but full and shut down is a verdict. */
enum handed episode_try(struct episode *e, struct task *t, weir_subject_fn fn);
/* Tries again while the pool is full; gives up only when it is shut down. Not inside a task. */
enum handed episode_submit(struct episode *e, struct task *t, weir_subject_fn fn);
/* Hands over n tasks that follow each other in one call, where the subject offers that; else none.
 * Returns how many were accepted, the first ones; the others are refused and may be tried again. */
unsigned episode_try_batch(struct episode *e, struct task *const *tasks, unsigned n,
                           weir_subject_fn fn);
/* The same for a call whose value is wanted; t->ticket is made unless it is there. */
enum handed episode_try_async(struct episode *e, struct task *t, weir_subject_call call);
enum handed episode_async(struct episode *e, struct task *t, weir_subject_call call);
/* Waits for a call that was accepted, checks its value and releases the ticket. Returns 0 or
 * -ECANCELED. */
int episode_await(struct episode *e, struct task *t);
void *episode_ticket(struct episode *e); /* memory for a ticket; free() gives it back */

/* ---- Inside a task ---- */

void task_begin(struct task *t);            /* first: exactly once, right argument */
void task_end(struct task *t);              /* last: writes out */
void task_plain(void *task);                /* a whole task: begin, end */
void *task_call(void *task);                /* a whole call; its value is the task's own address */
uint64_t task_result(const struct task *t); /* what out must be */
/* The pool runs this task inside another one of the harness's, on the same thread. */
bool task_is_nested(void);

/* ---- Checking ---- */

/* Every accepted task has run exactly once and ended, every other one never; plain payloads are
 * read. may_drop: dropped instead of run is allowed. Call it after a wait for all of them. */
void episode_check_all(struct episode *e, bool may_drop);
/* Calls quiesce: what was accepted before must have ended, and is checked. The main thread, with no
 * other that submits; tasks that run may. Tells "early idle" from "lost task" by closing. */
void episode_settle(struct episode *e);
/* An await gave a value: it must be t's own, its call ended, its payload visible. */
void episode_check_value(struct episode *e, const struct task *t, const void *value);

/* Memory that the pool gave back: an access to it afterwards is a use after free, and a fault at
 * an address of it is named so. Kept until episode_end. */
void episode_released(struct episode *e, void *memory, size_t bytes);
bool episode_was_released(const void *address); /* async-signal-safe */

void *episode_memory(struct episode *e, size_t bytes); /* zeroed; free() gives it back */

/* ---- Threads and events ---- */

/* Starts n threads that begin together; episode_join waits for all. */
void episode_crew(struct episode *e, unsigned n, void *(*fn)(void *), void *args, size_t arg_size);
void episode_join(struct episode *e);
void episode_joined(struct episode *e); /* the scenario has joined them itself */
void episode_ready(struct episode *e);  /* crew: first call of each */

/* ---- Scenarios ---- */

/* What a subject must offer beyond the four required operations. */
enum scenario_needs {
    NEEDS_ASYNC = 1 << 0,
    NEEDS_CANCEL = 1 << 1,
    NEEDS_SHUTDOWN = 1 << 2,
    NEEDS_NESTED = 1 << 3,
    NEEDS_BOUNDED = 1 << 4,
    NEEDS_FROM_TASK = 1 << 5,
    NEEDS_ON_DONE = 1 << 6,
    NEEDS_SHUTDOWN_INSIDE = 1 << 7,
    NEEDS_EXHAUSTION = 1 << 8,
    NEEDS_FIFO = 1 << 9,
    NEEDS_DEADLINES = 1 << 11,
    NEEDS_OWN_THREADS = 1 << 12,
    NEEDS_FORK = 1 << 10, /* a sanitizer under which a forked child can live */
};

struct scenario {
    const char *name;
    const char *invariant; /* one line */
    uint32_t needs;
    const char *reach[BOARD_REACH]; /* what it must have reached to say anything; NULL ends */
    void (*run)(struct episode *e);
};

/* The harness's own, and after them those that the loaded subject brings. */
unsigned scenario_count(void);
const struct scenario *scenario_at(unsigned i);

/* Adds the scenarios of a subject: a list ended by NULL. A plug-in that exports
 * SCENARIOS_OF_SUBJECT, a function without arguments that returns such a list, brings its own; they
 * may use everything in this header. False: there are too many. */
#define SCENARIOS_OF_SUBJECT "weir_stress_scenarios"
bool scenarios_add(const struct scenario *const *more);

/* What the subject with these capabilities lacks for the scenario, in words; NULL when it
 * applies. */
const char *scenario_lacks(const struct scenario *s, const struct weir_subject *subject,
                           uint32_t capabilities);

#pragma GCC visibility pop

#endif
