/*
 * blocking: a bag of tasks of which a share sleeps, as tasks that wait for a disk or a peer do, and
 * the rest computes. Two ideals: a pool that always keeps its CPUs busy would need the computing
 * time alone, or one sleep if that is longer; a pool of fixed size needs all times over its
 * workers.
 */
#include "bench/workloads/workload.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/rng.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

/* Work of the computing tasks. */
#define GRAIN_NS 20000u

struct errand {
    struct ledger_slot slot;
    bool sleeps;
};

static struct bag {
    struct cell_run *run;
    uint64_t workers;
    uint64_t share;
    uint64_t sleep_ns;
    uint64_t steps;
    struct rng rng;
    double slept; /* tasks of measured epochs */
    double ideal_ns;
    double fixed_ns;
} bag;

static void run_errand(void *arg) {
    struct errand *errand = arg;
    if (!ledger_begin(&bag.run->ledger, arg)) {
        return;
    }
    if (errand->sleeps) {
        struct timespec left = {.tv_sec = (time_t)(bag.sleep_ns / 1000000000u),
                                .tv_nsec = (long)(bag.sleep_ns % 1000000000u)};
        while (nanosleep(&left, &left) != 0) {
            /* a signal came between */
        }
    } else {
        work_do(bag.steps);
    }
    ledger_end(&errand->slot);
}

/* Exactly the share, in random places. */
static size_t choose_sleepers(size_t n) {
    size_t left = (size_t)round((double)n * (double)bag.share / 100.0);
    size_t sleepers = left;
    for (size_t i = 0; i < n; i++) {
        struct errand *errand = ledger_argument(&bag.run->ledger, i);
        errand->sleeps = rng_below(&bag.rng, n - i) < left;
        left -= errand->sleeps;
    }
    return sleepers;
}

static bool submit(struct errand *errand) {
    const struct weir_subject *subject = bag.run->subject;
    if (!errand->sleeps || subject->submit_blocking == NULL) {
        return cell_run_hand_over(bag.run, run_errand, errand);
    }
    int error = subject->submit_blocking(bag.run->pool, run_errand, errand);
    if (error != 0) {
        cell_record_end(bag.run->record, CELL_INVALID, "submit_blocking: %s", strerror(-error));
    }
    return error == 0;
}

static void add_ideals(size_t n, size_t sleepers) {
    double work_ns = (double)(n - sleepers) * GRAIN_NS;
    double sleep_ns = (double)sleepers * (double)bag.sleep_ns;
    double cpus = fmin((double)machine_cpus(), (double)bag.workers);
    bag.slept += (double)sleepers;
    bag.ideal_ns += fmax(work_ns / cpus, sleepers > 0 ? (double)bag.sleep_ns : 0.0);
    bag.fixed_ns += fmax((work_ns + sleep_ns) / (double)bag.workers, work_ns / cpus);
}

static bool run_epoch(void *state, struct epoch *epoch, bool measured) {
    struct cell_run *run = state;
    ledger_reset(&run->ledger, (size_t)epoch->n);
    size_t sleepers = choose_sleepers((size_t)epoch->n);
    cell_run_phase(run, "submit");
    struct usage before = usage_now();
    uint64_t begun_ns = clock_now_ns();
    for (size_t i = 0; i < epoch->n; i++) {
        if (!submit(ledger_argument(&run->ledger, i))) {
            return false;
        }
    }
    if (!cell_run_quiesce(run)) {
        return false;
    }
    epoch->wall_ns = clock_now_ns() - begun_ns;
    struct usage used = usage_since(before);
    epoch->cpu_ns = used.cpu_ns;
    epoch->csw = used.csw;
    if (measured) {
        add_ideals((size_t)epoch->n, sleepers);
    }
    return cell_run_check(run);
}

static void measure_epochs(void *arg) {
    struct cell_run *run = arg;
    struct epochs epochs = {
        .least = 100, .capacity = run->ledger.capacity, .run = run_epoch, .state = run};
    struct epoch total;
    if (!epochs_measure(run, &epochs, &total)) {
        return;
    }
    struct cell_record *record = run->record;
    cell_record_value(record, "completion_ns", (double)total.wall_ns / (double)total.n * 100.0);
    cell_record_value(record, "over_ideal", (double)total.wall_ns / bag.ideal_ns);
    cell_record_value(record, "over_fixed", (double)total.wall_ns / bag.fixed_ns);
    cell_record_value(record, "slept_share", bag.slept / (double)total.n);
    cell_record_value(record, "cpu_ns_per_task", (double)total.cpu_ns / (double)total.n);
}

static void measure(struct cell_run *run) {
    bag = (struct bag){.run = run,
                       .workers = cell_axis_number(run, "workers"),
                       .share = cell_axis_number(run, "share"),
                       .sleep_ns = cell_axis_number(run, "sleep_ns")};
    rng_seed(&bag.rng, run->description->seed);
    ledger_thread_submits();
    cell_run_calibrate(run, GRAIN_NS);
    bag.steps = work_steps(&run->work, GRAIN_NS);
    if (!cell_run_ledger(run, epochs_capacity(run, 100)) || !cell_run_open(run)) {
        return;
    }
    cell_run_inside(run, measure_epochs, run);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "share", .least = 0, .most = 100, .standard = 10},
    {.name = "sleep_ns", .least = 1000, .most = 1000000000, .standard = 1000000},
    {.name = NULL},
};

const struct cell_workload cell_blocking = {.name = "blocking", .axes = axes, .run = measure};
