/* throughput: how many tasks of a given length a pool carries. */
#include "bench/workloads/submission.h"

static void measure(struct cell_run *run) {
    struct submission how = {
        .producers = (unsigned)cell_axis_number(run, "producers"),
        .grain_ns = cell_axis_number(run, "grain_ns"),
        .batch = (unsigned)cell_axis_number(run, "batch"),
    };
    submission_measure(run, &how);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "producers", .least = 1, .most = 4096, .standard = 1},
    {.name = "grain_ns", .least = 0, .most = 1000000000, .standard = 0},
    {.name = "batch", .least = 1, .most = 4096, .standard = 1},
    {.name = "capacity", .least = 0, .most = 1 << 30, .standard = 0},
    {.name = NULL},
};

const struct cell_workload cell_throughput = {.name = "throughput", .axes = axes, .run = measure};
