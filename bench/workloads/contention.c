/* contention: producers against workers on the queue alone; the tasks are empty. */
#include "bench/workloads/submission.h"

static void measure(struct cell_run *run) {
    struct submission how = {
        .producers = (unsigned)cell_axis_number(run, "producers"),
        .batch = 1,
        .compare_shares = true,
    };
    submission_measure(run, &how);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "producers", .least = 1, .most = 4096, .standard = 1},
    {.name = "capacity", .least = 0, .most = 1 << 30, .standard = 0},
    {.name = NULL},
};

const struct cell_workload cell_contention = {.name = "contention", .axes = axes, .run = measure};
