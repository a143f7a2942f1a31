/*
 * Results of other tools as runs that can be compared: Google Benchmark's JSON, JMH's JSON and
 * hyperfine's. Each benchmark is a cell of the workload "imported"; each repetition is a sample,
 * numbered from 0, whose figure is its time.
 */
#ifndef WEIR_ANALYSE_IMPORT_H
#define WEIR_ANALYSE_IMPORT_H

#include <stdbool.h>

#include "bench/analyse/samples.h"

/* True for a regular file that is named like JSON, whatever is in it. */
bool import_is_foreign(const char *path);

/* Reads it: 0, or a negative errno with *error set to one line. run_free is due after 0. */
int import_load(struct run *run, const char *path, char **error);

#endif
