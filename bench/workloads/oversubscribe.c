/*
 * oversubscribe: more threads than CPUs, of the pool's own (workers) or of somebody else's (hogs:
 * processes that compute all the time). A closed loop keeps four tasks a worker outstanding, each
 * of 20 us of work, and times each from its submission to its end.
 *
 *   kept = work done a second / CPUs: the share of the machine that became work
 */
#include "bench/workloads/workload.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure/clock.h"
#include "bench/measure/histogram.h"
#include "bench/measure/machine.h"
#include "bench/measure/usage.h"
#include "bench/workloads/epochs.h"

#define GRAIN_NS       20000u
#define TASKS_A_WORKER 4u
#define HOGS_MAX       64u

struct turn {
    struct ledger_slot slot;
    uint64_t submitted_ns;
    uint64_t ended_ns;
};

static struct crowd {
    struct cell_run *run;
    uint64_t steps;
    sem_t room; /* tasks that may be submitted now */
    size_t window;
    struct histogram *response;
    pid_t hogs[HOGS_MAX];
    size_t hogs_n;
} crowd;

static void run_turn(void *arg) {
    struct turn *turn = arg;
    if (!ledger_begin(&crowd.run->ledger, arg)) {
        return;
    }
    work_do(crowd.steps);
    turn->ended_ns = clock_now_ns();
    ledger_end(&turn->slot);
    sem_post(&crowd.room);
}

static _Noreturn void hog(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent) {
        work_do(1u << 20);
    }
    _exit(0);
}

static bool start_hogs(struct cell_run *run, size_t n) {
    pid_t parent = getpid();
    for (; crowd.hogs_n < n; crowd.hogs_n++) {
        pid_t child = fork();
        if (child == 0) {
            hog(parent);
        }
        if (child < 0) {
            cell_record_end(run->record, CELL_INVALID, "no outside load: fork: %s",
                            strerror(errno));
            return false;
        }
        crowd.hogs[crowd.hogs_n] = child;
    }
    return true;
}

static void stop_hogs(void) {
    while (crowd.hogs_n > 0) {
        pid_t child = crowd.hogs[--crowd.hogs_n];
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

static bool run_epoch(void *state, struct epoch *epoch, bool measured) {
    struct cell_run *run = state;
    ledger_reset(&run->ledger, (size_t)epoch->n);
    sem_init(&crowd.room, 0, (unsigned)crowd.window);
    cell_run_phase(run, "submit");
    struct usage before = usage_now();
    uint64_t begun_ns = clock_now_ns();
    for (size_t i = 0; i < epoch->n; i++) {
        struct turn *turn = ledger_argument(&run->ledger, i);
        while (sem_wait(&crowd.room) != 0) {
            /* a signal came between */
        }
        turn->submitted_ns = clock_now_ns();
        if (!cell_run_hand_over(run, run_turn, turn)) {
            return false;
        }
    }
    if (!cell_run_quiesce(run)) {
        return false;
    }
    epoch->wall_ns = clock_now_ns() - begun_ns;
    struct usage used = usage_since(before);
    epoch->cpu_ns = used.cpu_ns;
    epoch->csw = used.csw;
    for (size_t i = 0; measured && i < epoch->n; i++) {
        const struct turn *turn = ledger_argument(&run->ledger, i);
        histogram_record(crowd.response, turn->ended_ns - turn->submitted_ns);
    }
    return cell_run_check(run);
}

static void report(struct cell_run *run, const struct epoch *total) {
    struct cell_record *record = run->record;
    double rate = (double)total->n * 1e9 / (double)total->wall_ns;
    cell_record_value(record, "tasks_per_s", rate);
    cell_record_value(record, "kept", rate * GRAIN_NS / 1e9 / machine_cpus());
    cell_record_value(record, "response_ns", histogram_mean(crowd.response));
    cell_record_value(record, "csw_per_task", (double)total->csw / (double)total->n);
    cell_record_histogram(record, "response", crowd.response);
    run->readings = 2.0;
}

static void measure_epochs(void *arg) {
    struct cell_run *run = arg;
    struct epochs epochs = {
        .least = 1, .capacity = run->ledger.capacity, .run = run_epoch, .state = run};
    struct epoch total;
    if (epochs_measure(run, &epochs, &total)) {
        report(run, &total);
    }
}

static void measure(struct cell_run *run) {
    crowd = (struct crowd){.run = run, .response = histogram_new()};
    crowd.window = (size_t)cell_axis_number(run, "workers") * TASKS_A_WORKER;
    ledger_thread_submits();
    cell_run_calibrate(run, GRAIN_NS); /* before the outside load begins */
    crowd.steps = work_steps(&run->work, GRAIN_NS);
    size_t capacity = (size_t)(run->description->measure_ns / GRAIN_NS + 1) * machine_cpus() + 64;
    capacity = capacity < EPOCH_MAX ? capacity : EPOCH_MAX;
    if (crowd.response == NULL) {
        cell_record_end(run->record, CELL_INVALID, "no memory for a histogram");
    } else if (cell_run_ledger(run, capacity) && cell_run_open(run) &&
               start_hogs(run, (size_t)cell_axis_number(run, "hogs"))) {
        cell_run_inside(run, measure_epochs, run);
    }
    stop_hogs();
    histogram_free(crowd.response);
}

static const struct cell_axis axes[] = {
    {.name = "workers", .least = 1, .most = 4096, .standard = 1},
    {.name = "hogs", .least = 0, .most = HOGS_MAX, .standard = 0},
    {.name = NULL},
};

const struct cell_workload cell_oversubscribe = {
    .name = "oversubscribe", .axes = axes, .run = measure};
