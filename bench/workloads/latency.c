/*
 * latency: open-loop load. Tasks arrive at moments fixed beforehand, whatever the pool does, and
 * each latency runs from the intended moment, so that a stall is paid for by every task that was
 * meant to arrive during it.
 *
 * The first arrivals, for the time of the warm-up, are not counted.
 *
 * When the figures are refused. The generator must not be what is measured: its own lag is how late
 * it submits, not counting the time that the submit before took, for that is the pool's. If at the
 * median, 90 % or 99 % its own lag exceeds both 10 µs and a tenth of the total latency at the same
 * quantile, the cell is INVALID; beyond 99 % it is a doubt. And the pool must keep up: a queue fed
 * exactly at its capacity grows within n arrivals by chance by about sqrt(2 n), so growth beyond
 * four times that means that the load is not sustained, and there is no latency to speak of.
 */
#include "bench/workloads/workload.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/arrivals.h"
#include "bench/measure/clock.h"
#include "bench/measure/histogram.h"
#include "bench/measure/machine.h"
#include "bench/measure/rng.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

#define LAG_ALLOWED_NS 10000u
#define HEAD_START_NS  1000000u

/* Tasks that take longer than this share of what they should have been interrupted. */
#define BUSIER_ALLOWED 1.2

/* A task's argument, in its slot of the ledger. */
struct job {
    struct ledger_slot slot;
    uint64_t steps;
    uint64_t intended_ns;
    uint64_t submitted_ns; /* just before the call */
    uint64_t accepted_ns;  /* just after */
    uint64_t started_ns;
    uint64_t ended_ns;
};
_Static_assert(sizeof(struct job) <= LEDGER_STRIDE, "a job fits its slot");

struct load {
    struct cell_run *run;
    double rate_per_s;
    double servers; /* workers that can run at one time */
    size_t n;
    size_t first;     /* job that counts */
    bool share_cpu;   /* no CPU is left for the generator */
    bool servers_fit; /* each worker has a CPU */
    int error;        /* of submit or quiesce */
    struct usage counted_from;
    struct histogram *total;
    struct histogram *queue;
    struct histogram *service;
    struct histogram *lag;
    struct histogram *own_lag;
};

/* Tasks get nothing but their argument. */
static struct cell_run *job_run;

static void run_job(void *arg) {
    if (!ledger_begin(&job_run->ledger, arg)) {
        return;
    }
    struct job *job = arg;
    job->started_ns = clock_now_ns();
    work_do(job->steps);
    job->ended_ns = clock_now_ns();
    ledger_end(&job->slot);
}

static struct job *job_at(const struct load *load, size_t index) {
    return ledger_argument(&load->run->ledger, index);
}

static void plan_load(struct load *load) {
    struct cell_run *run = load->run;
    uint64_t workers = cell_axis_number(run, "workers");
    unsigned cpus = machine_cpus();
    load->share_cpu = workers >= cpus;
    load->servers_fit = workers <= cpus;
    load->servers = (double)(workers < cpus ? workers : cpus);
    load->rate_per_s = (double)cell_axis_number(run, "rate_per_s");
    if (!cell_axis_given(run, "rate_per_s")) {
        load->rate_per_s = (double)cell_axis_number(run, "utilisation") / 100.0 * load->servers /
                           (double)cell_axis_number(run, "service_ns") * 1e9;
    }
    double warm = ceil(load->rate_per_s * (double)run->description->warmup_ns / 1e9);
    double all = warm + ceil(load->rate_per_s * (double)run->description->measure_ns / 1e9);
    load->n = all < (double)EPOCH_MAX ? (size_t)all : EPOCH_MAX;
    load->first = warm < (double)load->n / 2.0 ? (size_t)warm : load->n / 2;
}

/* Writes the schedule into the jobs, as moments after the start. */
static bool write_schedule(struct load *load) {
    struct cell_run *run = load->run;
    uint64_t *at_ns = malloc(load->n * sizeof(at_ns[0]));
    uint64_t *service_ns = malloc(load->n * sizeof(service_ns[0]));
    if (at_ns == NULL || service_ns == NULL || !cell_run_ledger(run, load->n)) {
        cell_record_end(run->record, CELL_INVALID, "no memory for %zu tasks", load->n);
        free(at_ns);
        free(service_ns);
        return false;
    }
    ledger_reset(&run->ledger, load->n);
    struct rng rng;
    rng_seed(&rng, run->description->seed);
    bool poisson = strcmp(cell_axis_word(run, "arrivals"), "poisson") == 0;
    arrivals_schedule(at_ns, load->n, poisson ? ARRIVALS_POISSON : ARRIVALS_CONSTANT,
                      load->rate_per_s, &rng);
    bool constant = strcmp(cell_axis_word(run, "service"), "constant") == 0;
    arrivals_services(service_ns, load->n, constant ? SERVICE_CONSTANT : SERVICE_EXPONENTIAL,
                      (double)cell_axis_number(run, "service_ns"), &rng);
    for (size_t i = 0; i < load->n; i++) {
        job_at(load, i)->intended_ns = at_ns[i];
        job_at(load, i)->steps = work_steps(&run->work, service_ns[i]);
    }
    free(at_ns);
    free(service_ns);
    return true;
}

/* Submits every job at its moment, or at once when that has passed; never skips one. */
static void generate(void *arg) {
    struct load *load = arg;
    struct cell_run *run = load->run;
    uint64_t start_ns = clock_now_ns() + HEAD_START_NS;
    cell_run_phase(run, "submit");
    for (size_t i = 0; i < load->n; i++) {
        struct job *job = job_at(load, i);
        job->intended_ns += start_ns;
        if (i == load->first) {
            load->counted_from = usage_now();
        }
        clock_wait_until(job->intended_ns, load->share_cpu);
        job->submitted_ns = clock_now_ns();
        load->error = cell_run_submit(run, run_job, job);
        if (load->error != 0) {
            return;
        }
        job->accepted_ns = clock_now_ns();
    }
    cell_run_phase(run, "quiesce");
    load->error = run->subject->quiesce(run->pool);
}

static uint64_t span(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

static void fill_histograms(struct load *load) {
    for (size_t i = load->first; i < load->n; i++) {
        const struct job *job = job_at(load, i);
        uint64_t free_ns = i > 0 ? job_at(load, i - 1)->accepted_ns : 0;
        free_ns = free_ns > job->intended_ns ? free_ns : job->intended_ns;
        histogram_record(load->total, span(job->intended_ns, job->ended_ns));
        histogram_record(load->queue, span(job->submitted_ns, job->started_ns));
        histogram_record(load->service, span(job->started_ns, job->ended_ns));
        histogram_record(load->lag, span(job->intended_ns, job->submitted_ns));
        histogram_record(load->own_lag, span(free_ns, job->submitted_ns));
    }
}

/* Jobs that were meant to have arrived and had not ended when job index was meant to arrive. */
static size_t backlog_at(const struct load *load, size_t index) {
    uint64_t moment_ns = job_at(load, index)->intended_ns;
    size_t backlog = 0;
    for (size_t i = 0; i <= index; i++) {
        backlog += job_at(load, i)->ended_ns > moment_ns;
    }
    return backlog;
}

static void judge_backlog(struct load *load) {
    size_t before = backlog_at(load, load->first);
    size_t after = backlog_at(load, load->n - 1);
    double by_chance = 4.0 * sqrt(2.0 * (double)(load->n - load->first)) + 4.0 * load->servers;
    if (after > before && (double)(after - before) > by_chance) {
        cell_record_end(load->run->record, CELL_INVALID,
                        "UNSUSTAINED: the backlog grew from %zu to %zu tasks in %zu arrivals",
                        before, after, load->n - load->first);
    }
}

static void judge_generator(struct load *load) {
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999};
    struct cell_record *record = load->run->record;
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        double q = quantiles[i];
        uint64_t lag_ns = histogram_quantile(load->own_lag, q);
        uint64_t total_ns = histogram_quantile(load->total, q);
        if (lag_ns <= LAG_ALLOWED_NS || lag_ns <= total_ns / 10) {
            continue;
        }
        if (q <= 0.99) {
            cell_record_end(record, CELL_INVALID,
                            "generator lag: %.0f us at %g %%, where the total is %.0f us",
                            (double)lag_ns / 1e3, q * 100.0, (double)total_ns / 1e3);
            return;
        }
        if (histogram_resolves(load->own_lag, q)) {
            cell_record_doubt(record, "NOISY: generator lag %.0f us at %g %% (total %.0f us)",
                              (double)lag_ns / 1e3, q * 100.0, (double)total_ns / 1e3);
            return;
        }
    }
}

static void report(struct load *load, struct usage used) {
    struct cell_record *record = load->run->record;
    size_t counted = load->n - load->first;
    uint64_t begin_ns = job_at(load, load->first)->intended_ns;
    uint64_t last_ns = job_at(load, load->n - 1)->intended_ns;
    uint64_t end_ns = last_ns;
    uint64_t busy_ns = 0;
    for (size_t i = load->first; i < load->n; i++) {
        const struct job *job = job_at(load, i);
        end_ns = job->ended_ns > end_ns ? job->ended_ns : end_ns;
        busy_ns += span(job->started_ns, job->ended_ns);
    }
    record->wall_ns = end_ns - begin_ns;
    record->tasks = counted;
    record->cpu_ns = used.cpu_ns;
    record->csw = used.csw;
    double wall_s = (double)(end_ns - begin_ns) / 1e9;
    cell_record_value(record, "offered_per_s",
                      (double)(counted - 1) * 1e9 / (double)(last_ns - begin_ns));
    cell_record_value(record, "achieved_per_s", (double)counted / wall_s);
    cell_record_value(record, "utilisation",
                      (double)busy_ns / 1e9 / wall_s / load->servers * 100.0);
    cell_record_value(record, "caller_ran_share",
                      (double)ledger_caller_ran(&load->run->ledger) / (double)load->n);
    cell_record_value(record, "retries", (double)load->run->retries);
    double mean_ns = (double)busy_ns / (double)counted;
    double planned_ns = (double)cell_axis_number(load->run, "service_ns");
    if (mean_ns > BUSIER_ALLOWED * planned_ns && load->servers_fit) {
        cell_record_doubt(record, "NOISY: tasks took %.1f us on average, %.1f us were planned",
                          mean_ns / 1e3, planned_ns / 1e3);
    }
    if (counted < 100) {
        cell_record_doubt(record, "few tasks: %zu in the time given", counted);
    }
    if (load->share_cpu) {
        cell_record_doubt(record, "the generator shares its CPU with a worker");
    }
    if (record->status == CELL_OK) {
        cell_record_histogram(record, "total", load->total);
        cell_record_histogram(record, "queue", load->queue);
        cell_record_histogram(record, "service", load->service);
    }
    cell_record_histogram(record, "lag", load->lag);
}

static bool make_histograms(struct load *load) {
    load->total = histogram_new();
    load->queue = histogram_new();
    load->service = histogram_new();
    load->lag = histogram_new();
    load->own_lag = histogram_new();
    bool made = load->total != NULL && load->queue != NULL && load->service != NULL &&
                load->lag != NULL && load->own_lag != NULL;
    if (!made) {
        cell_record_end(load->run->record, CELL_INVALID, "no memory for histograms");
    }
    return made;
}

static void free_histograms(struct load *load) {
    histogram_free(load->total);
    histogram_free(load->queue);
    histogram_free(load->service);
    histogram_free(load->lag);
    histogram_free(load->own_lag);
}

static void measure_load(struct load *load) {
    struct cell_run *run = load->run;
    ledger_thread_submits();
    clock_sharp_timers();
    cell_run_calibrate(run, cell_axis_number(run, "service_ns"));
    if (!write_schedule(load) || !cell_run_open(run)) {
        return;
    }
    cell_run_inside(run, generate, load);
    struct usage used = usage_since(load->counted_from);
    if (load->error != 0) {
        cell_record_end(run->record, CELL_INVALID, "%s: %s",
                        atomic_load_explicit(&run->phase, memory_order_relaxed),
                        strerror(-load->error));
        return;
    }
    if (!cell_run_check(run)) {
        return;
    }
    fill_histograms(load);
    judge_backlog(load);
    judge_generator(load);
    report(load, used);
}

static void measure(struct cell_run *run) {
    struct load load = {.run = run};
    job_run = run;
    plan_load(&load);
    if (load.n - load.first < 2) {
        cell_record_end(run->record, CELL_INVALID, "fewer than two arrivals in the time given");
        return;
    }
    if (make_histograms(&load)) {
        measure_load(&load);
    }
    free_histograms(&load);
}

static const char *const arrivals_names[] = {"poisson", "constant", NULL};
static const char *const service_names[] = {"constant", "exponential", NULL};

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "arrivals", .choices = arrivals_names},
    {.name = "service", .choices = service_names},
    {.name = "service_ns", .least = 100, .most = 1000000000, .standard = 20000},
    {.name = "utilisation", .least = 1, .most = 150, .standard = 80},
    {.name = "rate_per_s", .least = 1, .most = 100000000, .standard = 1000},
    {.name = NULL},
};

const struct cell_workload cell_latency = {.name = "latency", .axes = axes, .run = measure};
