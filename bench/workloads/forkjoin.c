/*
 * forkjoin: recursive kernels, each in the pool's own idiom, against the same recursion without a
 * pool. The serial baseline is not inlined, and runs pinned to one CPU; a pool of one worker gives
 * what the spawns cost, a pool of all workers what they win.
 *
 *   Ts  serial           T1  one worker          Tp  all workers
 *   overhead = T1 / Ts   ns_per_spawn = (T1 - Ts) / spawns   speedup = Ts / Tp
 */
#include "bench/workloads/workload.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kernels.h"
#include "bench/measure/clock.h"
#include "bench/measure/usage.h"

#define RUNS_MAX 4096u

struct kernel_cell {
    struct cell_run *run;
    enum kernel kernel;
    const char *name;
    unsigned n;
    struct kernel_serial serial;
    double pool_ns; /* median of the runs in the pool that is open */
    size_t runs;
    double ns[RUNS_MAX];
};

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n) {
    qsort(values, n, sizeof(values[0]), ascending);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2.0;
}

/* Keeps this thread where it is; the mask that it had comes back in *before. */
static void pin(cpu_set_t *before) {
    cpu_set_t here;
    int cpu = sched_getcpu();
    CPU_ZERO(&here);
    CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &here);
    if (sched_getaffinity(0, sizeof(*before), before) != 0 || cpu < 0 ||
        sched_setaffinity(0, sizeof(here), &here) != 0) {
        CPU_ZERO(before);
    }
}

static void unpin(const cpu_set_t *before) {
    if (CPU_COUNT(before) > 0) {
        sched_setaffinity(0, sizeof(*before), before);
    }
}

/* Runs the kernel again and again for about ns, at least three times; the median, NaN on failure.
 */
static double time_kernel(struct kernel_cell *cell, uint64_t ns, size_t *runs) {
    struct cell_run *run = cell->run;
    uint64_t begun_ns = clock_now_ns();
    size_t n = 0;
    while (n < RUNS_MAX && (n < 3 || clock_now_ns() - begun_ns < ns)) {
        uint64_t answer = 0;
        uint64_t before_ns = clock_now_ns();
        int error = 0;
        if (run->pool == NULL) {
            answer = kernel_run_baseline(cell->kernel, cell->n);
        } else {
            error = run->subject->kernel(run->pool, cell->name, cell->n, &answer);
        }
        cell->ns[n++] = (double)(clock_now_ns() - before_ns);
        if (error != 0) {
            cell_record_end(run->record, error == -ENOTSUP ? CELL_UNSUPPORTED : CELL_INVALID,
                            "kernel %s: %s", cell->name, strerror(-error));
            return 0.0;
        }
        if (answer != cell->serial.answer) {
            cell_record_end(run->record, CELL_FAILED,
                            "wrong argument: %s(%u) answers %llu, the truth is %llu", cell->name,
                            cell->n, (unsigned long long)answer,
                            (unsigned long long)cell->serial.answer);
            return 0.0;
        }
    }
    *runs = n;
    return median(cell->ns, n);
}

static void time_runs(struct kernel_cell *cell) {
    const struct cell_description *d = cell->run->description;
    cell->pool_ns = time_kernel(cell, d->warmup_ns, &cell->runs);
    cell->pool_ns = cell->pool_ns > 0.0 ? time_kernel(cell, d->measure_ns, &cell->runs) : 0.0;
}

/* 0: the record says why not. */
static double time_pool(struct kernel_cell *cell, uint64_t workers) {
    cell->pool_ns = 0.0;
    if (cell_run_open_workers(cell->run, workers)) {
        cell_run_phase(cell->run, cell->name);
        time_runs(cell);
    }
    return cell->pool_ns;
}

static void compare(struct kernel_cell *cell) {
    struct cell_run *run = cell->run;
    uint64_t workers = cell_axis_number(run, "workers");
    cpu_set_t before;
    pin(&before);
    double serial_ns = time_kernel(cell, run->description->measure_ns / 2, &cell->runs);
    unpin(&before);
    double one_ns = time_pool(cell, 1);
    struct usage used_before = usage_now();
    double all_ns = one_ns;
    if (one_ns > 0.0 && workers > 1) {
        if (!cell_run_close(run)) {
            return;
        }
        used_before = usage_now();
        all_ns = time_pool(cell, workers);
    }
    if (all_ns <= 0.0) {
        return;
    }
    struct usage used = usage_since(used_before);
    double spawns = (double)cell->serial.spawns;
    run->record->wall_ns = (uint64_t)(all_ns * (double)cell->runs);
    run->record->tasks = cell->serial.spawns * cell->runs;
    run->record->cpu_ns = used.cpu_ns;
    run->record->csw = used.csw;
    cell_record_value(run->record, "serial_ns", serial_ns);
    cell_record_value(run->record, "one_worker_ns", one_ns);
    cell_record_value(run->record, "kernel_ns", all_ns);
    cell_record_value(run->record, "spawns", spawns);
    cell_record_value(run->record, "overhead", one_ns / serial_ns);
    cell_record_value(run->record, "ns_per_spawn", (one_ns - serial_ns) / spawns);
    cell_record_value(run->record, "speedup", serial_ns / all_ns);
    cell_record_value(run->record, "runs", (double)cell->runs);
}

static unsigned standard_size(enum kernel kernel) {
    static const unsigned sizes[] = {
        [KERNEL_FIB] = 24, [KERNEL_NQUEENS] = 11, [KERNEL_UTS] = 1024, [KERNEL_SKYNET] = 4};
    return sizes[kernel];
}

static void measure(struct cell_run *run) {
    static struct kernel_cell cell;
    cell = (struct kernel_cell){.run = run, .name = cell_axis_word(run, "kernel")};
    cell.kernel = kernel_find(cell.name);
    cell.n = (unsigned)cell_axis_number(run, "n");
    cell.n = cell.n != 0 ? cell.n : standard_size(cell.kernel);
    if (run->subject->kernel == NULL) {
        cell_record_end(run->record, CELL_UNSUPPORTED, "no fork-join kernels");
    } else if (cell.n > kernel_largest(cell.kernel)) {
        cell_record_end(run->record, CELL_INVALID, "n: %s takes at most %u", cell.name,
                        kernel_largest(cell.kernel));
    } else {
        cell_run_phase(run, "serial");
        cell.serial = kernel_run_serial(cell.kernel, cell.n);
        compare(&cell);
    }
}

static const char *const kernel_names[] = {"fib", "nqueens", "uts", "skynet", NULL};

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "kernel", .choices = kernel_names},
    {.name = "n", .least = 0, .most = 1048576, .standard = 0},
    {.name = NULL},
};

const struct cell_workload cell_forkjoin = {.name = "forkjoin", .axes = axes, .run = measure};
