/* The description of a cell, as it comes in on stdin. */
#ifndef WEIR_BENCH_CELL_DESCRIPTION_H
#define WEIR_BENCH_CELL_DESCRIPTION_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#define CELL_ERROR_SIZE 512

struct cell_description {
    json_t *root; /* owns every text below */
    const char *subject;
    const char *variant;
    const char *plugin;
    const char *workload;
    json_t *axes;         /* cell{}, the workload's name included */
    const char **options; /* ended by NULL */
    uint64_t seed;
    uint64_t warmup_ns;
    uint64_t measure_ns;
    uint64_t deadline_ns; /* from the start of the process */
};

/* 0, or -EINVAL with one line in error (CELL_ERROR_SIZE bytes). */
int cell_description_read(struct cell_description *description, FILE *in, char *error);
void cell_description_fini(struct cell_description *description);

#endif
