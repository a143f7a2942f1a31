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
};

/* Exit codes of weir-stress. */
enum {
    EXIT_NOTHING = 0,
    EXIT_FOUND = 1,
    EXIT_USAGE = 2,
    EXIT_NO_SANITIZER = 3,
    EXIT_INTERRUPTED = 130,
};

struct run {
    const struct order *order;
    struct board *board;
    int board_fd, log_fd;
    bool fixed_addresses; /* children run without address randomisation */
    uint64_t start_ns, end_ns;
    double hang_limit_s;
    struct verdict verdict;
};

/* Makes the board and asks the runner what the subject is. 0 or an exit code, with the reason on
 * stderr. */
int supervise_open(struct run *run, const struct order *order);
/* Runs episodes until the budget is spent or something is found; reports on stdout. Returns the
 * exit code. */
int supervise_run(struct run *run);
void supervise_close(struct run *run);

uint64_t supervise_now_ns(void);

#endif
