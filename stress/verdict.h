/* Verdict: what a child's end means, in one word and one line. */
#ifndef STRESS_VERDICT_H
#define STRESS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "stress/board.h"

struct verdict {
    char word[BOARD_NAME]; /* "lost task", "race", ...; empty: nothing was found */
    char detail[512];
};

/* Reads a sanitizer's report. False when the text holds none. */
bool verdict_of_report(const char *log, struct verdict *v);

/* True when ThreadSanitizer could not even map its memory. */
bool verdict_tsan_unavailable(const char *log);

/* How a wait status, a board and a log add up. Word stays empty for a clean end. */
void verdict_of_end(int status, const struct board *board, const char *log, struct verdict *v);

/* A hang: all threads asleep or not, and what the records say. */
void verdict_of_hang(struct board *board, bool asleep, unsigned threads, double seconds,
                     struct verdict *v);

#endif
