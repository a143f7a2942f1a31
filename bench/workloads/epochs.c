#include "bench/workloads/epochs.h"

#include "bench/measure/clock.h"

#define FASTEST_NS 5u /* no pool hands over a task in less */

size_t epochs_capacity(const struct cell_run *run, uint64_t least) {
    uint64_t most = run->description->measure_ns / FASTEST_NS;
    most = most < EPOCH_MAX ? most : EPOCH_MAX;
    return (size_t)((most / least + 1) * least);
}

/* A number of tasks that take about ns, by the speed of an epoch that has been. */
static uint64_t n_for(const struct epochs *epochs, const struct epoch *seen, uint64_t ns) {
    double each_ns = (double)(seen->wall_ns + 1) / (double)seen->n;
    double wanted = (double)ns / each_ns;
    wanted = wanted < (double)epochs->capacity ? wanted : (double)epochs->capacity;
    uint64_t n = (uint64_t)wanted / epochs->least * epochs->least;
    return n < epochs->least ? epochs->least : n;
}

/* Discarded: quadruples n until an epoch lasts long enough to tell the speed, then spends the
 * rest of the warm-up in one. */
static bool warm_up(struct cell_run *run, const struct epochs *epochs, struct epoch *seen) {
    uint64_t warmup_ns = run->description->warmup_ns;
    uint64_t begun = clock_now_ns();
    *seen = (struct epoch){.n = epochs->least};
    for (;;) {
        if (!epochs->run(epochs->state, seen, false)) {
            return false;
        }
        uint64_t spent_ns = clock_now_ns() - begun;
        if (spent_ns >= warmup_ns || seen->n >= epochs->capacity) {
            return true;
        }
        uint64_t left = n_for(epochs, seen, warmup_ns - spent_ns);
        uint64_t next = seen->n * 4 < left ? seen->n * 4 : left;
        *seen = (struct epoch){.n = next < epochs->capacity ? next : epochs->capacity};
    }
}

bool epochs_measure(struct cell_run *run, const struct epochs *epochs, struct epoch *total) {
    struct epoch seen;
    *total = (struct epoch){0};
    if (!warm_up(run, epochs, &seen)) {
        return false;
    }
    uint64_t measure_ns = run->description->measure_ns;
    /* Less than a tenth missing is not worth another epoch. */
    while (total->wall_ns < measure_ns - measure_ns / 10) {
        struct epoch epoch = {.n = n_for(epochs, &seen, measure_ns - total->wall_ns)};
        if (!epochs->run(epochs->state, &epoch, true)) {
            return false;
        }
        total->n += epoch.n;
        total->wall_ns += epoch.wall_ns;
        total->cpu_ns += epoch.cpu_ns;
        total->csw += epoch.csw;
        seen = epoch;
    }
    run->record->wall_ns = total->wall_ns;
    run->record->tasks = total->n;
    run->record->cpu_ns = total->cpu_ns;
    run->record->csw = total->csw;
    return true;
}
