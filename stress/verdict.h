/*
 * Verdict: what a child's end means: a name with an exit code of its own, the promise that was
 * broken in a few words, and one line of detail.
 */
#ifndef STRESS_VERDICT_H
#define STRESS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "stress/board.h"

/* Exit codes of weir-stress; from 10 on something was found. */
enum verdict_code {
    VERDICT_NOTHING = 0,
    VERDICT_HARNESS = 1, /* the harness itself could not go on */
    VERDICT_USAGE = 2,
    VERDICT_NO_SANITIZER = 3, /* TSAN-UNAVAILABLE, ASAN-UNAVAILABLE */
    VERDICT_INCONCLUSIVE = 4, /* nothing found, and not enough covered to say so */
    VERDICT_RACE = 10,
    VERDICT_LOST = 11,
    VERDICT_DOUBLE = 12,
    VERDICT_EARLY_IDLE = 13,
    VERDICT_HANG = 14,
    VERDICT_DEADLOCK = 15,
    VERDICT_LEAK = 16,
    VERDICT_USE_AFTER_FREE = 17,
    VERDICT_ORDER = 18,
    VERDICT_STARVED = 19,
    VERDICT_CRASH = 20,
    VERDICT_WRONG = 21, /* an answer that the contract does not allow */
    VERDICT_UNDEFINED =
        22, /* what C leaves undefined: overflow, out of bounds, misuse of a mutex */
    VERDICT_INTERRUPTED = 130,
};

struct verdict {
    char word[BOARD_NAME]; /* the promise: "lost task", "race", ...; empty: nothing was found */
    char detail[512];
};

/* The code that the words of a finding belong to, and its name: "LOST". */
enum verdict_code verdict_code(const char *word);
const char *verdict_name(enum verdict_code code);

/* Reads a sanitizer's report. False when the text holds none. */
bool verdict_of_report(const char *log, struct verdict *v);

/* True when ThreadSanitizer could not even map its memory. */
bool verdict_tsan_unavailable(const char *log);

/* How a wait status, a board and a log add up. Word stays empty for a clean end. */
void verdict_of_end(int status, const struct board *board, const char *log, struct verdict *v);

/* What the threads of a child without progress do. */
struct scene {
    unsigned threads;
    unsigned at_mutex; /* that sleep until they get a mutex */
    bool asleep;       /* all of them sleep, at every look */
};

/* No progress: deadlock when all sleep and hold something or wait for each other, else hang. */
void verdict_of_hang(struct board *board, const struct scene *scene, double seconds,
                     struct verdict *v);

#endif
