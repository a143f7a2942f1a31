/*
 * lifecycle: what it costs to have a pool at all: open, a number of empty tasks, quiet, close,
 * again and again. With no task it is the creation alone; with a few it tells from how many on a
 * pool beats a thread for each task (the subject "thread").
 */
#include "bench/workloads/workload.h"

#include "bench/measure/clock.h"
#include "bench/measure/histogram.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

static struct living {
    struct cell_run *run;
    size_t tasks;
    bool measured;
    bool well;
    struct histogram *create;
    struct histogram *destroy;
    struct histogram *life;
} living;

static void run_task(void *arg) {
    if (ledger_begin(&living.run->ledger, arg)) {
        ledger_end(arg);
    }
}

static void do_tasks(void *arg) {
    struct cell_run *run = arg;
    for (size_t i = 0; living.well && i < living.tasks; i++) {
        living.well = cell_run_hand_over(run, run_task, ledger_argument(&run->ledger, i));
    }
    living.well = living.well && cell_run_quiesce(run);
}

static bool live_once(void) {
    struct cell_run *run = living.run;
    ledger_reset(&run->ledger, living.tasks);
    uint64_t begun_ns = clock_now_ns();
    if (!cell_run_open(run)) {
        return false;
    }
    uint64_t open_ns = clock_now_ns();
    living.well = true;
    if (living.tasks > 0) {
        cell_run_inside(run, do_tasks, run);
    }
    if (!living.well) {
        return false;
    }
    uint64_t closing_ns = clock_now_ns();
    if (!cell_run_close(run)) {
        return false;
    }
    uint64_t closed_ns = clock_now_ns();
    if (living.measured) {
        histogram_record(living.create, open_ns - begun_ns);
        histogram_record(living.destroy, closed_ns - closing_ns);
        histogram_record(living.life, closed_ns - begun_ns);
    }
    return living.tasks == 0 || cell_run_check(run);
}

static bool run_epoch(void *state, struct epoch *epoch, bool measured) {
    (void)state;
    living.measured = measured;
    struct usage before = usage_now();
    uint64_t begun_ns = clock_now_ns();
    for (uint64_t i = 0; i < epoch->n; i++) {
        if (!live_once()) {
            return false;
        }
    }
    epoch->wall_ns = clock_now_ns() - begun_ns;
    struct usage used = usage_since(before);
    epoch->cpu_ns = used.cpu_ns;
    epoch->csw = used.csw;
    return true;
}

static void report(struct cell_run *run, const struct epoch *total) {
    struct cell_record *record = run->record;
    cell_record_value(record, "create_ns", histogram_mean(living.create));
    cell_record_value(record, "destroy_ns", histogram_mean(living.destroy));
    cell_record_value(record, "life_ns", (double)total->wall_ns / (double)total->n);
    cell_record_value(record, "lives_per_s", (double)total->n * 1e9 / (double)total->wall_ns);
    cell_record_histogram(record, "create", living.create);
    cell_record_histogram(record, "destroy", living.destroy);
    cell_record_histogram(record, "life", living.life);
}

static void measure(struct cell_run *run) {
    living = (struct living){.run = run, .tasks = (size_t)cell_axis_number(run, "tasks")};
    living.create = histogram_new();
    living.destroy = histogram_new();
    living.life = histogram_new();
    ledger_thread_submits();
    if (living.create == NULL || living.destroy == NULL || living.life == NULL) {
        cell_record_end(run->record, CELL_INVALID, "no memory for histograms");
    } else if (cell_run_ledger(run, living.tasks + 1)) {
        struct epochs epochs = {.least = 1, .capacity = EPOCH_MAX, .run = run_epoch};
        struct epoch total;
        if (epochs_measure(run, &epochs, &total)) {
            report(run, &total);
        }
    }
    histogram_free(living.create);
    histogram_free(living.destroy);
    histogram_free(living.life);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "tasks", .least = 0, .most = 100000, .standard = 0},
    {.name = NULL},
};

const struct cell_workload cell_lifecycle = {.name = "lifecycle", .axes = axes, .run = measure};
