/*
 * memory: what a pool takes while it idles, and what a queued task takes. The workers are held at a
 * gate, then tasks are queued behind them; the difference between before and after, for each task.
 *
 * Three views: the kernel's (resident set), the allocator's own statistics where it has them
 * (jemalloc), and, when bench/preload/counting.c is preloaded, calls and bytes counted alike for
 * every allocator. The arguments of the tasks are the harness's and are there from the start.
 */
#include "bench/workloads/workload.h"

#include <dlfcn.h>
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/measure/clock.h"
#include "bench/measure/machine.h"

#define GATE_PATIENCE_NS UINT64_C(1000000000)
#define SETTLE_NS        20000000

struct footprint {
    double rss;
    double live;        /* bytes in use, by counting */
    double allocations; /* calls so far, by counting */
    double jemalloc_allocated;
    double jemalloc_active;
};

static struct yard {
    struct cell_run *run;
    struct footprint none; /* before there was a pool */
    uint64_t begun_ns;
    atomic_uint at_gate;
    sem_t gate;
} yard;

static void hold(void *arg) {
    if (!ledger_begin(&yard.run->ledger, arg)) {
        return;
    }
    atomic_fetch_add_explicit(&yard.at_gate, 1, memory_order_release);
    while (sem_wait(&yard.gate) != 0) {
        /* a signal came between */
    }
    ledger_end(arg);
}

static void pass(void *arg) {
    if (ledger_begin(&yard.run->ledger, arg)) {
        ledger_end(arg);
    }
}

/* The kernel's counters lag behind by some pages a thread; this file counts. */
static double resident_bytes(void) {
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    double bytes = NAN;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "Rss:", 4) == 0) {
            bytes = strtod(line + 4, NULL) * 1024.0;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

static double jemalloc_figure(const char *name) {
    int (*control)(const char *, void *, size_t *, void *, size_t);
    void *address = dlsym(RTLD_DEFAULT, "mallctl");
    uint64_t epoch = 1;
    size_t size = sizeof(epoch);
    size_t value = 0;
    size_t value_size = sizeof(value);
    memcpy(&control, &address, sizeof(control));
    if (address == NULL || strcmp(machine_allocator(), "jemalloc") != 0 ||
        control("epoch", &epoch, &size, &epoch, size) != 0 ||
        control(name, &value, &value_size, NULL, 0) != 0) {
        return NAN;
    }
    return (double)value;
}

static double counted_calls(void) {
    uint64_t (*calls)(void);
    void *address = dlsym(RTLD_DEFAULT, "weir_counting_allocations");
    memcpy(&calls, &address, sizeof(calls));
    return address == NULL ? NAN : (double)calls();
}

static double counted_bytes(void) {
    int64_t (*bytes)(void);
    void *address = dlsym(RTLD_DEFAULT, "weir_counting_live_bytes");
    memcpy(&bytes, &address, sizeof(bytes));
    return address == NULL ? NAN : (double)bytes();
}

/* Counts first: what the reading itself allocates is not in them. */
static struct footprint footprint_now(void) {
    struct footprint now = {.live = counted_bytes(), .allocations = counted_calls()};
    now.jemalloc_allocated = jemalloc_figure("stats.allocated");
    now.jemalloc_active = jemalloc_figure("stats.active");
    now.rss = resident_bytes();
    return now;
}

static void settle(void) {
    const struct timespec moment = {.tv_nsec = SETTLE_NS};
    nanosleep(&moment, NULL);
}

/* Queues a task for each worker to be held by, and waits until they are; how many are. */
static unsigned close_gate(uint64_t workers) {
    struct cell_run *run = yard.run;
    sem_init(&yard.gate, 0, 0);
    cell_run_phase(run, "gate");
    for (uint64_t i = 0; i < workers; i++) {
        if (!cell_run_hand_over(run, hold, ledger_argument(&run->ledger, i))) {
            return 0;
        }
    }
    uint64_t end_ns = clock_now_ns() + GATE_PATIENCE_NS;
    while (atomic_load_explicit(&yard.at_gate, memory_order_acquire) < workers &&
           clock_now_ns() < end_ns) {
        const struct timespec moment = {.tv_nsec = 1000000};
        nanosleep(&moment, NULL);
    }
    return atomic_load_explicit(&yard.at_gate, memory_order_acquire);
}

static void open_gate(uint64_t workers) {
    for (uint64_t i = 0; i < workers; i++) {
        sem_post(&yard.gate);
    }
}

static void report(uint64_t queued, struct footprint none, struct footprint idle,
                   struct footprint before, struct footprint after, struct footprint end) {
    struct cell_record *record = yard.run->record;
    double n = (double)queued;
    cell_record_value(record, "idle_rss_bytes", idle.rss - none.rss);
    cell_record_value(record, "idle_live_bytes", idle.live - none.live);
    cell_record_value(record, "bytes_per_task", (after.rss - before.rss) / n);
    cell_record_value(record, "live_bytes_per_task", (after.live - before.live) / n);
    cell_record_value(record, "allocations_per_task", (after.allocations - before.allocations) / n);
    cell_record_value(record, "jemalloc_bytes_per_task",
                      (after.jemalloc_allocated - before.jemalloc_allocated) / n);
    cell_record_value(record, "jemalloc_active_per_task",
                      (after.jemalloc_active - before.jemalloc_active) / n);
    cell_record_value(record, "retained_rss_bytes", end.rss - idle.rss);
}

static bool queue_tasks(uint64_t first, uint64_t n) {
    cell_run_phase(yard.run, "submit");
    for (uint64_t i = first; i < first + n; i++) {
        if (!cell_run_hand_over(yard.run, pass, ledger_argument(&yard.run->ledger, i))) {
            return false;
        }
    }
    return true;
}

static void fill_and_empty(void *arg) {
    struct cell_run *run = arg;
    uint64_t workers = cell_axis_number(run, "workers");
    uint64_t queued = cell_axis_number(run, "queued");
    settle();
    struct footprint idle = footprint_now();
    unsigned held = close_gate(workers);
    struct footprint before = footprint_now();
    bool well = held > 0 && queue_tasks(workers, queued);
    struct footprint after = footprint_now();
    open_gate(workers);
    if (!well || !cell_run_quiesce(run) || !cell_run_check(run)) {
        return;
    }
    if (held < workers) {
        cell_record_doubt(run->record, "only %u of %llu workers took a task at one time", held,
                          (unsigned long long)workers);
    }
    settle();
    run->record->wall_ns = clock_now_ns() - yard.begun_ns;
    run->record->tasks = workers + queued;
    report(queued, yard.none, idle, before, after, footprint_now());
}

static void measure(struct cell_run *run) {
    uint64_t workers = cell_axis_number(run, "workers");
    uint64_t queued = cell_axis_number(run, "queued");
    yard.run = run;
    if (run->capabilities & (WEIR_SUBJECT_ONE_THREAD_A_TASK | WEIR_SUBJECT_REJECTS)) {
        cell_record_end(run->record, CELL_UNSUPPORTED,
                        "no queue: a task has a thread or is refused");
        return;
    }
    if (!cell_run_ledger(run, workers + queued)) {
        return;
    }
    ledger_reset(&run->ledger, workers + queued);
    footprint_now(); /* once for what it allocates itself */
    yard.none = footprint_now();
    yard.begun_ns = clock_now_ns();
    if (!cell_run_open(run)) {
        return;
    }
    cell_run_inside(run, fill_and_empty, run);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "queued", .least = 1, .most = 10000000, .standard = 100000},
    {.name = NULL},
};

const struct cell_workload cell_memory = {.name = "memory", .axes = axes, .run = measure};
