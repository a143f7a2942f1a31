/*
 * A workload: what it asks of a pool, and which axes it varies. To add one, write its file and
 * put its table into workload.c.
 */
#ifndef WEIR_WORKLOADS_WORKLOAD_H
#define WEIR_WORKLOADS_WORKLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/cell_description.h"
#include "bench/cell_record.h"
#include "bench/measure/ledger.h"
#include "bench/measure/work.h"
#include "bench/subject.h"

/* An axis: a whole number from least to most, or one of the words in choices (ended by NULL). */
struct cell_axis {
    const char *name;
    int64_t least;
    int64_t most;
    int64_t standard;           /* when the cell does not say; for words the first choice is */
    const char *const *choices; /* NULL: a number */
};

struct cell_run;

struct cell_workload {
    const char *name;
    const struct cell_axis *axes; /* ended by a NULL name */
    /* Measures and fills in run->record, whatever happens. Opens the pool by cell_run_open;
     * the caller closes it. */
    void (*run)(struct cell_run *run);
};

/* What a run works with. */
struct cell_run {
    const struct cell_description *description;
    const struct cell_workload *workload;
    const struct weir_subject *subject;
    uint32_t capabilities; /* of the subject's variant */
    struct cell_record *record;
    void *pool;           /* NULL until cell_run_open */
    struct ledger ledger; /* of the epoch in progress */
    struct work work;     /* calibrated when the workload asked for it */
    uint64_t retries;     /* of cell_run_submit */
    double readings;      /* of the clock, for each task: part of the probe's cost */
    uint64_t work_ns;     /* the mean length asked for; 0: no calibrated work */
    /* For the words of a hang: read by the watchdog's thread. */
    _Atomic(const char *) phase;
    atomic_bool ledger_in_use;
};

const struct cell_workload *cell_workload_find(const char *name);
extern const struct cell_workload *const cell_workloads[]; /* ended by NULL */

extern const struct cell_workload cell_throughput;
extern const struct cell_workload cell_contention;
extern const struct cell_workload cell_wait;
extern const struct cell_workload cell_latency;
extern const struct cell_workload cell_wakeup;
extern const struct cell_workload cell_forkjoin;
extern const struct cell_workload cell_metg;
extern const struct cell_workload cell_sparse;
extern const struct cell_workload cell_memory;
extern const struct cell_workload cell_lifecycle;
extern const struct cell_workload cell_oversubscribe;
extern const struct cell_workload cell_blocking;

/* 0, or -EINVAL with one line in error (CELL_ERROR_SIZE bytes): an axis that the workload does
 * not have, or a value out of range. */
int cell_axes_check(const struct cell_workload *workload, const json_t *cell, char *error);

/* Values of a checked cell. */
uint64_t cell_axis_number(const struct cell_run *run, const char *name);
const char *cell_axis_word(const struct cell_run *run, const char *name);
bool cell_axis_given(const struct cell_run *run, const char *name);

/* Opens the pool with the cell's workers and capacity. False: the record says why not. */
bool cell_run_open(struct cell_run *run);
/* The same with another number of workers; and closes it again before the cell is over. */
bool cell_run_open_workers(struct cell_run *run, uint64_t workers);
bool cell_run_close(struct cell_run *run);

/* Runs body(arg) on the calling thread, as one of the pool's own where the pool takes tasks from no
 * others. Between open and close. */
void cell_run_inside(struct cell_run *run, void (*body)(void *arg), void *arg);

/* Submits from a thread that measures. A pool with a bound of its own is asked again until it takes
 * the task; each time counts in run->retries. */
int cell_run_submit(struct cell_run *run, weir_subject_fn fn, void *arg);

/* The same, or waits for quiet; false: the record says what went wrong. */
bool cell_run_hand_over(struct cell_run *run, weir_subject_fn fn, void *arg);
bool cell_run_quiesce(struct cell_run *run);

/* Makes room for tasks in the ledger. False: the record says why not. */
bool cell_run_ledger(struct cell_run *run, size_t capacity);

/* Says what the measuring thread is about to do, for the words of a hang. */
static inline void cell_run_phase(struct cell_run *run, const char *phase) {
    atomic_store_explicit(&run->phase, phase, memory_order_relaxed);
}

/* Calibrates run->work for tasks of about ns. */
void cell_run_calibrate(struct cell_run *run, uint64_t ns);

/* Judges the epoch that has ended; false: the record is FAILED. */
bool cell_run_check(struct cell_run *run);

#endif
