/*
 * metg: minimum effective task granularity, the smallest task with which a pool still turns the
 * wanted share of its workers' time into work.
 *
 * Efficiency at grain g is n g / (workers * wall) for n tasks of calibrated work from one producer;
 * workers beyond the CPUs do not count. What is not work is an overhead o = g (1 - e) / e a task,
 * which changes slowly with g, while e itself rises steeply and then flattens. So the search
 * doubles g until the efficiency is reached, then measures around the crossing for the rest of the
 * time and takes the median overhead there: METG = o e / (1 - e). One number a process; its
 * interval comes from the rounds.
 */
#include "bench/workloads/workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

#define LEAST_GRAIN_NS 50.0
#define MOST_GRAIN_NS  5e6  /* beyond this no pool is at fault */
#define EPOCH_PART     16u  /* of the time to be measured: one epoch */
#define AROUND         1.25 /* measured at the crossing divided and multiplied by this */
#define POINTS_MAX     4096u

static struct search {
    struct cell_run *run;
    double servers;
    double wanted;
    uint64_t epoch_ns;
    uint64_t steps;
    double task_ns; /* wall time a task of the last epoch */
    struct epoch total;
    size_t n;
    double overhead_ns[POINTS_MAX];
} search;

static void run_task(void *arg) {
    if (!ledger_begin(&search.run->ledger, arg)) {
        return;
    }
    work_do(search.steps);
    ledger_end(arg);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One epoch of tasks of that grain: its efficiency, or a negative number when it failed. */
static double efficiency_at(double grain_ns) {
    struct cell_run *run = search.run;
    double each_ns = fmax(search.task_ns, grain_ns / search.servers);
    double n = fmax((double)search.epoch_ns / each_ns, 2.0 * search.servers);
    size_t tasks = (size_t)fmin(n, (double)run->ledger.capacity);
    ledger_reset(&run->ledger, tasks);
    search.steps = work_steps(&run->work, (uint64_t)grain_ns);
    cell_run_phase(run, "submit");
    struct usage before = usage_now();
    uint64_t begun_ns = clock_now_ns();
    for (size_t i = 0; i < tasks; i++) {
        if (!cell_run_hand_over(run, run_task, ledger_argument(&run->ledger, i))) {
            return -1.0;
        }
    }
    if (!cell_run_quiesce(run)) {
        return -1.0;
    }
    double wall_ns = (double)(clock_now_ns() - begun_ns);
    struct usage used = usage_since(before);
    search.task_ns = wall_ns / (double)tasks;
    search.total.n += tasks;
    search.total.wall_ns += (uint64_t)wall_ns;
    search.total.cpu_ns += used.cpu_ns;
    search.total.csw += used.csw;
    return cell_run_check(run) ? grain_ns * (double)tasks / (search.servers * wall_ns) : -1.0;
}

static void keep_point(double grain_ns, double efficiency) {
    char name[64];
    snprintf(name, sizeof(name), "efficiency_at_%.0f_ns", grain_ns);
    cell_record_value(search.run->record, name, efficiency);
}

/* Doubles the grain until the efficiency is reached: the grain, or 0 when it never is. */
static double bracket(void) {
    double best = 0.0;
    for (double grain_ns = LEAST_GRAIN_NS; grain_ns <= MOST_GRAIN_NS; grain_ns *= 2.0) {
        double efficiency = efficiency_at(grain_ns);
        if (efficiency < 0.0) {
            return 0.0;
        }
        keep_point(grain_ns, efficiency);
        best = fmax(best, efficiency);
        if (efficiency >= search.wanted) {
            return grain_ns;
        }
    }
    cell_record_end(search.run->record, CELL_INVALID,
                    "efficiency never reached %.0f %%; the best was %.1f %%", search.wanted * 100.0,
                    best * 100.0);
    return 0.0;
}

static double metg_of(double overhead_ns) {
    return overhead_ns * search.wanted / (1.0 - search.wanted);
}

static double median_overhead(void) {
    double sorted[POINTS_MAX];
    for (size_t i = 0; i < search.n; i++) {
        sorted[i] = search.overhead_ns[i];
    }
    qsort(sorted, search.n, sizeof(sorted[0]), ascending);
    return sorted[search.n / 2];
}

/* Measures at, below and above where the crossing seems to be, until the time is up. */
static double refine(double grain_ns, uint64_t end_ns) {
    static const double around[] = {1.0, 1.0 / AROUND, AROUND};
    double crossing_ns = grain_ns / sqrt(2.0);
    while (search.n < POINTS_MAX && (search.n < 6 || clock_now_ns() < end_ns)) {
        double at_ns = crossing_ns * around[search.n % 3];
        at_ns = fmin(fmax(at_ns, LEAST_GRAIN_NS), 2.0 * MOST_GRAIN_NS);
        double efficiency = efficiency_at(at_ns);
        if (efficiency <= 0.0) {
            return 0.0;
        }
        search.overhead_ns[search.n++] = at_ns * (1.0 - efficiency) / efficiency;
        double next_ns = metg_of(median_overhead());
        /* A disturbed epoch must not throw the search off. */
        crossing_ns = fmin(fmax(next_ns, crossing_ns / 2.0), crossing_ns * 2.0);
        crossing_ns = fmax(crossing_ns, LEAST_GRAIN_NS);
    }
    return crossing_ns;
}

static void report(double metg_ns) {
    struct cell_record *record = search.run->record;
    record->wall_ns = search.total.wall_ns;
    record->tasks = search.total.n;
    record->cpu_ns = search.total.cpu_ns;
    record->csw = search.total.csw;
    cell_record_value(record, "metg_ns", metg_ns);
    cell_record_value(record, "overhead_ns", median_overhead());
    cell_record_value(record, "epochs", (double)search.n);
    if (metg_ns <= LEAST_GRAIN_NS * 1.01) {
        cell_record_doubt(record, "METG is at or below the smallest grain, %.0f ns",
                          LEAST_GRAIN_NS);
    }
}

static void find(void *arg) {
    struct cell_run *run = arg;
    uint64_t end_ns = clock_now_ns() + run->description->warmup_ns + run->description->measure_ns;
    double reached_ns = efficiency_at(LEAST_GRAIN_NS) < 0.0 ? 0.0 : bracket();
    search.total = (struct epoch){0};
    double metg_ns = reached_ns > 0.0 ? refine(reached_ns, end_ns) : 0.0;
    if (metg_ns > 0.0) {
        report(metg_ns);
    }
}

static void measure(struct cell_run *run) {
    uint64_t workers = cell_axis_number(run, "workers");
    unsigned cpus = machine_cpus();
    search = (struct search){.run = run,
                             .servers = (double)(workers < cpus ? workers : cpus),
                             .wanted = (double)cell_axis_number(run, "efficiency") / 100.0,
                             .epoch_ns = run->description->measure_ns / EPOCH_PART + 1};
    ledger_thread_submits();
    cell_run_calibrate(run, 10000);
    if (!cell_run_ledger(run, epochs_capacity(run, 1)) || !cell_run_open(run)) {
        return;
    }
    cell_run_inside(run, find, run);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "efficiency", .least = 5, .most = 99, .standard = 50},
    {.name = NULL},
};

const struct cell_workload cell_metg = {.name = "metg", .axes = axes, .run = measure};
