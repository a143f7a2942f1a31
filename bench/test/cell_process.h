/* For tests: whole cells, each in a process of its own, and what they printed. */
#ifndef WEIR_BENCH_TEST_CELL_PROCESS_H
#define WEIR_BENCH_TEST_CELL_PROCESS_H

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/measure/histogram.h"

#define BROKEN "build/debug/subjects/broken/"

/* Of the last cell. */
extern int cell_exit_status;
extern char cell_complaint[1024];

/* Runs the command with text on its stdin; what it printed, NULL when that is no JSON. */
json_t *run_cell_text(const char *text);
json_t *run_cell(const char *plugin, const char *cell, unsigned measure_ms, unsigned deadline_ms);

/* The cell ended well, with that status and a reason that begins so. */
void assert_status(const json_t *record, const char *status, const char *reason);
double value_of(const json_t *record, const char *name);
struct histogram *histogram_of(const json_t *record, const char *name);

#endif
