/*
 * The tables and verdicts of a run, for people.
 */
#ifndef WEIR_CAMPAIGN_TABLE_H
#define WEIR_CAMPAIGN_TABLE_H

#include <stdio.h>

#include "bench/analyse/samples.h"

/* A table of texts; columns align by what they show, not by bytes. */
struct grid {
    size_t columns;
    size_t rows;
    char **cells; /* rows × columns; owned */
};
void grid_init(struct grid *grid, size_t columns);
void grid_add(struct grid *grid, char *cell); /* takes the text over; rows fill from the left */
void grid_print(const struct grid *grid, FILE *out);
void grid_free(struct grid *grid);

/* "1.23 M", "456 k"; "12.3 µs"; either, or another shape. The caller frees them. */
char *count_text(double value);
char *duration_text(double ns);
char *figure_text(double value, enum shape shape);

/* One table a workload, then the verdicts of the first subject against each other one. */
void table_print(const struct run *run, unsigned cpus, FILE *out);
/* Failures, unsupported cells and marked samples, one line each. Returns how many subjects broke
 * a promise. */
size_t table_footnotes(const struct run *run, FILE *out);

#endif
