#include "bench/analyse/import.h"

#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/campaign/util.h"

/* What is being read, and the sample lines made of it so far. */
struct reading {
    char *campaign; /* the file's name */
    const char *tool;
    json_t *lines;
};

bool import_is_foreign(const char *path) {
    struct stat status;
    size_t length = strlen(path);
    return length > 5 && strcmp(path + length - 5, ".json") == 0 && stat(path, &status) == 0 &&
           S_ISREG(status.st_mode);
}

static void add_time(struct reading *reading, const char *benchmark, size_t repetition, double ns) {
    if (!(ns > 0) || !isfinite(ns)) {
        return;
    }
    char *id = text("%s-%zu", reading->campaign, json_array_size(reading->lines) + 1);
    json_array_append_new(
        reading->lines,
        must(json_pack("{s:i,s:s,s:s,s:i,s:I,s:i,s:{s:s,s:s},s:{s:s,s:s,s:s},s:{},s:s,s:s,s:{s:f},"
                       "s:{},s:[]}",
                       "schema", 1, "id", id, "campaign", reading->campaign, "shard", 0, "round",
                       (json_int_t)repetition, "position", 0, "cell", "workload", "imported",
                       "benchmark", benchmark, "subject", "name", "imported", "version", "",
                       "notes", reading->tool, "config", "status", "ok", "reason", "", "values",
                       "time_ns", ns, "hist", "validity")));
    free(id);
}

/* Nanoseconds of one unit of time; 0: no such unit. */
static double unit_ns(const char *unit, size_t length) {
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == length && strncmp(units[i].name, unit, length) == 0) {
            return units[i].ns;
        }
    }
    return 0;
}

static const char *string_in(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* ---- Google Benchmark: an entry for each repetition, and aggregates ---- */

static char *read_google(struct reading *reading, const json_t *root) {
    size_t i;
    json_t *entry;
    reading->tool = "Google Benchmark";
    json_array_foreach(json_object_get(root, "benchmarks"), i, entry) {
        if (strcmp(string_in(entry, "run_type"), "aggregate") == 0 ||
            json_is_true(json_object_get(entry, "error_occurred"))) {
            continue;
        }
        const char *unit = string_in(entry, "time_unit");
        const char *name = string_in(entry, "run_name");
        double ns = unit_ns(unit, strlen(unit));
        if (ns == 0 || !json_is_number(json_object_get(entry, "real_time"))) {
            return text("benchmark '%s' has no real_time in a known time_unit",
                        string_in(entry, "name"));
        }
        add_time(reading, name[0] ? name : string_in(entry, "name"),
                 (size_t)json_integer_value(json_object_get(entry, "repetition_index")),
                 json_number_value(json_object_get(entry, "real_time")) * ns);
    }
    return NULL;
}

/* ---- JMH: raw data of forks and iterations ---- */

/* Time of one operation from a score in "ns/op" or "ops/ms"; NaN for other units. */
static double jmh_ns(double score, const char *unit) {
    const char *slash = strchr(unit, '/');
    if (!slash) {
        return NAN;
    }
    if (strcmp(slash, "/op") == 0) {
        double ns = unit_ns(unit, (size_t)(slash - unit));
        return ns > 0 ? score * ns : NAN;
    }
    double ns = strncmp(unit, "ops/", 4) == 0 ? unit_ns(slash + 1, strlen(slash + 1)) : 0;
    return ns > 0 ? ns / score : NAN;
}

/* "pkg.Class.method (threads=4, size=10)". */
static char *jmh_name(const json_t *entry) {
    char *name = text("%s", string_in(entry, "benchmark"));
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(entry, "params"), key, value) {
        char *longer =
            text("%s %s=%s", name, key, string_in(json_object_get(entry, "params"), key));
        free(name);
        name = longer;
    }
    return name;
}

static char *read_jmh(struct reading *reading, const json_t *root) {
    size_t i;
    json_t *entry;
    reading->tool = "JMH";
    json_array_foreach((json_t *)(uintptr_t)root, i, entry) {
        const json_t *metric = json_object_get(entry, "primaryMetric");
        const char *unit = string_in(metric, "scoreUnit");
        char *name = jmh_name(entry);
        size_t repetition = 0;
        size_t f;
        json_t *fork;
        json_array_foreach(json_object_get(metric, "rawData"), f, fork) {
            size_t s;
            json_t *score;
            json_array_foreach(fork, s, score) {
                double ns = jmh_ns(json_number_value(score), unit);
                if (isnan(ns)) {
                    free(name);
                    return text("a score in '%s' is no time", unit);
                }
                add_time(reading, name, repetition++, ns);
            }
        }
        free(name);
    }
    return NULL;
}

/* ---- hyperfine: a list of times for each command ---- */

static char *read_hyperfine(struct reading *reading, const json_t *root) {
    const json_t *results = json_object_get(root, "results");
    bool alone = json_array_size(results) == 1;
    size_t i;
    json_t *entry;
    reading->tool = "hyperfine";
    json_array_foreach(results, i, entry) {
        size_t t;
        json_t *seconds;
        /* Alone in its file, a command is compared with the other file's, whatever it is called. */
        const char *name = alone ? "the command" : string_in(entry, "command");
        json_array_foreach(json_object_get(entry, "times"), t, seconds) {
            add_time(reading, name, t, json_number_value(seconds) * 1e9);
        }
    }
    return NULL;
}

static char *read_any(struct reading *reading, const json_t *root) {
    if (json_is_array(json_object_get(root, "benchmarks"))) {
        return read_google(reading, root);
    }
    if (json_is_array(json_object_get(root, "results"))) {
        return read_hyperfine(reading, root);
    }
    if (json_is_object(json_object_get(json_array_get(root, 0), "primaryMetric"))) {
        return read_jmh(reading, root);
    }
    return text("it is not the JSON of Google Benchmark, JMH or hyperfine");
}

int import_load(struct run *run, const char *path, char **error) {
    json_error_t at;
    json_t *root = json_load_file(path, 0, &at);
    if (!root) {
        *error = text("%s: line %d: %s", path, at.line, at.text);
        return -EBADMSG;
    }
    char *copy = text("%s", path);
    struct reading reading = {text("%s", basename(copy)), "", must(json_array())};
    char *fault = read_any(&reading, root);
    if (!fault && json_array_size(reading.lines) == 0) {
        fault = text("it holds no times");
    }
    if (fault) {
        *error = text("%s: %s", path, fault);
    } else {
        run_from_lines(run, path, reading.lines);
    }
    int result = fault ? -EBADMSG : 0;
    free(fault);
    free(copy);
    free(reading.campaign);
    json_decref(reading.lines);
    json_decref(root);
    return result;
}
