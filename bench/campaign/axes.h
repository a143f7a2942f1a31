/*
 * The workloads and their axes: names, units, defaults, valid values, and how a cell is said in
 * words. A cell is a JSON object {"workload":…, axis: value, …}; two cells are the same when
 * their keys are.
 */
#ifndef WEIR_CAMPAIGN_AXES_H
#define WEIR_CAMPAIGN_AXES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AXIS_CHOICES_MAX 8

struct axis {
    const char *name;
    const char *option; /* of the command line; NULL: the name with dashes */
    const char *unit;   /* "" when a count */
    const char *help;
    /* A number: least, most and default; default -1: the CPUs of the machine; least > default
     * never. Or, when choices[0] is set, a word: the first choice is the default. */
    int64_t least;
    int64_t most;
    int64_t standard;
    const char *choices[AXIS_CHOICES_MAX + 1];
    bool optional; /* absent from the cell unless given */
};

#define WORKLOAD_AXES_MAX    9
#define WORKLOAD_FIGURES_MAX 7

/* How a figure is written. */
enum shape {
    SHAPE_COUNT,    /* 1.23 M */
    SHAPE_DURATION, /* 12.3 µs, from nanoseconds */
    SHAPE_PERCENT,  /* 12.3 %, from percent */
    SHAPE_SHARE,    /* 12.3 %, from a share of 1 */
    SHAPE_RATIO,    /* 1.23× */
    SHAPE_BYTES,    /* 1.23 MiB */
};

/* A column of a workload's table: a flat value, or a quantile of a histogram. */
struct figure {
    const char *head;
    const char *name;
    double quantile; /* 0: a value */
    enum shape shape;
};

struct workload {
    const char *name;
    const char *help;
    const char *metric;      /* what a comparison compares: a value, or a histogram */
    double quantiles[3];     /* of that histogram: the highest that resolves; 0: a value */
    const char *unit;        /* of the metric */
    enum shape shape;        /* of the metric */
    bool higher_is_better;   /* else lower is */
    double floor;            /* the least that is told from nothing: less counts as this */
    bool only_quantiles;     /* the table does without the metric's own column */
    unsigned measure_factor; /* a measurement is so many times longer than others; 0: 1 */
    unsigned patience;       /* the same where no budget is given; 0: measure_factor */
    const char *column;      /* the axis that runs across a table; NULL: none */
    const char *axes[WORKLOAD_AXES_MAX + 1];         /* in the order of tables */
    struct figure figures[WORKLOAD_FIGURES_MAX + 1]; /* beside the metric, ended by a NULL head */
};

extern const struct axis axes[];
extern const size_t axes_n;
extern const struct workload workloads[];
extern const size_t workloads_n;

const struct axis *axis_find(const char *name); /* NULL: no such axis */
/* NULL: no such workload. Also finds "imported", which is not among the first workloads_n. */
const struct workload *workload_find(const char *name);
bool workload_has(const struct workload *workload, const char *axis);

/*
 * Parses a list such as "1,2,4" or "block,any" into a JSON array of the axis' values. NULL with
 * *error set to one line (the caller frees it) for anything that is not valid.
 */
json_t *axis_parse(const struct axis *axis, const char *list, char **error);

/* The axis' default on a machine of so many CPUs. */
json_t *axis_default(const struct axis *axis, unsigned cpus);

/* Canonical text of a cell; the caller frees it. */
char *cell_key(const json_t *cell);
/* Order of tables: workload, then axis by axis. */
int cell_order(const json_t *a, const json_t *b);
/* A value of an axis for people: "2", "20 µs", "unbounded", "80 %". The caller frees it. */
char *axis_value_text(const struct axis *axis, const json_t *value);
/* "2 workers", "signal", "service 20 µs". The caller frees it. */
char *axis_phrase(const char *axis, const json_t *cell);
/* "throughput/grain_ns:1000/workers:2": the same on every machine. The caller frees it. */
char *cell_name(const json_t *cell);
/* "throughput: 2 workers, 1 producer, …". The caller frees it. */
char *cell_phrase(const json_t *cell);

#endif
