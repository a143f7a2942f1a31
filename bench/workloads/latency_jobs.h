/*
 * What the moments of an open loop's jobs tell: latency, its parts, and whether the figures may be
 * believed. Nothing here measures: the same code judges a simulated server, whose truth is known.
 *
 * A job's time from its intended start until somebody is told falls into five parts, without gap
 * or overlap:
 *
 *   submit   intended start → submit has returned, or the job has started, whichever is first
 *   queue    waiting while every worker was at work
 *   wake     waiting while a worker was free: waking it, handing over
 *   service  start → end
 *   notify   end → somebody is told
 *
 * Queue and wake are told apart afterwards, from when the workers were at work on other jobs.
 */
#ifndef WEIR_WORKLOADS_LATENCY_JOBS_H
#define WEIR_WORKLOADS_LATENCY_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/measure/histogram.h"
#include "bench/measure/ledger.h"

/* A task's argument, in its slot of the ledger. */
struct latency_job {
    struct ledger_slot slot;
    uint64_t steps;
    uint64_t intended_ns;
    uint64_t submitted_ns; /* just before the call */
    uint64_t accepted_ns;  /* just after */
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t notified_ns;
};
_Static_assert(sizeof(struct latency_job) == LEDGER_STRIDE, "a job is its slot");

enum latency_part {
    LATENCY_TOTAL,
    LATENCY_SUBMIT,
    LATENCY_QUEUE,
    LATENCY_WAKE,
    LATENCY_SERVICE,
    LATENCY_NOTIFY,
    LATENCY_LAG,     /* intended start → submit is called */
    LATENCY_OWN_LAG, /* of it, what is not the submit before: the generator's own fault */
    LATENCY_PARTS,
};
extern const char *const latency_part_names[LATENCY_PARTS];

struct latency_jobs {
    struct latency_job *jobs;
    size_t n;
    size_t first;   /* job that counts */
    size_t stride;  /* each so many-th job is timed; 1: all */
    size_t workers; /* SIZE_MAX: one a task */
    double servers; /* workers that can run at one time */
    struct histogram *parts[LATENCY_PARTS];
    /* Filled in by latency_jobs_fill. */
    double busy_ns; /* of the jobs that count */
    double offered_per_s;
    double utilisation; /* of the servers, in percent */
    double wall_ns;     /* first intended start → last end */
};

bool latency_jobs_init(struct latency_jobs *jobs); /* histograms; false: no memory */
void latency_jobs_fini(struct latency_jobs *jobs);

/* Fills histograms and figures. False: no memory. With a stride, queue holds wake as well. */
bool latency_jobs_fill(struct latency_jobs *jobs);

/* Sum of the mean parts over the mean total; 1 but for the histograms' rounding. */
double latency_jobs_sum_of_parts(const struct latency_jobs *jobs);

/* Why the figures mean nothing, in *invalid, or a doubt about them, in *doubt; both of size bytes,
 * empty when there is none. */
void latency_jobs_judge(const struct latency_jobs *jobs, char *invalid, char *doubt, size_t size);

#endif
