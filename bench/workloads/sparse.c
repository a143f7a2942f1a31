/*
 * sparse: what a pool costs while it has next to nothing to do. Empty tasks arrive at a constant
 * rate, or none at all; what the pool's threads use is the process without the submitting thread.
 */
#include "bench/workloads/workload.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/measure/clock.h"
#include "bench/measure/noise.h"
#include "bench/measure/usage.h"

static struct cell_run *task_run;

static void run_task(void *arg) {
    if (ledger_begin(&task_run->ledger, arg)) {
        ledger_end(arg);
    }
}

/* Of the calling thread alone. */
static struct usage own_usage(void) {
    struct rusage used;
    struct timespec cpu;
    getrusage(RUSAGE_THREAD, &used);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    return (struct usage){
        .cpu_ns = (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec,
        .csw = (uint64_t)used.ru_nvcsw + (uint64_t)used.ru_nivcsw,
    };
}

/* Of the pool's threads: the process without this one and the witness. What this thread uses
 * between the two readings is the same each time and cancels in a difference. */
static struct usage pool_usage(void) {
    struct usage own = own_usage();
    struct usage witness = noise_witness_usage();
    struct usage all = usage_now();
    return (struct usage){.cpu_ns = all.cpu_ns - own.cpu_ns - witness.cpu_ns,
                          .csw = all.csw - own.csw - witness.csw};
}

/* No spinning: a thread that burns a CPU would change what the pool's wake-ups cost. */
static void sleep_until(uint64_t moment_ns) {
    const struct timespec moment = {.tv_sec = (time_t)(moment_ns / 1000000000u),
                                    .tv_nsec = (long)(moment_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL) == EINTR) {
        /* a signal came between */
    }
}

/* Two readings cost this thread something too, and not quite the same: never below nothing. */
static uint64_t rise(uint64_t from, uint64_t to) {
    return to > from ? to - from : 0;
}

static bool submit_for(struct cell_run *run, uint64_t rate_per_s, uint64_t ns, size_t *submitted) {
    uint64_t begun_ns = clock_now_ns();
    size_t n = (size_t)((double)rate_per_s * (double)ns / 1e9);
    for (size_t i = 0; i < n; i++) {
        sleep_until(begun_ns + (uint64_t)((double)(i + 1) * 1e9 / (double)rate_per_s));
        if (!cell_run_hand_over(run, run_task, ledger_argument(&run->ledger, *submitted))) {
            return false;
        }
        ++*submitted;
    }
    sleep_until(begun_ns + ns);
    return true;
}

static void measure_inside(void *arg) {
    struct cell_run *run = arg;
    uint64_t rate_per_s = cell_axis_number(run, "tasks_per_s");
    uint64_t warmup_ns = run->description->warmup_ns;
    uint64_t measure_ns = run->description->measure_ns;
    size_t n = run->ledger.capacity;
    /* The slots are handed out one by one; those that stay over count as run. */
    ledger_reset(&run->ledger, n);
    size_t submitted = 0;
    cell_run_phase(run, "sparse");
    if (!submit_for(run, rate_per_s, warmup_ns, &submitted)) {
        return;
    }
    size_t before = submitted;
    struct usage used_before = pool_usage();
    uint64_t begun_ns = clock_now_ns();
    bool well = submit_for(run, rate_per_s, measure_ns, &submitted);
    uint64_t wall_ns = clock_now_ns() - begun_ns;
    struct usage used = pool_usage();
    while (well && submitted < n) {
        well = cell_run_hand_over(run, run_task, ledger_argument(&run->ledger, submitted++));
    }
    if (!well || !cell_run_quiesce(run) || !cell_run_check(run)) {
        return;
    }
    double wall_s = (double)wall_ns / 1e9;
    run->record->wall_ns = wall_ns;
    run->record->tasks = submitted - before;
    run->record->cpu_ns = rise(used_before.cpu_ns, used.cpu_ns);
    run->record->csw = rise(used_before.csw, used.csw);
    double tasks = rate_per_s == 0 ? 0.0 : (double)run->record->tasks;
    cell_record_value(run->record, "cpu_percent",
                      (double)run->record->cpu_ns / (double)wall_ns * 100.0);
    cell_record_value(run->record, "wakeups_per_s", (double)run->record->csw / wall_s);
    cell_record_value(run->record, "achieved_per_s", tasks / wall_s);
    if (tasks > 0.0) {
        cell_record_value(run->record, "cpu_ns_per_task", (double)run->record->cpu_ns / tasks);
    }
}

static void measure(struct cell_run *run) {
    uint64_t time_ns = run->description->warmup_ns + run->description->measure_ns;
    double tasks = (double)cell_axis_number(run, "tasks_per_s") * (double)time_ns / 1e9;
    task_run = run;
    if (cell_run_ledger(run, (size_t)tasks + 1) && cell_run_open(run)) {
        cell_run_inside(run, measure_inside, run);
    }
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "tasks_per_s", .least = 0, .most = 100000, .standard = 100},
    {.name = NULL},
};

const struct cell_workload cell_sparse = {.name = "sparse", .axes = axes, .run = measure};
