/*
 * A run read back: its samples, grouped by cell and by subject.
 */
#ifndef WEIR_ANALYSE_SAMPLES_H
#define WEIR_ANALYSE_SAMPLES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "bench/analyse/sign.h"
#include "bench/campaign/axes.h"
#include "bench/measure/histogram.h"

struct sample {
    json_t *json; /* the whole line; the texts below live in it */
    const char *id;
    const char *campaign;
    const char *status;
    const char *reason;
    const json_t *cell;
    char *key;   /* of the cell */
    char *label; /* subject[:variant] */
    long long shard;
    long long round;
    bool aa;
};

/* The samples of one subject in one cell, in the order of their rounds; A/A copies apart. */
struct series {
    const char *label;
    size_t n;
    const struct sample **samples; /* every status */
    size_t aa_n;
    const struct sample **aa;
};

struct cell_group {
    const json_t *cell;
    const char *key;
    const struct workload *workload; /* NULL: a workload of a later version */
    size_t n;
    struct series *series;
};

struct run {
    char *path;
    json_t *meta; /* run.json; NULL when absent or unreadable */
    size_t n;
    struct sample *samples;
    size_t groups_n;
    struct cell_group *groups; /* in the order of tables */
    char *warning;             /* one line, or NULL */
};

/*
 * Reads a run directory. A torn last line is left out with a warning; any other bad line is an
 * error. Returns 0 or a negative errno with *error set to one line. run_free is due after 0.
 */
int run_load(struct run *run, const char *path, char **error);
void run_free(struct run *run);
/* A run of sample lines that are in memory; those that are none are left out. */
void run_from_lines(struct run *run, const char *path, json_t *lines);

struct series *group_find(const struct cell_group *group, const char *label);
struct cell_group *run_find(const struct run *run, const char *key);

/* What a comparison compares in this group: a value or, for histograms, the highest of p99, p90
 * and p50 that every sample resolves. */
struct metric {
    const char *name;
    const char *unit;
    bool higher_is_better;
    double quantile; /* of the histogram `name`; 0: a value */
    double floor;    /* less is compared as this, so that nothing at all has a ratio too */
};
struct metric metric_of(const struct cell_group *group);
/* NaN when the sample has no such figure, or may not be used: status is not "ok". */
double sample_figure(const struct sample *sample, const struct metric *metric);

/*
 * Paired log ratios of a to b, better above 0, over the rounds that both have measured.
 * The caller frees *out. Samples pair by campaign and round; pair_runs pairs by round alone.
 */
size_t series_pairs(const struct series *a, const struct series *b, const struct metric *metric,
                    bool pair_runs, double **out);
/* Figures of one series, and the estimate of their median. */
struct estimate series_estimate(const struct series *series, const struct metric *metric);

/* Merged histogram over the usable samples of a series, or NULL. The caller frees it. */
struct histogram *series_histogram(const struct series *series, const char *name);
/* Median over the usable samples of a flat value; NaN when none has it. */
double series_value(const struct series *series, const char *name);

/* The A/A floor measured in this run, as a log ratio; *pairs tells from how many. */
double run_aa_floor(const struct run *run, size_t *pairs);

#endif
