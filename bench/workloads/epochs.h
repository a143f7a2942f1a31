/*
 * Epochs: a number of tasks or round trips with a beginning and an end. A run is a discarded part
 * that finds out how fast the pool is and warms it up, then as many epochs as fill the time to be
 * measured, in the same pool.
 */
#ifndef WEIR_WORKLOADS_EPOCHS_H
#define WEIR_WORKLOADS_EPOCHS_H

#include "bench/workloads/workload.h"

#define EPOCH_MAX ((size_t)1 << 20) /* 64 MiB of arguments */

struct epoch {
    uint64_t n;       /* what to do */
    uint64_t wall_ns; /* what it took */
    uint64_t cpu_ns;
    uint64_t csw;
};

/* Does one epoch. False: the record says what went wrong. Figures gathered beyond *epoch are for
 * the measured epochs alone. */
typedef bool (*epoch_run)(void *state, struct epoch *epoch, bool measured);

struct epochs {
    uint64_t least;    /* smallest sensible n; every n is a multiple of it */
    uint64_t capacity; /* largest n */
    epoch_run run;
    void *state;
};

/* Warms up and measures; sums of the measured epochs in *total. False: the record says why. */
bool epochs_measure(struct cell_run *run, const struct epochs *epochs, struct epoch *total);

/* How many slots the ledger needs: EPOCH_MAX or fewer when so many cannot be used in the time. */
size_t epochs_capacity(const struct cell_run *run, uint64_t least);

#endif
