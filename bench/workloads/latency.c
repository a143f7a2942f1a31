/*
 * latency: open-loop load. Tasks arrive at moments fixed beforehand, whatever the pool does, and
 * each latency runs from the intended moment, so that a stall is paid for by every task that was
 * meant to arrive during it. latency_jobs.h tells what is made of the moments.
 *
 * A utilisation is one of the servers' time. What a task really takes of it is found out first, by
 * a pilot at the rate that the calibrated work suggests; the rate of the run follows from that. The
 * first arrivals, for the time of the warm-up, are not counted.
 *
 * Each task reads the clock twice. Where that would be more than 2 % of its service, only every
 * 64th is timed.
 */
#include "bench/workloads/workload.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/arrivals.h"
#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/rng.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"
#include "bench/workloads/latency_jobs.h"

#define HEAD_START_NS   1000000u
#define PROBE_ALLOWED   0.02
#define SAMPLED_STRIDE  64u
#define PILOT_JOBS      500.0
#define PILOT_LEAST_NS  5e6
#define UTILISATION_OFF 2.0 /* points */

/* Tasks that take longer than this share of what they should have been interrupted. */
#define BUSIER_ALLOWED 1.2

enum notify { NOTIFY_NONE, NOTIFY_CALLBACK, NOTIFY_FUTURE };

/* Tasks get nothing but their argument, so this is the process's one. */
static struct load {
    struct cell_run *run;
    double rate_per_s;
    uint64_t schedule_ns; /* the last arrival and the sum of the work, to compare schedules */
    uint64_t schedule_work_ns;
    double wanted; /* utilisation in percent; 0: a rate was given */
    struct latency_jobs jobs;
    bool share_cpu;   /* no CPU is left for the generator */
    bool servers_fit; /* each worker has a CPU */
    enum notify notify;
    char *tickets;
    size_t ticket_stride;
    atomic_size_t submitted; /* tickets that the waiting thread may await */
    int wait_error;
} load;

static void serve(struct latency_job *job) {
    bool timed = job->slot.index % load.jobs.stride == 0;
    if (timed) {
        job->started_ns = clock_now_ns();
    }
    work_do(job->steps);
    if (timed) {
        job->ended_ns = clock_now_ns();
        job->notified_ns = job->ended_ns;
    }
    ledger_end(&job->slot);
}

static void run_job(void *arg) {
    if (ledger_begin(&load.run->ledger, arg)) {
        serve(arg);
    }
}

static void *call_job(void *arg) {
    run_job(arg);
    return arg;
}

static void *ticket_at(size_t index) {
    return load.tickets + index * load.ticket_stride;
}

static void note_done(void *arg) {
    struct latency_job *job = arg;
    job->notified_ns = clock_now_ns();
}

/* ---- The schedule --------------------------------------------------------------------------- */

static const char *const arrivals_names[] = {"poisson", "constant", "burst", NULL};
static const char *const service_names[] = {"constant", "exponential", "bimodal", "pareto", NULL};
static const enum service services[] = {SERVICE_CONSTANT, SERVICE_EXPONENTIAL, SERVICE_BIMODAL,
                                        SERVICE_PARETO};
static const char *const notify_names[] = {"none", "callback", "future", NULL};

static size_t choice(const char *axis, const char *const *names) {
    const char *word = cell_axis_word(load.run, axis);
    size_t i = 0;
    while (strcmp(names[i], word) != 0) {
        i++; /* the axis has been checked */
    }
    return i;
}

/* How many jobs the time holds, at the rate. */
static void size_load(double warmup_ns, double measure_ns) {
    double warm = ceil(load.rate_per_s * warmup_ns / 1e9);
    double all = warm + ceil(load.rate_per_s * measure_ns / 1e9);
    bool fits = all <= (double)EPOCH_MAX;
    load.jobs.n = fits ? (size_t)all : EPOCH_MAX;
    load.jobs.first = fits ? (size_t)warm : (size_t)fmin(warm, EPOCH_MAX / 2.0);
}

/* Jobs from begin to end, as moments after the start; a part of the run is exact by itself. */
static bool schedule_part(size_t begin, size_t end, uint64_t start_ns, struct rng *rng) {
    struct cell_run *run = load.run;
    size_t n = end - begin;
    uint64_t *at_ns = malloc((n + 1) * sizeof(at_ns[0]));
    uint64_t *service_ns = malloc((n + 1) * sizeof(service_ns[0]));
    bool made = at_ns != NULL && service_ns != NULL;
    if (made) {
        arrivals_schedule(at_ns, n, (enum arrivals)choice("arrivals", arrivals_names),
                          load.rate_per_s, rng);
        arrivals_services(service_ns, n, services[choice("service", service_names)],
                          (double)cell_axis_number(run, "service_ns"), rng);
    }
    for (size_t i = 0; made && i < n; i++) {
        load.schedule_ns = at_ns[i];
        load.schedule_work_ns += service_ns[i];
        load.jobs.jobs[begin + i].intended_ns = start_ns + at_ns[i];
        load.jobs.jobs[begin + i].steps = work_steps(&run->work, service_ns[i]);
    }
    free(at_ns);
    free(service_ns);
    return made;
}

static bool write_schedule(uint64_t seed) {
    struct rng warm;
    struct rng rng;
    size_t first = load.jobs.first;
    ledger_reset(&load.run->ledger, load.jobs.n);
    load.jobs.jobs = ledger_argument(&load.run->ledger, 0);
    /* A stream of its own, so that what is measured is the same however long a pool warms up. */
    rng_seed(&warm, seed ^ 2);
    rng_seed(&rng, seed);
    bool made = schedule_part(0, first, 0, &warm);
    load.schedule_work_ns = 0;
    made = made && schedule_part(first, load.jobs.n,
                                 first > 0 ? load.jobs.jobs[first - 1].intended_ns : 0, &rng);
    if (!made) {
        cell_record_end(load.run->record, CELL_INVALID, "no memory for %zu tasks", load.jobs.n);
        return false;
    }
    return true;
}

/* ---- The load ------------------------------------------------------------------------------- */

static int submit_job(size_t index) {
    struct cell_run *run = load.run;
    struct latency_job *job = &load.jobs.jobs[index];
    if (load.notify == NOTIFY_NONE) {
        return cell_run_submit(run, run_job, job);
    }
    int error = run->subject->async(run->pool, call_job, job, ticket_at(index));
    if (error == 0 && load.notify == NOTIFY_CALLBACK) {
        error = run->subject->on_done(run->pool, ticket_at(index), note_done, job);
    }
    return error;
}

/* Awaits the futures in the order of submission: what a consumer in order sees. */
static void *await_all(void *arg) {
    struct cell_run *run = arg;
    for (size_t i = 0; i < load.jobs.n; i++) {
        while (atomic_load_explicit(&load.submitted, memory_order_acquire) <= i) {
            clock_wait_until(clock_now_ns() + 50000, true);
        }
        void *value;
        int error = run->subject->await(run->pool, ticket_at(i), WEIR_SUBJECT_FOREVER, &value);
        note_done(&load.jobs.jobs[i]);
        load.wait_error = load.wait_error == 0 ? error : load.wait_error;
    }
    return NULL;
}

static int release_all(void) {
    struct cell_run *run = load.run;
    int first_error = 0;
    for (size_t i = 0; i < load.jobs.n; i++) {
        void *value;
        int error = load.notify == NOTIFY_CALLBACK
                        ? run->subject->await(run->pool, ticket_at(i), WEIR_SUBJECT_FOREVER, &value)
                        : 0;
        run->subject->release(run->pool, ticket_at(i));
        first_error = first_error == 0 ? error : first_error;
    }
    return first_error;
}

/* Submits every job at its moment, or at once when that has passed; never skips one. */
static int submit_all(struct usage *counted_from) {
    uint64_t start_ns = clock_now_ns() + HEAD_START_NS;
    for (size_t i = 0; i < load.jobs.n; i++) {
        struct latency_job *job = &load.jobs.jobs[i];
        job->intended_ns += start_ns;
        if (i == load.jobs.first) {
            *counted_from = usage_now();
        }
        clock_wait_until(job->intended_ns, load.share_cpu);
        job->submitted_ns = clock_now_ns();
        int error = submit_job(i);
        if (error != 0) {
            return error;
        }
        job->accepted_ns = clock_now_ns();
        atomic_store_explicit(&load.submitted, i + 1, memory_order_release);
    }
    return 0;
}

static int generate(struct usage *counted_from) {
    struct cell_run *run = load.run;
    pthread_t waiter;
    atomic_store_explicit(&load.submitted, 0, memory_order_relaxed);
    cell_run_phase(run, "submit");
    bool waits = load.notify == NOTIFY_FUTURE;
    int error = waits ? -pthread_create(&waiter, NULL, await_all, run) : 0;
    if (error != 0) {
        return error;
    }
    error = submit_all(counted_from);
    if (error != 0) {
        return error; /* the process ends soon; a thread may still wait for what never came */
    }
    cell_run_phase(run, "quiesce");
    error = run->subject->quiesce(run->pool);
    if (waits) {
        pthread_join(waiter, NULL);
        error = error == 0 ? load.wait_error : error;
    }
    return error == 0 && load.notify != NOTIFY_NONE ? release_all() : error;
}

/* False: the record says why. */
static bool run_load(uint64_t seed, struct usage *counted_from) {
    struct cell_run *run = load.run;
    if (!write_schedule(seed)) {
        return false;
    }
    int error = generate(counted_from);
    if (error != 0) {
        cell_record_end(run->record, CELL_INVALID, "%s: %s",
                        atomic_load_explicit(&run->phase, memory_order_relaxed), strerror(-error));
        return false;
    }
    if (!cell_run_check(run)) {
        return false;
    }
    if (!latency_jobs_fill(&load.jobs)) {
        cell_record_end(run->record, CELL_INVALID, "no memory for %zu tasks", load.jobs.n);
        return false;
    }
    return true;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How much longer a task takes than its calibrated work, at the median: the clock's own cost, a CPU
 * that is slower when both are busy; not an interruption here and there. */
static double median_stretch(void) {
    const struct latency_jobs *jobs = &load.jobs;
    double *stretch = malloc(jobs->n * sizeof(stretch[0]));
    size_t n = 0;
    for (size_t i = jobs->first; stretch != NULL && i < jobs->n; i += jobs->stride) {
        const struct latency_job *job = &jobs->jobs[i / jobs->stride * jobs->stride];
        double planned_ns = (double)job->steps * load.run->work.step_ns + load.run->work.call_ns;
        if (job->started_ns != 0 && planned_ns > 0.0) {
            stretch[n++] = (double)(job->ended_ns - job->started_ns) / planned_ns;
        }
    }
    double median = 1.0;
    if (n > 0) {
        qsort(stretch, n, sizeof(stretch[0]), ascending);
        median = stretch[n / 2];
    }
    free(stretch);
    return fmin(fmax(median, 0.5), 2.0);
}

/* Finds out what a task takes of a worker, and sets the rate for the wanted utilisation. */
static bool pilot(void) {
    double planned_ns = (double)cell_axis_number(load.run, "service_ns");
    load.rate_per_s = load.wanted / 100.0 * load.jobs.servers / planned_ns * 1e9;
    if (load.wanted >= 100.0) {
        return true; /* it will not be sustained; that is what it is for */
    }
    double pilot_ns = fmax(PILOT_JOBS / load.rate_per_s * 1e9, PILOT_LEAST_NS);
    struct usage ignored;
    size_load(0.0, fmin(pilot_ns, (double)load.run->description->measure_ns));
    if (load.jobs.n < 2) {
        return true;
    }
    if (!run_load(load.run->description->seed ^ 1, &ignored)) {
        return false;
    }
    double mean_ns = planned_ns * median_stretch();
    for (size_t part = 0; part < LATENCY_PARTS; part++) {
        histogram_reset(load.jobs.parts[part]);
    }
    load.rate_per_s = load.wanted / 100.0 * load.jobs.servers / mean_ns * 1e9;
    return true;
}

/* ---- The record ----------------------------------------------------------------------------- */

static void report_doubts(const struct latency_jobs *jobs) {
    struct cell_record *record = load.run->record;
    size_t counted = jobs->n - jobs->first;
    double mean_ns = jobs->busy_ns / (double)counted;
    double planned_ns = (double)cell_axis_number(load.run, "service_ns");
    if (mean_ns > BUSIER_ALLOWED * planned_ns && load.servers_fit) {
        cell_record_doubt(record, "NOISY: tasks took %.1f us on average, %.1f us were planned",
                          mean_ns / 1e3, planned_ns / 1e3);
    }
    if (load.wanted > 0.0 && fabs(jobs->utilisation - load.wanted) > UTILISATION_OFF) {
        cell_record_doubt(record, "NOISY: the utilisation was %.1f %%, %.0f %% was wanted",
                          jobs->utilisation, load.wanted);
    }
    if (counted < 100) {
        cell_record_doubt(record, "few tasks: %zu in the time given", counted);
    }
    if (load.share_cpu) {
        cell_record_doubt(record, "the generator shares its CPU with a worker");
    }
    if (jobs->stride > 1) {
        cell_record_doubt(record, "sampled: every %zuth task is timed; queue holds wake as well",
                          jobs->stride);
    }
}

static void report(struct usage used) {
    const struct latency_jobs *jobs = &load.jobs;
    struct cell_record *record = load.run->record;
    char invalid[256];
    char doubt[256];
    size_t counted = jobs->n - jobs->first;
    record->wall_ns = (uint64_t)jobs->wall_ns;
    record->tasks = counted;
    record->cpu_ns = used.cpu_ns;
    record->csw = used.csw;
    latency_jobs_judge(jobs, invalid, doubt, sizeof(invalid));
    load.run->readings = 2.0 / (double)jobs->stride;
    if (invalid[0] != '\0') {
        cell_record_end(record, CELL_INVALID, "%s", invalid);
    }
    if (doubt[0] != '\0') {
        cell_record_doubt(record, "%s", doubt);
    }
    cell_record_value(record, "schedule_ns", (double)load.schedule_ns);
    cell_record_value(record, "schedule_work_ns", (double)load.schedule_work_ns);
    cell_record_value(record, "offered_per_s", jobs->offered_per_s);
    cell_record_value(record, "achieved_per_s", (double)counted * 1e9 / jobs->wall_ns);
    cell_record_value(record, "utilisation", jobs->utilisation);
    cell_record_value(record, "caller_ran_share",
                      (double)ledger_caller_ran(&load.run->ledger) / (double)jobs->n);
    cell_record_value(record, "retries", (double)load.run->retries);
    for (size_t part = LATENCY_TOTAL; part <= LATENCY_NOTIFY; part++) {
        char name[64];
        snprintf(name, sizeof(name), "%s_mean_ns", latency_part_names[part]);
        cell_record_value(record, name, histogram_mean(jobs->parts[part]));
    }
    cell_record_value(record, "parts_over_total", latency_jobs_sum_of_parts(jobs));
    report_doubts(jobs);
    for (size_t part = LATENCY_TOTAL; record->status == CELL_OK && part <= LATENCY_NOTIFY; part++) {
        cell_record_histogram(record, latency_part_names[part], jobs->parts[part]);
    }
    cell_record_histogram(record, "lag", jobs->parts[LATENCY_LAG]);
}

static void measure_load(void *arg) {
    struct cell_run *run = arg;
    struct usage counted_from = {0};
    if (load.wanted > 0.0 && !pilot()) {
        return;
    }
    size_load((double)run->description->warmup_ns, (double)run->description->measure_ns);
    if (load.jobs.n - load.jobs.first < 2) {
        cell_record_end(run->record, CELL_INVALID, "fewer than two arrivals in the time given");
        return;
    }
    if (run_load(run->description->seed, &counted_from)) {
        report(usage_since(counted_from));
    }
}

/* The most jobs that any rate found by the pilot can bring. */
static size_t capacity_for(void) {
    double most_per_s = fmax(load.rate_per_s, load.wanted / 100.0 * load.jobs.servers * 2e9 /
                                                  (double)cell_axis_number(load.run, "service_ns"));
    double time_ns = (double)(load.run->description->warmup_ns + load.run->description->measure_ns);
    double jobs = fmax(most_per_s * time_ns / 1e9, PILOT_JOBS) + 16.0;
    return jobs < (double)EPOCH_MAX ? (size_t)jobs : EPOCH_MAX;
}

static bool prepare(void) {
    struct cell_run *run = load.run;
    load.notify = (enum notify)choice("notify", notify_names);
    if (load.notify != NOTIFY_NONE &&
        (run->subject->async == NULL ||
         (load.notify == NOTIFY_CALLBACK && run->subject->on_done == NULL))) {
        cell_record_end(run->record, CELL_UNSUPPORTED, "no %s",
                        load.notify == NOTIFY_CALLBACK ? "on_done" : "futures");
        return false;
    }
    size_t capacity = capacity_for();
    load.ticket_stride = (run->subject->ticket_bytes + 63) / 64 * 64;
    load.tickets =
        load.notify == NOTIFY_NONE ? NULL : aligned_alloc(64, capacity * load.ticket_stride);
    if (load.notify != NOTIFY_NONE && load.tickets == NULL) {
        cell_record_end(run->record, CELL_INVALID, "no memory for %zu futures", capacity);
        return false;
    }
    if (!latency_jobs_init(&load.jobs)) {
        cell_record_end(run->record, CELL_INVALID, "no memory for histograms");
        return false;
    }
    return cell_run_ledger(run, capacity) && cell_run_open(run);
}

static void measure(struct cell_run *run) {
    uint64_t workers = cell_axis_number(run, "workers");
    uint64_t service_ns = cell_axis_number(run, "service_ns");
    unsigned cpus = machine_cpus();
    bool by_rate = cell_axis_given(run, "rate_per_s");
    load = (struct load){.run = run,
                         .wanted = by_rate ? 0.0 : (double)cell_axis_number(run, "utilisation"),
                         .rate_per_s = (double)cell_axis_number(run, "rate_per_s"),
                         .share_cpu = workers >= cpus,
                         .servers_fit = workers <= cpus};
    load.jobs.servers = (double)(workers < cpus ? workers : cpus);
    load.jobs.workers =
        run->capabilities & WEIR_SUBJECT_ONE_THREAD_A_TASK ? SIZE_MAX : (size_t)workers;
    double probe = 2.0 * clock_cost_ns() / (double)service_ns;
    load.jobs.stride = probe > PROBE_ALLOWED ? SAMPLED_STRIDE : 1;
    ledger_thread_submits();
    clock_sharp_timers();
    cell_run_calibrate(run, service_ns);
    if (prepare()) {
        cell_run_inside(run, measure_load, run);
    }
    latency_jobs_fini(&load.jobs);
    free(load.tickets);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "arrivals", .choices = arrivals_names},
    {.name = "service", .choices = service_names},
    {.name = "service_ns", .least = 100, .most = 1000000000, .standard = 20000},
    {.name = "utilisation", .least = 1, .most = 150, .standard = 80},
    {.name = "rate_per_s", .least = 1, .most = 100000000, .standard = 1000},
    {.name = "notify", .choices = notify_names},
    {.name = NULL},
};

const struct cell_workload cell_latency = {.name = "latency", .axes = axes, .run = measure};
