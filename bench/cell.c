#include "bench/cell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/cell_description.h"
#include "bench/cell_record.h"
#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/noise.h"
#include "bench/measure/watchdog.h"
#include "bench/plugin.h"
#include "bench/workloads/workload.h"

enum { EXIT_OTHER = 1, EXIT_USAGE = 2 };

#define WORK_ERROR_ALLOWED 0.05

static int complain(int status, const char *what) {
    fprintf(stderr, "weir-bench cell: %s\n", what);
    return status;
}

/* The watchdog's last words. A pool that still makes progress is slow, not broken. */
static void report_hang(void *arg) {
    struct cell_run *run = arg;
    struct cell_record record;
    if (!cell_record_init(&record, run->subject)) {
        _exit(EXIT_OTHER);
    }
    json_object_set_new(record.config, "variant", json_string(run->description->variant));
    uint64_t ended = 0;
    uint64_t later = 0;
    uint64_t tasks = 0;
    if (atomic_load_explicit(&run->ledger_in_use, memory_order_acquire)) {
        /* Long enough for a worker that waits for a lock that the submitter takes again and again.
         */
        const struct timespec moment = {.tv_nsec = 100000000};
        ended = later = ledger_ended(&run->ledger);
        for (int i = 0; i < 15 && later == ended; i++) {
            nanosleep(&moment, NULL);
            later = ledger_ended(&run->ledger);
        }
        tasks = run->ledger.bytes / LEDGER_STRIDE;
    }
    const char *phase = atomic_load_explicit(&run->phase, memory_order_relaxed);
    bool moves = later != ended;
    cell_record_end(&record, moves ? CELL_INVALID : CELL_FAILED,
                    "%s: %" PRIu64 " of %" PRIu64 " tasks ended after %.1f s, during %s",
                    moves ? "out of time" : "hang", later, tasks,
                    (double)run->description->deadline_ns / 1e9, phase);
    _exit(cell_record_print(&record, STDOUT_FILENO) == 0 ? EXIT_SUCCESS : EXIT_OTHER);
}

/* Closes the pool and judges once more: a task may have run again on the way out. A pool that has
 * broken a promise is left alone; it might not come back from close. */
static void close_pool(struct cell_run *run) {
    if (run->pool == NULL || run->record->status == CELL_FAILED) {
        return;
    }
    if (cell_run_close(run) && run->record->status == CELL_OK && run->ledger.base != NULL) {
        cell_run_check(run);
    }
}

/* The watchdog has been stopped and the pool is closed: nobody looks at the ledger any more. */
static void free_ledger(struct cell_run *run) {
    if (run->pool == NULL && atomic_load_explicit(&run->ledger_in_use, memory_order_relaxed)) {
        ledger_fini(&run->ledger);
    }
}

/* What the harness itself costs each task: the ledger, and its readings of the clock. */
static void describe_probe(struct cell_run *run, double clock_ns) {
    struct cell_record *record = run->record;
    double probe_ns = ledger_cost_ns() + run->readings * clock_ns;
    json_object_set_new(record->machine, "probe_ns", json_real(probe_ns));
    if (record->tasks > 0 && record->cpu_ns > 0) {
        double share = probe_ns * (double)record->tasks / (double)record->cpu_ns;
        json_object_set_new(record->machine, "probe_share", json_real(share));
    }
}

static void describe_machine(struct cell_run *run) {
    struct cell_record *record = run->record;
    double clock_ns = clock_cost_ns();
    json_object_set_new(record->machine, "alloc", json_string(machine_allocator()));
    json_object_set_new(record->machine, "clock_ns", json_real(clock_ns));
    describe_probe(run, clock_ns);
    if (run->work_ns == 0) {
        return;
    }
    double error = work_error(&run->work, run->work_ns);
    json_object_set_new(record->machine, "work_error", json_real(error));
    if (error > WORK_ERROR_ALLOWED && record->status == CELL_OK) {
        cell_record_doubt(record, "NOISY: calibrated work is %.0f %% off", error * 100.0);
    }
}

static void add_doubt(void *arg, const char *text) {
    cell_record_doubt(arg, "%s", text);
}

/* What was seen beside the measurement, and what is not as it was when the run began. */
static void judge_noise(struct cell_run *run, struct noise *noise) {
    struct cell_record *record = run->record;
    struct noise_seen seen;
    const json_t *expect = json_object_get(run->description->root, "expect");
    bool own_hogs = cell_axis_number(run, "hogs") > 0;
    noise_stop(noise, &seen);
    json_object_set_new(record->machine, "other_cpus", json_real(seen.other_cpus));
    json_object_set_new(record->machine, "gap_ms", json_real(seen.gap_s * 1e3));
    const struct noise_setting expected = {
        .cpus = (unsigned)json_integer_value(json_object_get(expect, "cpus")),
        .clocksource = json_string_value(json_object_get(expect, "clocksource")),
        .allocator = cell_axis_given(run, "alloc")
                         ? NULL
                         : json_string_value(json_object_get(expect, "alloc")),
    };
    const struct noise_setting now = {
        .cpus = machine_cpus(),
        .clocksource = machine_clocksource(),
        .allocator = machine_allocator(),
        .clock_ns = json_number_value(json_object_get(record->machine, "clock_ns")),
        .flags = machine_flags(),
    };
    noise_judge(&seen, own_hogs, add_doubt, record);
    noise_judge_setting(&expected, &now, add_doubt, record);
    if (noise_is_unoptimised(run->description->plugin)) {
        cell_record_doubt(record, "NOISY: debug build: part of %s was compiled without -O",
                          run->subject->name);
    }
}

/* A pool that lets its submitters work, or that has to be asked again, must not look like one that
 * does neither. */
static void mark_fairness(struct cell_record *record) {
    double caller_ran = json_number_value(json_object_get(record->values, "caller_ran_share"));
    double retries = json_number_value(json_object_get(record->values, "retries"));
    if (caller_ran >= 0.005) {
        cell_record_doubt(record, "%.0f %% of the tasks ran on the thread that submits",
                          caller_ran * 100.0);
    }
    if (retries >= 1.0) {
        cell_record_doubt(record, "refused %.0f submissions, which were tried again", retries);
    }
}

static int measure(struct cell_run *run, uint64_t started_ns) {
    struct watchdog *watchdog =
        watchdog_start(started_ns + run->description->deadline_ns, report_hang, run);
    if (watchdog == NULL) {
        return complain(EXIT_OTHER, "the watchdog could not be started");
    }
    struct noise *noise = noise_start();
    run->workload->run(run);
    close_pool(run);
    describe_machine(run);
    judge_noise(run, noise);
    mark_fairness(run->record);
    watchdog_stop(watchdog);
    free_ledger(run);
    int error = cell_record_print(run->record, STDOUT_FILENO);
    if (error != 0) {
        return complain(EXIT_OTHER, strerror(-error));
    }
    if (run->record->status == CELL_FAILED) {
        _exit(EXIT_SUCCESS); /* past whatever the broken pool still does */
    }
    return EXIT_SUCCESS;
}

/* Resolves the names in the description. 0 or an exit status. */
static int resolve(struct cell_run *run) {
    const struct cell_description *d = run->description;
    char error[PLUGIN_ERROR_SIZE > CELL_ERROR_SIZE ? PLUGIN_ERROR_SIZE : CELL_ERROR_SIZE];
    run->workload = cell_workload_find(d->workload);
    if (run->workload == NULL) {
        size_t length =
            (size_t)snprintf(error, sizeof(error), "no workload '%s'; there are", d->workload);
        for (size_t i = 0; cell_workloads[i] != NULL && length < sizeof(error); i++) {
            length += (size_t)snprintf(error + length, sizeof(error) - length, "%s %s",
                                       i == 0 ? "" : ",", cell_workloads[i]->name);
        }
        return complain(EXIT_USAGE, error);
    }
    if (cell_axes_check(run->workload, d->axes, error) != 0 ||
        plugin_load(d->plugin, &run->subject, error) != 0) {
        return complain(EXIT_USAGE, error);
    }
    if (!plugin_has_variant(run->subject, d->variant)) {
        snprintf(error, sizeof(error), "subject %s has no configuration '%s'", run->subject->name,
                 d->variant);
        return complain(EXIT_USAGE, error);
    }
    run->capabilities = plugin_capabilities(run->subject, d->variant);
    return 0;
}

int cell_main(int argc, char **argv) {
    (void)argv;
    uint64_t started_ns = clock_now_ns();
    if (argc > 1) {
        return complain(EXIT_USAGE, "takes no arguments; the description comes on stdin");
    }
    struct cell_description description;
    char error[CELL_ERROR_SIZE];
    if (cell_description_read(&description, stdin, error) != 0) {
        return complain(EXIT_USAGE, error);
    }
    struct cell_record record;
    struct cell_run run = {.description = &description, .record = &record};
    cell_run_phase(&run, "start");
    int status = resolve(&run);
    if (status == 0) {
        if (cell_record_init(&record, run.subject)) {
            status = measure(&run, started_ns);
            cell_record_fini(&record);
        } else {
            status = complain(EXIT_OTHER, "out of memory");
        }
    }
    cell_description_fini(&description);
    return status;
}
