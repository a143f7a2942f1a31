/*
 * A against B, cell by cell: two subjects of one run, or what two runs both hold.
 */
#ifndef WEIR_ANALYSE_COMPARE_H
#define WEIR_ANALYSE_COMPARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "bench/analyse/samples.h"
#include "bench/analyse/verdict.h"

struct compared {
    const json_t *cell;
    char *a;
    char *b;
    struct metric metric;
    struct estimate log_ratio;            /* better above 0 */
    double bootstrap_low, bootstrap_high; /* of the median log ratio, beside the exact interval */
    enum verdict verdict;
    double holm; /* p of the sign test, corrected for the family */
};

struct comparison {
    size_t n;
    struct compared *cells;
    double margin; /* as a log ratio */
    double aa_floor;
    size_t aa_pairs;
    bool across_runs;
};

/* Every cell in which the run holds both. */
void compare_subjects(struct comparison *out, const struct run *run, const char *a, const char *b);
/* Every subject in every cell that both runs hold, paired by the number of the round. */
void compare_runs(struct comparison *out, const struct run *a, const struct run *b);
void comparison_free(struct comparison *comparison);

/* SLOWER before UNRESOLVED before SAME and FASTER; UNRESOLVED when nothing was compared. */
enum verdict comparison_worst(const struct comparison *comparison);
void comparison_print(const struct comparison *comparison, FILE *out);
json_t *comparison_to_json(const struct comparison *comparison);

#endif
