/*
 * Fault: what the surroundings of a pool may do to it, drawn for each episode or named with
 * --fault, and the places of the subject where calls can be made to fail.
 *
 * Each fault has a contract row: what a correct pool may do under it. Faults at call sites reach a
 * subject through wrapped calls (wrappers.c); a subject that is taken as it is meets the others
 * only.
 */
#ifndef STRESS_FAULT_H
#define STRESS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "stress/board.h"

/* For scenarios that a subject brings. */
#pragma GCC visibility push(default)

/* In the order of fault_rows. */
enum fault {
    FAULT_NONE,
    FAULT_SIGNALS,  /* handlers run on any thread that lets them, calls return EINTR */
    FAULT_SPURIOUS, /* waits return without a reason */
    FAULT_ONE_CPU,  /* all threads on one CPU, from some moment on for a while */
    FAULT_SHUFFLE,  /* threads are moved between CPUs and change their priority */
    FAULT_STOP,     /* the process is stopped and goes on */
    FAULT_CLOCK,    /* CLOCK_REALTIME jumps by hours */
    FAULT_QUOTA,    /* the process gets 3 ms of CPU time in every 10 ms, where that is allowed */
    FAULTS,
};

struct fault_row {
    const char *name;
    const char *done;      /* what happens */
    const char *allowed;   /* to the pool */
    const char *forbidden; /* to it */
};

extern const struct fault_row fault_rows[FAULTS];

/* By its name; FAULTS when there is none. */
enum fault fault_find(const char *name);

/* The name of the thread that a storm comes from. */
#define FAULT_THREAD "weir-storm"

/* ---- Of an episode; called by its main thread ---- */

/* Begins the fault: storms of signals and migrations come from a thread of their own, which lives
 * until fault_end. */
void fault_begin(struct board *board, enum fault fault, uint64_t seed);
void fault_end(void);

/* ---- At call sites of the subject ---- */

enum fault_site {
    SITE_THREAD, /* pthread_create */
    SITE_MEMORY, /* malloc and its kin */
    SITE_WAIT,   /* condition variable, futex, semaphore */
    SITE_CLOCK,  /* clock_gettime(CLOCK_REALTIME) */
};

/* Whether this call fails (or, for a wait, returns at once). where is the caller's return address;
 * each place is listed on the board. Any thread; relaxed counters only. */
bool fault_at(enum fault_site site, const char *call, const void *where);

/* What is added to CLOCK_REALTIME now, in seconds. */
int64_t fault_clock_offset(void);

/* Lets the n-th call from now on (the first is 0) at sites of that kind fail, once. fault_disarm
 * tells whether it came to that. */
void fault_arm(enum fault_site site, uint32_t n);
bool fault_disarm(void);

/* Calls of the subject are led through fault_at from now on: once a child. */
void fault_connect(struct board *board);
bool fault_is_connected(void);

#pragma GCC visibility pop

#endif
