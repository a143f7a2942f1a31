#include "bench/workloads/workload.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/machine.h"
#include "bench/plugin.h"

const struct cell_workload *const cell_workloads[] = {
    &cell_throughput,    &cell_contention, &cell_wait,   &cell_latency, &cell_wakeup,
    &cell_forkjoin,      &cell_metg,       &cell_sparse, &cell_memory,  &cell_lifecycle,
    &cell_oversubscribe, &cell_blocking,   NULL,
};

const struct cell_workload *cell_workload_find(const char *name) {
    for (size_t i = 0; cell_workloads[i] != NULL; i++) {
        if (strcmp(cell_workloads[i]->name, name) == 0) {
            return cell_workloads[i];
        }
    }
    return NULL;
}

/* An axis that every workload has: the allocator that was preloaded for the cell. */
static const char *const allocator_names[] = {"glibc", "jemalloc", "mimalloc", NULL};
static const struct cell_axis allocator_axis = {.name = "alloc", .choices = allocator_names};

static const struct cell_axis *find_axis(const struct cell_workload *workload, const char *name) {
    if (strcmp(name, allocator_axis.name) == 0) {
        return &allocator_axis;
    }
    for (const struct cell_axis *axis = workload->axes; axis->name != NULL; axis++) {
        if (strcmp(axis->name, name) == 0) {
            return axis;
        }
    }
    return NULL;
}

static int check_word(const struct cell_axis *axis, const json_t *value, char *error) {
    const char *word = json_string_value(value);
    for (size_t i = 0; word != NULL && axis->choices[i] != NULL; i++) {
        if (strcmp(axis->choices[i], word) == 0) {
            return 0;
        }
    }
    size_t length = (size_t)snprintf(error, CELL_ERROR_SIZE, "%s: must be one of", axis->name);
    for (size_t i = 0; axis->choices[i] != NULL && length < CELL_ERROR_SIZE; i++) {
        length += (size_t)snprintf(error + length, CELL_ERROR_SIZE - length, "%s %s",
                                   i == 0 ? "" : ",", axis->choices[i]);
    }
    return -EINVAL;
}

static int check_number(const struct cell_axis *axis, const json_t *value, char *error) {
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < axis->least || number > axis->most) {
        snprintf(error, CELL_ERROR_SIZE, "%s: must be a whole number from %lld to %lld", axis->name,
                 (long long)axis->least, (long long)axis->most);
        return -EINVAL;
    }
    return 0;
}

int cell_axes_check(const struct cell_workload *workload, const json_t *cell, char *error) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)cell, name, value) {
        if (strcmp(name, "workload") == 0) {
            continue;
        }
        const struct cell_axis *axis = find_axis(workload, name);
        if (axis == NULL) {
            snprintf(error, CELL_ERROR_SIZE, "workload %s has no axis '%s'", workload->name, name);
            return -EINVAL;
        }
        int fault = axis->choices != NULL ? check_word(axis, value, error)
                                          : check_number(axis, value, error);
        if (fault != 0) {
            return fault;
        }
    }
    return 0;
}

uint64_t cell_axis_number(const struct cell_run *run, const char *name) {
    const json_t *value = json_object_get(run->description->axes, name);
    const struct cell_axis *axis = find_axis(run->workload, name);
    if (value != NULL) {
        return (uint64_t)json_integer_value(value);
    }
    return axis == NULL ? 0 : (uint64_t)axis->standard;
}

const char *cell_axis_word(const struct cell_run *run, const char *name) {
    const char *word = json_string_value(json_object_get(run->description->axes, name));
    return word != NULL ? word : find_axis(run->workload, name)->choices[0];
}

bool cell_axis_given(const struct cell_run *run, const char *name) {
    return json_object_get(run->description->axes, name) != NULL;
}

static void describe_config(struct cell_run *run, uint64_t workers, uint64_t capacity) {
    json_t *config = run->record->config;
    json_object_set_new(config, "variant", json_string(run->description->variant));
    if (run->capabilities & WEIR_SUBJECT_ONE_THREAD_A_TASK) {
        json_object_set_new(config, "workers", json_string("one a task"));
    } else {
        json_object_set_new(config, "workers", json_integer((json_int_t)workers));
    }
    json_object_set_new(config, "capacity", json_integer((json_int_t)capacity));
    json_object_set_new(config, "settings",
                        json_string(plugin_settings(run->subject, run->description->variant)));
    json_object_set_new(config, "order", json_string(plugin_order(run->capabilities)));
    json_object_set_new(
        config, "full",
        json_string(plugin_when_full(run->subject, run->capabilities, (size_t)capacity)));
    json_t *options = json_object_get(run->description->root, "options");
    if (json_array_size(options) > 0) {
        json_object_set(config, "options", options);
    }
}

/* The allocator that the cell asks for is the one in use. */
static bool has_allocator(struct cell_run *run) {
    const char *used = machine_allocator();
    if (!cell_axis_given(run, "alloc") || strcmp(cell_axis_word(run, "alloc"), used) == 0) {
        return true;
    }
    cell_record_end(run->record, CELL_UNSUPPORTED,
                    "wrong allocator: %s is in use, %s was asked for (is its package installed?)",
                    used, cell_axis_word(run, "alloc"));
    return false;
}

bool cell_run_open(struct cell_run *run) {
    return cell_run_open_workers(run, cell_axis_number(run, "workers"));
}

bool cell_run_open_workers(struct cell_run *run, uint64_t workers) {
    uint64_t capacity = cell_axis_number(run, "capacity");
    describe_config(run, workers, capacity);
    if (!has_allocator(run)) {
        return false;
    }
    if (capacity > 0 && !(run->capabilities & WEIR_SUBJECT_BOUNDED)) {
        cell_record_end(run->record, CELL_UNSUPPORTED, "no bounded queue");
        return false;
    }
    struct weir_subject_config config = {
        .size = sizeof(config),
        .workers = (unsigned)workers,
        .capacity = (size_t)capacity,
        .config = run->subject->variants == NULL ? NULL : run->description->variant,
        .options = run->description->options,
    };
    cell_run_phase(run, "open");
    int error = run->subject->open(&config, &run->pool);
    if (error == -ENOTSUP || error == -ENOSYS) {
        cell_record_end(run->record, CELL_UNSUPPORTED, "open: %s", strerror(-error));
    } else if (error != 0) {
        cell_record_end(run->record, CELL_INVALID, "open: %s%s", strerror(-error),
                        error == -EINVAL ? " (an option the subject does not know?)" : "");
    }
    if (error != 0) {
        run->pool = NULL;
    }
    return error == 0;
}

bool cell_run_close(struct cell_run *run) {
    cell_run_phase(run, "close");
    int error = run->subject->close(run->pool);
    run->pool = NULL;
    if (error != 0) {
        cell_record_end(run->record, CELL_INVALID, "close: %s", strerror(-error));
    }
    return error == 0;
}

void cell_run_inside(struct cell_run *run, void (*body)(void *arg), void *arg) {
    if (run->subject->inside == NULL) {
        body(arg);
        return;
    }
    int error = run->subject->inside(run->pool, body, arg);
    if (error != 0) {
        cell_record_end(run->record, CELL_INVALID, "inside: %s", strerror(-error));
    }
}

int cell_run_submit(struct cell_run *run, weir_subject_fn fn, void *arg) {
    int error = run->subject->submit(run->pool, fn, arg);
    while (error == -EAGAIN && (run->capabilities & WEIR_SUBJECT_REJECTS)) {
        run->retries++;
        sched_yield();
        error = run->subject->submit(run->pool, fn, arg);
    }
    return error;
}

bool cell_run_hand_over(struct cell_run *run, weir_subject_fn fn, void *arg) {
    int error = cell_run_submit(run, fn, arg);
    if (error != 0) {
        cell_record_end(run->record, CELL_INVALID, "submit: %s", strerror(-error));
    }
    return error == 0;
}

bool cell_run_quiesce(struct cell_run *run) {
    cell_run_phase(run, "quiesce");
    int error = run->subject->quiesce(run->pool);
    if (error != 0) {
        cell_record_end(run->record, CELL_INVALID, "quiesce: %s", strerror(-error));
    }
    return error == 0;
}

bool cell_run_ledger(struct cell_run *run, size_t capacity) {
    if (ledger_init(&run->ledger, capacity) != 0) {
        cell_record_end(run->record, CELL_INVALID, "no memory for %zu tasks", capacity);
        return false;
    }
    atomic_store_explicit(&run->ledger_in_use, true, memory_order_release);
    return true;
}

void cell_run_calibrate(struct cell_run *run, uint64_t ns) {
    work_calibrate(&run->work);
    run->work_ns = ns;
}

bool cell_run_check(struct cell_run *run) {
    char reason[256];
    if (ledger_check(&run->ledger, reason, sizeof(reason))) {
        return true;
    }
    cell_record_end(run->record, CELL_FAILED, "%s", reason);
    return false;
}
