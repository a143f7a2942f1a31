/* Supervisor: starts children, watches over them, and says what they found. */
#ifndef STRESS_SUPERVISE_H
#define STRESS_SUPERVISE_H

#include <stdbool.h>
#include <stdio.h>

#include "stress/board.h"
#include "stress/verdict.h"

struct order {
    struct settings settings;
    const char *runner;  /* program that runs the episodes; NULL: this one */
    const char *program; /* this one's name, for the replay line */
    double budget_s;
    double hang_limit_s; /* 0: by the build of the runner */
    bool quiet;
    const char *report; /* folder for report.txt and report.html, or NULL */
};

struct run {
    const struct order *order;
    struct board *board;
    int board_fd, log_fd;
    bool fixed_addresses; /* children run without address randomisation */
    uint64_t start_ns, end_ns;
    double hang_limit_s;
    struct verdict verdict;
    FILE *found; /* the finding as it was printed: report line, replay line, events and stacks */
};

/* Makes the board, asks the runner what the subject is, and finds the scenarios that were asked
 * for. 0 or an exit code, with the reason on stderr. All exit codes are those of verdict.h. */
int supervise_open(struct run *run, const struct order *order);
/* Runs episodes until the budget is spent or something is found; reports on stdout. Returns the
 * exit code. */
int supervise_run(struct run *run);
void supervise_close(struct run *run);

uint64_t supervise_now_ns(void);

#endif
