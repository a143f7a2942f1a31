/* Report: what weir-stress prints about a run. */
#ifndef STRESS_REPORT_H
#define STRESS_REPORT_H

#include <stdio.h>

#include "stress/supervise.h"

/* The finding in one line, and the one command that repeats it. */
void report_finding(FILE *out, const struct run *run);
/* Whether every scenario that applied came to what it attacks. */
bool report_is_conclusive(const struct run *run);
/* What was covered. */
void report_coverage(FILE *out, const struct run *run, double seconds);
/* The part of a child's log that a reader can use. */
void report_log(FILE *out, const char *log);
/* One line about the time left, on a terminal. */
void report_progress(const struct run *run);

#endif
