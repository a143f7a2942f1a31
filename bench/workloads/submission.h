/*
 * The engine of throughput and contention: producers outside the pool hand over tasks as fast as
 * it takes them, and the clock runs from the first submit until the pool is quiet again.
 */
#ifndef WEIR_WORKLOADS_SUBMISSION_H
#define WEIR_WORKLOADS_SUBMISSION_H

#include "bench/workloads/workload.h"

struct submission {
    unsigned producers;
    uint64_t grain_ns;
    unsigned batch;      /* tasks a call; 1: submit */
    bool compare_shares; /* report fairness over producers */
};

/* Measures and fills in run->record. */
void submission_measure(struct cell_run *run, const struct submission *submission);

#endif
