/*
 * What the user asked for: the options that `run` and `compare` share, checked, and the plan that
 * follows from them.
 */
#ifndef WEIR_CAMPAIGN_REQUEST_H
#define WEIR_CAMPAIGN_REQUEST_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/campaign/campaign.h"
#include "bench/campaign/story.h"

struct request {
    json_t *workloads; /* names given; empty: all */
    json_t *axes;      /* axis: [values], as given */
    json_t *subjects;  /* as given: "name", "name:variant", "./my.so" */
    json_t *options;   /* of --set */
    uint64_t budget_s;
    uint64_t reserve_s;
    size_t rounds;
    uint64_t measure_ms; /* 0: not given */
    uint64_t warmup_ms;  /* UINT64_MAX: not given */
    uint64_t seed;
    const char *out;
    const char *name;
    bool whole_field; /* of the subjects, where none is named */
    bool json;
    bool quiet;
};

void request_init(struct request *request);
void request_free(struct request *request);

/* The options as an argp child; its input is a struct request. */
extern const struct argp request_argp;

/* One line for an option that is none, with the nearest; ends the program with BENCH_USAGE. */
void request_check_options(char **argv, const struct argp_option *const *tables);

/* Opens the subjects that were asked for (or all): NULL or one line, which the caller frees. */
char *request_choices(const struct request *request, struct campaign *campaign,
                      struct choices *choices);

/* Adds the cells: the story's, or the product of the axes that were given. */
char *request_plan(const struct request *request, struct campaign *campaign,
                   const struct choices *choices);

/* Takes workload and axes from the name of a cell, as cell_name writes it. NULL, or one line. */
char *request_shard(struct request *request, const char *shard);

/* A whole number from least to most; otherwise one line and BENCH_USAGE. */
uint64_t request_number(const char *option, const char *word, uint64_t least, uint64_t most);

/* Sets up what run and compare do alike: signals, machine, seed, start of the clock. */
void request_begin(const struct request *request, struct campaign *campaign, int argc, char **argv);
/* Limits of the plan after probing, and the end of the measuring. */
void request_fit(const struct request *request, struct campaign *campaign);
/* Creates the run directory. 0 or a negative errno; the message has been printed. */
int request_store(const struct request *request, struct campaign *campaign);

#endif
