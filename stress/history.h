/*
 * History: what threads did to a queue, a deque or a future, and when; and checkers that say
 * whether some order of single steps explains it (linearizability: Herlihy and Wing, 1990).
 *
 * Recording. Each thread notes its operations in a log of its own, with the time before and after
 * each; no index is shared and nothing synchronises, so that ThreadSanitizer still sees every
 * missing edge of what is recorded. Times come from a counter that all CPUs share; the end of one
 * operation serves as the beginning of the next, which only widens what the next may have seen.
 *
 * Checking. For a FIFO queue whose values are all different there is a direct test in
 * O(n log n) (after the violations that Henzinger, Sezgin and Vafeiadis name, 2013); for futures
 * one in O(n). Small windows of anything are checked by search (Wing and Gong 1993, with the
 * memory of Lowe 2017), which also checks the direct tests.
 */
#ifndef STRESS_HISTORY_H
#define STRESS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <time.h>
#endif

/* For scenarios that a subject brings. */
#pragma GCC visibility push(default)

enum history_kind {
    HISTORY_PUT,      /* value went in: at the end of a queue, at the bottom of a deque */
    HISTORY_GET,      /* value came out: the oldest of a queue, the top of a deque (steal) */
    HISTORY_POP,      /* value came out at the bottom of a deque */
    HISTORY_EMPTY,    /* a get or pop that found nothing */
    HISTORY_SET,      /* of a future: value was set, and this one won */
    HISTORY_SET_LATE, /* of a future: it had been set before */
    HISTORY_READ,     /* of a future: value was read */
    HISTORY_PENDING,  /* of a future: a look that found it unset */
    HISTORY_FULL,     /* a put that found no room */
};

struct history_op {
    uint64_t from, to;
    uint64_t value;
    uint32_t kind;
    uint32_t key; /* which future */
};

/* Of one thread. */
struct history {
    struct history_op *ops;
    size_t count, room;
};

/* False: no memory. */
bool history_init(struct history *h, size_t room);
void history_fini(struct history *h);

/* The time now: later than the last store of what came before is visible, earlier than the first
 * load of what comes after. */
static inline uint64_t history_now(void) {
#if defined(__x86_64__)
    unsigned cpu;
    /* A locked instruction empties the store buffer, rdtscp waits for it, lfence lets nothing by.
     */
    __asm__ volatile("lock; orl $0, (%%rsp)" ::: "memory", "cc");
    uint64_t now = __builtin_ia32_rdtscp(&cpu);
    __asm__ volatile("lfence" ::: "memory");
    return now;
#elif defined(__aarch64__)
    uint64_t now;
    __asm__ volatile("dsb ish; isb; mrs %0, cntvct_el0; isb" : "=r"(now)::"memory");
    return now;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

/* Notes an operation that began at *from, a time from history_now, and has just ended; *from is
 * then the time of its end, and may serve the next operation. A full log takes no more. */
static inline void history_note(struct history *h, enum history_kind kind, uint64_t value,
                                uint64_t *from) {
    uint64_t now = history_now();
    if (h->count < h->room) {
        h->ops[h->count++] = (struct history_op){*from, now, value, (uint32_t)kind, 0};
    }
    *from = now;
}

/* All logs in one array; the caller frees it. NULL: no memory. */
struct history_op *history_merge(const struct history *logs, size_t n, size_t *count);

/* ---- Checkers: true when the history is possible, else why is filled. ---- */

#define HISTORY_WHY 160

/* PUT, GET and EMPTY of a FIFO queue, every value put at most once; FULL is passed over. Values
 * that never came out are taken as still inside. */
bool history_check_fifo(const struct history_op *ops, size_t n, char why[HISTORY_WHY]);

/* SET, SET_LATE, READ and PENDING of futures, told apart by key. */
bool history_check_futures(const struct history_op *ops, size_t n, char why[HISTORY_WHY]);

/* ---- The general checker ---- */

#define HISTORY_WINDOW 62 /* operations at most */

/* Whether a queue, deque or future (the kinds tell), empty at the start, explains the operations.
 * With a capacity FULL needs as many inside; with 0 FULL is never right. */
bool history_linearizable(const struct history_op *ops, size_t n, size_t capacity);

#pragma GCC visibility pop

#endif
