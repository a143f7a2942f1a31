/*
 * idle_cost: a pool without tasks does not burn the CPU, and wakes when a task comes.
 *
 * After some work, and the time that a pool may spin, the CPU time of the whole process is looked
 * at in several windows; a pool that is busy in all of them is busy for nothing. Only in fair
 * weather, since a storm of signals costs time itself, and only now and then, since it takes time.
 */
#include <time.h>

#include "stress/episode.h"
#include "stress/fault.h"

#define TASKS     8
#define RARELY    8 /* one episode in so many measures */
#define SPIN_NS   20000000
#define WINDOW_NS 12000000
#define WINDOWS   4

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void rest_ns(long ns) {
    struct timespec span = {.tv_nsec = ns};
    (void)nanosleep(&span, NULL);
}

/* More than half of a CPU throughout the window. */
static bool is_busy(void) {
    uint64_t wall = read_clock(CLOCK_MONOTONIC), cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    rest_ns(WINDOW_NS);
    wall = read_clock(CLOCK_MONOTONIC) - wall;
    cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    return cpu > wall / 2;
}

static void measure(struct episode *e) {
    unsigned busy = 0;
    episode_phase(e, "CPU time of an idle pool");
    rest_ns(SPIN_NS);
    for (unsigned i = 0; i < WINDOWS; i++) {
        busy += is_busy();
    }
    if (busy == WINDOWS) {
        episode_fail(e, "busy while idle", "an idle pool took more than half a CPU for %d ms",
                     WINDOWS * WINDOW_NS / 1000000);
    }
    episode_reach(e, 0, WINDOWS);
}

static void run(struct episode *e) {
    episode_open(e, 3 * TASKS);
    for (unsigned round = 0; round < 3; round++) {
        episode_phase(e, "tasks for a pool that was idle");
        for (unsigned i = 0; i < TASKS; i++) {
            (void)episode_submit(e, &e->tasks[round * TASKS + i], task_plain);
        }
        episode_settle(e);
        if (round == 0 && e->spec->fault == FAULT_NONE && episode_below(e, RARELY) == 0) {
            measure(e);
        } else {
            perturb_rest(300);
        }
    }
    episode_close(e);
    episode_check_all(e, false);
    episode_reach(e, 1, 2);
}

const struct scenario scenario_idle_cost = {
    .name = "idle_cost",
    .invariant = "a pool without tasks does not burn the CPU, and wakes when one comes",
    .reach = {"windows of idleness", "bursts after idleness"},
    .run = run,
};
