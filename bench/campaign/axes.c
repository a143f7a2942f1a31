#include "bench/campaign/axes.h"
#include "bench/campaign/nearest.h"
#include "bench/campaign/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 4096

const struct axis axes[] = {
    {.name = "workers",
     .unit = "",
     .help = "threads of the pool",
     .least = 1,
     .most = WORKERS_MAX,
     .standard = -1},
    {.name = "producers",
     .unit = "",
     .help = "threads that submit",
     .least = 1,
     .most = WORKERS_MAX,
     .standard = 1},
    {.name = "grain_ns",
     .unit = "ns",
     .help = "calibrated work in each task",
     .least = 0,
     .most = 1000000000,
     .standard = 1000},
    {.name = "batch",
     .unit = "",
     .help = "tasks handed over by one call (1: submit)",
     .least = 1,
     .most = 4096,
     .standard = 1},
    {.name = "capacity",
     .unit = "",
     .help = "bound of the pool's queue (0: the pool's default)",
     .least = 0,
     .most = 1 << 30,
     .standard = 0},
    {.name = "pattern",
     .help = "how the caller waits for a result",
     .choices = {"block", "timed", "poll", "callback", "any", "all", "nested", "signal"}},
    {.name = "window",
     .unit = "",
     .help = "results outstanding at a time",
     .least = 1,
     .most = 65536,
     .standard = 1},
    {.name = "arrivals",
     .help = "gaps between submissions",
     .choices = {"poisson", "constant", "burst"}},
    {.name = "service",
     .help = "length of the tasks",
     .choices = {"constant", "exponential", "bimodal", "pareto"}},
    {.name = "service_ns",
     .unit = "ns",
     .help = "mean length of the tasks",
     .least = 100,
     .most = 1000000000,
     .standard = 20000},
    {.name = "utilisation",
     .unit = "%",
     .help = "load, of what the workers can carry",
     .least = 1,
     .most = 150,
     .standard = 80},
    {.name = "rate_per_s",
     .option = "rate",
     .unit = "/s",
     .help = "submissions per second, instead of utilisation",
     .least = 1,
     .most = 100000000,
     .standard = 1000,
     .optional = true},
    {.name = "notify",
     .help = "who is told that a task has ended: nobody, a callback, or a thread that waits for "
             "its future",
     .choices = {"none", "callback", "future"},
     .optional = true},
    {.name = "gap_ns",
     .unit = "ns",
     .help = "time without a task before each",
     .least = 1000,
     .most = 1000000000,
     .standard = 1000000},
    {.name = "kernel", .help = "what is computed", .choices = {"fib", "nqueens", "uts", "skynet"}},
    {.name = "n",
     .unit = "",
     .help = "size of the kernel (0: its standard)",
     .least = 0,
     .most = 1048576,
     .standard = 0},
    {.name = "efficiency",
     .unit = "%",
     .help = "share of the workers' time that must be work",
     .least = 5,
     .most = 99,
     .standard = 50},
    {.name = "tasks_per_s",
     .unit = "tasks/s",
     .help = "what little there is to do",
     .least = 0,
     .most = 100000,
     .standard = 100},
    {.name = "queued",
     .unit = "",
     .help = "tasks behind the workers' backs",
     .least = 1,
     .most = 10000000,
     .standard = 100000},
    {.name = "tasks",
     .unit = "",
     .help = "tasks in the life of a pool",
     .least = 0,
     .most = 100000,
     .standard = 0},
    {.name = "hogs",
     .unit = "",
     .help = "processes beside the pool that compute all the time",
     .least = 0,
     .most = 64,
     .standard = 0},
    {.name = "share",
     .unit = "%",
     .help = "of the tasks that sleep",
     .least = 0,
     .most = 100,
     .standard = 10},
    {.name = "sleep_ns",
     .unit = "ns",
     .help = "how long they sleep",
     .least = 1000,
     .most = 1000000000,
     .standard = 1000000},
    {.name = "alloc",
     .help = "allocator, preloaded into the measured process (none given: the one that is linked)",
     .choices = {"glibc", "jemalloc", "mimalloc"},
     .optional = true},
};
const size_t axes_n = sizeof axes / sizeof axes[0];

const struct workload workloads[] = {
    {.name = "throughput",
     .help = "tasks per second from outside producers",
     .metric = "tasks_per_s",
     .unit = "tasks/s",
     .higher_is_better = true,
     .column = "workers",
     .axes = {"grain_ns", "batch", "capacity", "producers", "workers", "alloc"}},
    {.name = "contention",
     .help = "empty tasks, producers against workers on the queue",
     .metric = "tasks_per_s",
     .unit = "tasks/s",
     .higher_is_better = true,
     .column = "workers",
     .axes = {"capacity", "producers", "workers", "alloc"}},
    {.name = "wait",
     .help = "round trips from submission to the result, by way of waiting",
     .metric = "round_trips_per_s",
     .unit = "round trips/s",
     .higher_is_better = true,
     .axes = {"workers", "window", "pattern", "alloc"},
     .figures = {{"p50", "round_trip", 0.5, SHAPE_DURATION},
                 {"p99", "round_trip", 0.99, SHAPE_DURATION},
                 {"CPU each", "cpu_ns_per_round_trip", 0, SHAPE_DURATION}}},
    {.name = "latency",
     .help = "open loop: from the intended start to the end of each task",
     .metric = "total",
     .quantiles = {0.99, 0.90, 0.50},
     .unit = "ns",
     .shape = SHAPE_DURATION,
     .only_quantiles = true,
     .measure_factor = 5,
     .axes = {"workers", "arrivals", "service", "service_ns", "utilisation", "rate_per_s", "notify",
              "alloc"},
     .figures = {{"p50", "total", 0.5, SHAPE_DURATION},
                 {"p90", "total", 0.9, SHAPE_DURATION},
                 {"p99", "total", 0.99, SHAPE_DURATION},
                 {"p99.9", "total", 0.999, SHAPE_DURATION},
                 {"generator p99", "lag", 0.99, SHAPE_DURATION},
                 {"utilisation", "utilisation", 0, SHAPE_PERCENT},
                 {"achieved/s", "achieved_per_s", 0, SHAPE_COUNT}}},
    {.name = "wakeup",
     .help = "an idle pool: from the submission to the start of the only task",
     .metric = "start_p50_ns",
     .unit = "start p50",
     .shape = SHAPE_DURATION,
     .measure_factor = 2,
     .axes = {"workers", "gap_ns", "alloc"},
     .figures = {{"start p99", "start", 0.99, SHAPE_DURATION},
                 {"round trip p50", "round_trip", 0.5, SHAPE_DURATION},
                 {"p99", "round_trip", 0.99, SHAPE_DURATION},
                 {"switches each", "csw_per_wakeup", 0, SHAPE_COUNT}}},
    {.name = "forkjoin",
     .help = "recursive kernels in each pool's own idiom, against the same without a pool",
     .metric = "kernel_ns",
     .unit = "time",
     .shape = SHAPE_DURATION,
     .axes = {"kernel", "n", "workers", "alloc"},
     .figures = {{"T1/Ts", "overhead", 0, SHAPE_RATIO},
                 {"Ts/Tp", "speedup", 0, SHAPE_RATIO},
                 {"a spawn", "ns_per_spawn", 0, SHAPE_DURATION}}},
    {.name = "metg",
     .help = "the smallest task with which the workers' time is still well used",
     .metric = "metg_ns",
     .unit = "METG",
     .shape = SHAPE_DURATION,
     .measure_factor = 10,
     .patience = 50,
     .axes = {"workers", "efficiency", "alloc"},
     .figures = {{"overhead a task", "overhead_ns", 0, SHAPE_DURATION}}},
    {.name = "sparse",
     .help = "what a pool costs that has next to nothing to do",
     .metric = "cpu_percent",
     .floor = 0.01, /* 25 us in a quarter of a second: as much as reading the usage may cost */
     .unit = "CPU",
     .shape = SHAPE_PERCENT,
     .measure_factor = 5,
     .axes = {"workers", "tasks_per_s", "alloc"},
     .figures = {{"wake-ups/s", "wakeups_per_s", 0, SHAPE_COUNT},
                 {"CPU a task", "cpu_ns_per_task", 0, SHAPE_DURATION}}},
    {.name = "memory",
     .help = "what a queued task and an idle pool take",
     .metric = "bytes_per_task",
     .unit = "RSS a task",
     .shape = SHAPE_BYTES,
     .axes = {"workers", "queued", "alloc"},
     .figures = {{"in use a task", "live_bytes_per_task", 0, SHAPE_BYTES},
                 {"calls a task", "allocations_per_task", 0, SHAPE_COUNT},
                 {"idle pool", "idle_rss_bytes", 0, SHAPE_BYTES},
                 {"jemalloc a task", "jemalloc_bytes_per_task", 0, SHAPE_BYTES}}},
    {.name = "lifecycle",
     .help = "open, a few tasks, close",
     .metric = "life_ns",
     .unit = "a life",
     .shape = SHAPE_DURATION,
     .axes = {"tasks", "workers", "alloc"},
     .figures = {{"create p50", "create", 0.5, SHAPE_DURATION},
                 {"destroy p50", "destroy", 0.5, SHAPE_DURATION}}},
    {.name = "oversubscribe",
     .help = "more threads than CPUs, the pool's own or somebody else's",
     .metric = "tasks_per_s",
     .unit = "tasks/s",
     .higher_is_better = true,
     .measure_factor = 2,
     .axes = {"hogs", "workers", "alloc"},
     .figures = {{"kept", "kept", 0, SHAPE_SHARE},
                 {"p50", "response", 0.5, SHAPE_DURATION},
                 {"p99", "response", 0.99, SHAPE_DURATION},
                 {"p99.9", "response", 0.999, SHAPE_DURATION}}},
    {.name = "blocking",
     .help = "a bag of tasks of which a share sleeps",
     .metric = "completion_ns",
     .unit = "100 tasks",
     .shape = SHAPE_DURATION,
     .measure_factor = 2,
     .axes = {"share", "sleep_ns", "workers", "alloc"},
     .figures = {{"over ideal", "over_ideal", 0, SHAPE_RATIO},
                 {"over fixed", "over_fixed", 0, SHAPE_RATIO},
                 {"CPU a task", "cpu_ns_per_task", 0, SHAPE_DURATION}}},
    /* The last one is no workload but a benchmark of another tool: see analyse/import.h. */
    {.name = "imported",
     .help = "benchmarks of another tool",
     .metric = "time_ns",
     .unit = "time",
     .shape = SHAPE_DURATION},
};
const size_t workloads_n = sizeof workloads / sizeof workloads[0] - 1;

const struct axis *axis_find(const char *name) {
    for (size_t i = 0; i < axes_n; i++) {
        if (strcmp(axes[i].name, name) == 0) {
            return &axes[i];
        }
    }
    return NULL;
}

const struct workload *workload_find(const char *name) {
    for (size_t i = 0; name && i <= workloads_n; i++) {
        if (strcmp(workloads[i].name, name) == 0) {
            return &workloads[i];
        }
    }
    return NULL;
}

bool workload_has(const struct workload *workload, const char *axis) {
    for (size_t i = 0; workload->axes[i]; i++) {
        if (strcmp(workload->axes[i], axis) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *parse_word(const struct axis *axis, const char *word, char **error) {
    size_t n = 0;
    while (axis->choices[n]) {
        if (strcmp(axis->choices[n], word) == 0) {
            return must(json_string(word));
        }
        n++;
    }
    *error = text("%s: no value '%s'; did you mean '%s'?", axis->name, word,
                  nearest_name(word, axis->choices, n));
    return NULL;
}

static json_t *parse_number(const struct axis *axis, const char *word, char **error) {
    char *end;
    errno = 0;
    long long value = strtoll(word, &end, 10);
    if (*word == '\0' || *end != '\0') {
        *error = text("%s: '%s' is not a whole number; did you mean '%lld'?", axis->name, word,
                      value < axis->least ? (long long)axis->least : value);
        return NULL;
    }
    if (errno != 0 || value < axis->least || value > axis->most) {
        bool high = value > axis->most;
        *error = text("%s: %s is out of range; the nearest valid value is %lld", axis->name, word,
                      (long long)(high ? axis->most : axis->least));
        return NULL;
    }
    return must(json_integer(value));
}

json_t *axis_parse(const struct axis *axis, const char *list, char **error) {
    json_t *values = must(json_array());
    char *copy = text("%s", list);
    char *rest = copy;
    char *word;
    while ((word = strsep(&rest, ",")) != NULL) {
        json_t *value =
            axis->choices[0] ? parse_word(axis, word, error) : parse_number(axis, word, error);
        if (!value) {
            json_decref(values);
            values = NULL;
            break;
        }
        json_array_append_new(values, value);
    }
    free(copy);
    return values;
}

json_t *axis_default(const struct axis *axis, unsigned cpus) {
    if (axis->choices[0]) {
        return must(json_string(axis->choices[0]));
    }
    return must(json_integer(axis->standard < 0 ? cpus : axis->standard));
}

char *cell_key(const json_t *cell) {
    return must(json_dumps(cell, JSON_COMPACT | JSON_SORT_KEYS));
}

static int rank_of(const json_t *cell) {
    const struct workload *workload =
        workload_find(json_string_value(json_object_get(cell, "workload")));
    return workload ? (int)(workload - workloads) : (int)workloads_n + 1;
}

static int choice_rank(const struct axis *axis, const char *word) {
    int i = 0;
    while (axis->choices[i] && strcmp(axis->choices[i], word) != 0) {
        i++;
    }
    return i;
}

static int value_order(const struct axis *axis, const json_t *a, const json_t *b) {
    if (json_is_string(a) && json_is_string(b)) {
        return choice_rank(axis, json_string_value(a)) - choice_rank(axis, json_string_value(b));
    }
    double x = json_number_value(a);
    double y = json_number_value(b);
    return (x > y) - (x < y);
}

int cell_order(const json_t *a, const json_t *b) {
    int by_workload = rank_of(a) - rank_of(b);
    if (by_workload != 0 || rank_of(a) >= (int)workloads_n) {
        return by_workload;
    }
    const struct workload *workload = &workloads[rank_of(a)];
    for (size_t i = 0; workload->axes[i]; i++) {
        const char *name = workload->axes[i];
        int order =
            value_order(axis_find(name), json_object_get(a, name), json_object_get(b, name));
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

char *axis_value_text(const struct axis *axis, const json_t *value) {
    if (json_is_string(value)) {
        return text("%s", json_string_value(value));
    }
    long long n = json_integer_value(value);
    if (strcmp(axis->name, "capacity") == 0 && n == 0) {
        return text("unbounded");
    }
    if (strcmp(axis->unit, "ns") == 0) {
        return n != 0 && n % 1000000 == 0 ? text("%lld ms", n / 1000000)
               : n != 0 && n % 1000 == 0  ? text("%lld µs", n / 1000)
                                          : text("%lld ns", n);
    }
    return axis->unit[0] ? text("%lld %s", n, axis->unit) : text("%lld", n);
}

char *axis_phrase(const char *name, const json_t *cell) {
    const struct axis *axis = axis_find(name);
    const json_t *value = json_object_get(cell, name);
    if (!axis || !value) {
        return text("%s", "");
    }
    char *shown = axis_value_text(axis, value);
    char *phrase;
    if (strcmp(name, "workers") == 0 || strcmp(name, "producers") == 0) {
        int length = (int)strlen(name) - (json_integer_value(value) == 1 ? 1 : 0);
        phrase = text("%s %.*s", shown, length, name);
    } else if (strcmp(name, "pattern") == 0) {
        phrase = text("%s", shown);
    } else if (strcmp(name, "arrivals") == 0) {
        phrase = text("%s arrivals", shown);
    } else if (strcmp(name, "service") == 0) {
        phrase = text("%s service", shown);
    } else if (strcmp(name, "grain_ns") == 0) {
        phrase = text("grain %s", shown);
    } else if (strcmp(name, "service_ns") == 0) {
        phrase = text("of %s", shown);
    } else if (strcmp(name, "utilisation") == 0) {
        phrase = text("%s load", shown);
    } else if (strcmp(name, "rate_per_s") == 0 || strcmp(name, "kernel") == 0 ||
               strcmp(name, "tasks_per_s") == 0) {
        phrase = text("%s", shown);
    } else if (strcmp(name, "queued") == 0 || strcmp(name, "tasks") == 0) {
        phrase = text("%s tasks%s", shown, name[0] == 'q' ? " queued" : "");
    } else if (strcmp(name, "hogs") == 0) {
        phrase = text("%s hogs", shown);
    } else if (strcmp(name, "efficiency") == 0) {
        phrase = text("at %s", shown);
    } else if (strcmp(name, "share") == 0) {
        phrase = text("%s sleep", shown);
    } else if (strcmp(name, "sleep_ns") == 0) {
        phrase = text("for %s", shown);
    } else if (strcmp(name, "gap_ns") == 0) {
        phrase = text("gap %s", shown);
    } else {
        phrase = text("%s %s", name, shown);
    }
    free(shown);
    return phrase;
}

char *cell_name(const json_t *cell) {
    const char *workload_name = json_string_value(json_object_get(cell, "workload"));
    const struct workload *workload = workload_find(workload_name);
    char *name = text("%s", workload_name ? workload_name : "?");
    for (size_t i = 0; workload && workload->axes[i]; i++) {
        const json_t *value = json_object_get(cell, workload->axes[i]);
        if (value) {
            char *longer = json_is_string(value)
                               ? text("%s/%s:%s", name, workload->axes[i], json_string_value(value))
                               : text("%s/%s:%lld", name, workload->axes[i],
                                      (long long)json_integer_value(value));
            free(name);
            name = longer;
        }
    }
    return name;
}

char *cell_phrase(const json_t *cell) {
    const char *name = json_string_value(json_object_get(cell, "workload"));
    const struct workload *workload = workload_find(name);
    const char *benchmark = json_string_value(json_object_get(cell, "benchmark"));
    char *phrase = text("%s", benchmark ? benchmark : name ? name : "?");
    for (size_t i = 0; workload && workload->axes[i]; i++) {
        if (!json_object_get(cell, workload->axes[i])) {
            continue;
        }
        char *part = axis_phrase(workload->axes[i], cell);
        char *longer = text("%s%s%s", phrase, i == 0 ? ": " : ", ", part);
        free(part);
        free(phrase);
        phrase = longer;
    }
    return phrase;
}
