/*
 * A campaign: rounds of cells of subjects, each measured in a fresh process, written line by line.
 */
#ifndef WEIR_CAMPAIGN_CAMPAIGN_H
#define WEIR_CAMPAIGN_CAMPAIGN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/campaign/plan.h"
#include "bench/campaign/progress.h"
#include "bench/campaign/store.h"
#include "bench/campaign/subjects.h"

struct campaign {
    struct subject_list subjects;
    struct plan plan;
    struct store store;
    struct progress progress;
    json_t *options; /* of --set: array of "key=value" */
    json_t *command; /* argv */
    uint64_t seed;
    uint64_t started_ns;
    uint64_t end_ns;   /* measuring ends; UINT64_MAX: when rounds are done */
    uint64_t budget_s; /* as asked for; 0: none */
    size_t rounds;     /* 0: until end_ns */
    size_t min_rounds;
    size_t complete_rounds;
    unsigned cpus;
    int cancel_fd; /* readable after SIGINT or SIGTERM */
    size_t sequence;
    bool interrupted;
    bool quiet;
    json_t *machine;
    json_t *machine_start;
    char *started; /* RFC 3339 */
};

/* Blocks SIGINT and SIGTERM and turns them into a readable descriptor. -1: cannot. */
int campaign_signals(void);

/* Measures what a process of each subject in the plan costs beyond its measurement. A subject that
 * breaks a promise already here is recorded and given up. 0, or a negative errno of the store,
 * whose message has been printed. */
int campaign_probe(struct campaign *campaign);

/* What has been measured already is not measured again: for --resume. */
struct run;
void campaign_skip_done(struct campaign *campaign, const struct run *done);

/* Runs to the end, the deadline or the interruption. 0, or a negative errno of the store, whose
 * message has been printed. */
int campaign_measure(struct campaign *campaign);

/* run.json; state is "running", "complete" or "interrupted". */
int campaign_write_meta(struct campaign *campaign, const char *state, const struct run *done);

/* "2026-11-23T034500Z-host" and the time as RFC 3339 has it. The caller frees them. */
char *campaign_default_name(void);
char *campaign_time(void);

void campaign_free(struct campaign *campaign);

#endif
