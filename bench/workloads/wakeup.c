/*
 * wakeup: how long a pool that has nothing to do takes to start the first task, by how long it has
 * had nothing to do. One task at a time: an idle gap, then submit, then wait for its signal on a
 * semaphore of the harness, the same for every pool.
 */
#include "bench/workloads/workload.h"

#include <semaphore.h>

#include "bench/measure/clock.h"
#include "bench/measure/histogram.h"
#include "bench/measure/machine.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

struct trip {
    struct ledger_slot slot;
    uint64_t started_ns;
    sem_t done;
};
_Static_assert(sizeof(struct trip) <= LEDGER_STRIDE, "a trip fits its slot");

/* Tasks get nothing but their argument, so this is the process's one. */
static struct waking {
    struct cell_run *run;
    uint64_t gap_ns;
    bool share_cpu;
    struct histogram *start;
    struct histogram *round_trip;
} waking;

static void run_trip(void *arg) {
    struct trip *trip = arg;
    if (!ledger_begin(&waking.run->ledger, arg)) {
        return;
    }
    trip->started_ns = clock_now_ns();
    ledger_end(&trip->slot);
    sem_post(&trip->done);
}

static bool make_trip(struct trip *trip, bool measured) {
    sem_init(&trip->done, 0, 0);
    clock_wait_until(clock_now_ns() + waking.gap_ns, waking.share_cpu);
    uint64_t begun_ns = clock_now_ns();
    if (!cell_run_hand_over(waking.run, run_trip, trip)) {
        return false;
    }
    while (sem_wait(&trip->done) != 0) {
        /* a signal came between */
    }
    uint64_t ended_ns = clock_now_ns();
    if (measured) {
        histogram_record(waking.start, trip->started_ns - begun_ns);
        histogram_record(waking.round_trip, ended_ns - begun_ns);
    }
    return true;
}

static bool run_epoch(void *state, struct epoch *epoch, bool measured) {
    struct cell_run *run = state;
    ledger_reset(&run->ledger, (size_t)epoch->n);
    cell_run_phase(run, "wakeup");
    struct usage before = usage_now();
    uint64_t begun_ns = clock_now_ns();
    for (size_t i = 0; i < epoch->n; i++) {
        if (!make_trip(ledger_argument(&run->ledger, i), measured)) {
            return false;
        }
    }
    epoch->wall_ns = clock_now_ns() - begun_ns;
    struct usage used = usage_since(before);
    epoch->cpu_ns = used.cpu_ns;
    epoch->csw = used.csw;
    return cell_run_quiesce(run) && cell_run_check(run);
}

static void report(struct cell_run *run, const struct epoch *total) {
    struct cell_record *record = run->record;
    cell_record_value(record, "start_p50_ns", (double)histogram_quantile(waking.start, 0.5));
    cell_record_value(record, "start_ns", histogram_mean(waking.start));
    cell_record_value(record, "round_trip_ns", histogram_mean(waking.round_trip));
    cell_record_value(record, "csw_per_wakeup", (double)total->csw / (double)total->n);
    cell_record_histogram(record, "start", waking.start);
    run->readings = 3.0;
    cell_record_histogram(record, "round_trip", waking.round_trip);
    if (total->n < 100) {
        cell_record_doubt(record, "few wake-ups: %llu in the time given",
                          (unsigned long long)total->n);
    }
}

static void measure_epochs(void *arg) {
    struct cell_run *run = arg;
    struct epochs epochs = {
        .least = 1, .capacity = run->ledger.capacity, .run = run_epoch, .state = run};
    struct epoch total;
    if (epochs_measure(run, &epochs, &total)) {
        report(run, &total);
    }
}

static void measure(struct cell_run *run) {
    waking = (struct waking){.run = run, .gap_ns = cell_axis_number(run, "gap_ns")};
    waking.share_cpu = cell_axis_number(run, "workers") >= machine_cpus();
    waking.start = histogram_new();
    waking.round_trip = histogram_new();
    size_t capacity = (size_t)(run->description->measure_ns / waking.gap_ns) + 64;
    capacity = capacity < EPOCH_MAX ? capacity : EPOCH_MAX;
    if (waking.start == NULL || waking.round_trip == NULL) {
        cell_record_end(run->record, CELL_INVALID, "no memory for histograms");
    } else if (cell_run_ledger(run, capacity) && cell_run_open(run)) {
        clock_sharp_timers();
        cell_run_inside(run, measure_epochs, run);
    }
    histogram_free(waking.start);
    histogram_free(waking.round_trip);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "gap_ns", .least = 1000, .most = 1000000000, .standard = 1000000},
    {.name = NULL},
};

const struct cell_workload cell_wakeup = {.name = "wakeup", .axes = axes, .run = measure};
