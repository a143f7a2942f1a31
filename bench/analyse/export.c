#include "bench/analyse/export.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/campaign/util.h"

static const char *string_in(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static char *scalar_text(const json_t *value) {
    return json_is_string(value)    ? text("%s", json_string_value(value))
           : json_is_integer(value) ? text("%lld", (long long)json_integer_value(value))
           : json_is_real(value)    ? text("%.17g", json_real_value(value))
                                    : text("%s", "");
}

double export_time_ns(const struct sample *sample, const struct cell_group *group) {
    const struct workload *workload = group->workload;
    const json_t *values = json_object_get(sample->json, "values");
    double tasks = json_number_value(json_object_get(sample->json, "tasks"));
    double wall_ns = json_number_value(json_object_get(sample->json, "wall_ns"));
    double each_ns = tasks > 0 && wall_ns > 0 ? wall_ns / tasks : NAN;
    if (!workload) {
        return each_ns;
    }
    struct metric metric = metric_of(group);
    double figure = sample_figure(sample, &metric);
    if (workload->quantiles[0] > 0) {
        return figure;
    }
    figure = json_number_value(json_object_get(values, workload->metric));
    return workload->higher_is_better && figure > 0 ? 1e9 / figure
           : workload->shape == SHAPE_DURATION      ? figure
                                                    : each_ns;
}

/* A cell's axes in the order of tables; then any that this version does not know. */
static void each_axis(const struct sample *sample,
                      void (*visit)(void *state, const char *axis, const json_t *value),
                      void *state) {
    const struct workload *workload = workload_find(string_in(sample->cell, "workload"));
    for (size_t i = 0; workload && workload->axes[i]; i++) {
        const json_t *value = json_object_get(sample->cell, workload->axes[i]);
        if (value) {
            visit(state, workload->axes[i], value);
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)sample->cell, key, value) {
        if (strcmp(key, "workload") != 0 && (!workload || !workload_has(workload, key))) {
            visit(state, key, value);
        }
    }
}

struct naming {
    char *name;
    char between;
};

static void append_axis(void *state, const char *axis, const json_t *value) {
    struct naming *naming = state;
    char *shown = scalar_text(value);
    char *longer = text("%s/%s%c%s", naming->name, axis, naming->between, shown);
    free(naming->name);
    free(shown);
    naming->name = longer;
}

char *export_name(const struct sample *sample, char between) {
    struct naming naming = {text("%s", string_in(sample->cell, "workload")), between};
    each_axis(sample, append_axis, &naming);
    char *whole = text("%s/pool%c%s", naming.name, between, sample->label);
    free(naming.name);
    return whole;
}

/* ---- CSV ---------------------------------------------------------------------------------- */

/* Fields with a comma, a quote or a line break are quoted (RFC 4180). */
static void put_field(FILE *out, const char *field, bool first) {
    fputs(first ? "" : ",", out);
    if (!strpbrk(field, ",\"\r\n")) {
        fputs(field, out);
        return;
    }
    fputc('"', out);
    for (; *field; field++) {
        fputs(*field == '"' ? "\"\"" : (char[]){*field, '\0'}, out);
    }
    fputc('"', out);
}

static void put_scalar(FILE *out, const json_t *value) {
    char *field = scalar_text(value);
    put_field(out, field, false);
    free(field);
}

/* Sorted names of all members that any sample has in an object such as "values". */
static json_t *names_in(const struct run *run, const char *object) {
    json_t *set = must(json_object());
    for (size_t i = 0; i < run->n; i++) {
        const char *key;
        json_t *value;
        json_object_foreach(json_object_get(run->samples[i].json, object), key, value) {
            json_object_set_new(set, key, json_true());
        }
    }
    json_object_del(set, "workload");
    return set;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of the set in order; they live in the set. */
static const char **sorted(json_t *set, size_t *n) {
    const char **names = must_array(json_object_size(set), sizeof *names);
    const char *key;
    json_t *value;
    *n = 0;
    json_object_foreach(set, key, value) {
        names[(*n)++] = key;
    }
    if (*n > 1) {
        qsort(names, *n, sizeof *names, by_name);
    }
    return names;
}

static const double csv_quantiles[] = {0.5, 0.9, 0.99, 0.999};
#define CSV_QUANTILES (sizeof csv_quantiles / sizeof csv_quantiles[0])

static const char *const csv_whole[] = {"id",       "campaign", "shard",  "round",
                                        "position", "aa",       "status", "reason",
                                        "wall_ns",  "tasks",    "cpu_ns", "csw"};
#define CSV_WHOLE (sizeof csv_whole / sizeof csv_whole[0])

struct columns {
    size_t axes_n, values_n, hists_n;
    const char **axes, **values, **hists;
};

static void put_head(FILE *out, const struct columns *c) {
    for (size_t i = 0; i < CSV_WHOLE; i++) {
        put_field(out, csv_whole[i], i == 0);
    }
    fputs(",host,subject,version,variant,workload", out);
    for (size_t i = 0; i < c->axes_n; i++) {
        fprintf(out, ",cell.%s", c->axes[i]); /* a value may have the name of an axis */
    }
    for (size_t i = 0; i < c->values_n; i++) {
        put_field(out, c->values[i], false);
    }
    for (size_t i = 0; i < c->hists_n; i++) {
        fprintf(out, ",%s_count", c->hists[i]);
        for (size_t q = 0; q < CSV_QUANTILES; q++) {
            fprintf(out, ",%s_p%g_ns", c->hists[i], 100 * csv_quantiles[q]);
        }
    }
    fputs(",doubts\r\n", out);
}

/* A quantile only where 100 samples lie beyond it, as everywhere. */
static void put_histogram(FILE *out, const json_t *stored) {
    struct histogram *h = stored ? histogram_from_json(stored) : NULL;
    if (h) {
        fprintf(out, ",%llu", (unsigned long long)h->count);
    } else {
        fputc(',', out);
    }
    for (size_t q = 0; q < CSV_QUANTILES; q++) {
        if (h && histogram_resolves(h, csv_quantiles[q])) {
            fprintf(out, ",%llu", (unsigned long long)histogram_quantile(h, csv_quantiles[q]));
        } else {
            fputc(',', out);
        }
    }
    histogram_free(h);
}

static void put_doubts(FILE *out, const json_t *validity) {
    char *all = text("%s", "");
    for (size_t i = 0; i < json_array_size(validity); i++) {
        const char *doubt = json_string_value(json_array_get(validity, i));
        char *longer = text("%s%s%s", all, i ? "; " : "", doubt ? doubt : "");
        free(all);
        all = longer;
    }
    put_field(out, all, false);
    free(all);
}

static void put_row(FILE *out, const struct sample *sample, const struct columns *c) {
    for (size_t i = 0; i < CSV_WHOLE; i++) {
        char *field = scalar_text(json_object_get(sample->json, csv_whole[i]));
        put_field(out, field, i == 0);
        free(field);
    }
    const json_t *subject = json_object_get(sample->json, "subject");
    put_field(out, string_in(sample->json, "host"), false);
    put_field(out, string_in(subject, "name"), false);
    put_field(out, string_in(subject, "version"), false);
    put_field(out, string_in(json_object_get(sample->json, "config"), "variant"), false);
    put_field(out, string_in(sample->cell, "workload"), false);
    for (size_t i = 0; i < c->axes_n; i++) {
        put_scalar(out, json_object_get(sample->cell, c->axes[i]));
    }
    for (size_t i = 0; i < c->values_n; i++) {
        put_scalar(out, json_object_get(json_object_get(sample->json, "values"), c->values[i]));
    }
    for (size_t i = 0; i < c->hists_n; i++) {
        put_histogram(out, json_object_get(json_object_get(sample->json, "hist"), c->hists[i]));
    }
    put_doubts(out, json_object_get(sample->json, "validity"));
    fputs("\r\n", out);
}

void export_csv(const struct run *run, FILE *out) {
    json_t *sets[] = {names_in(run, "cell"), names_in(run, "values"), names_in(run, "hist")};
    struct columns columns = {0};
    columns.axes = sorted(sets[0], &columns.axes_n);
    columns.values = sorted(sets[1], &columns.values_n);
    columns.hists = sorted(sets[2], &columns.hists_n);
    put_head(out, &columns);
    for (size_t i = 0; i < run->n; i++) {
        put_row(out, &run->samples[i], &columns);
    }
    free(columns.axes);
    free(columns.values);
    free(columns.hists);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        json_decref(sets[i]);
    }
}

/* ---- Google Benchmark and Go ---------------------------------------------------------------- */

/* Calls visit for every good sample that has a time. */
static void each_time(const struct run *run,
                      void (*visit)(void *state, const struct sample *, double ns, size_t rounds),
                      void *state) {
    for (size_t g = 0; g < run->groups_n; g++) {
        const struct cell_group *group = &run->groups[g];
        for (size_t s = 0; s < group->n; s++) {
            for (size_t i = 0; i < group->series[s].n; i++) {
                const struct sample *sample = group->series[s].samples[i];
                double ns = export_time_ns(sample, group);
                if (strcmp(sample->status, "ok") == 0 && ns > 0) {
                    visit(state, sample, ns, group->series[s].n);
                }
            }
        }
    }
}

static void add_google(void *state, const struct sample *sample, double ns, size_t rounds) {
    char *name = export_name(sample, ':');
    json_t *tasks = json_object_get(sample->json, "tasks");
    double cpu_ns = json_number_value(json_object_get(sample->json, "cpu_ns"));
    double n = json_number_value(tasks);
    json_t *entry = must(
        json_pack("{s:s,s:s,s:s,s:I,s:I,s:i,s:O,s:f,s:f,s:s}", "name", name, "run_name", name,
                  "run_type", "iteration", "repetitions", (json_int_t)rounds, "repetition_index",
                  (json_int_t)sample->round, "threads", 1, "iterations", tasks, "real_time", ns,
                  "cpu_time", n > 0 ? cpu_ns / n : 0.0, "time_unit", "ns"));
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(sample->json, "values"), key, value) {
        json_object_set(entry, key, value); /* user counters stand beside the times */
    }
    json_array_append_new(state, entry);
    free(name);
}

void export_google(const struct run *run, FILE *out) {
    const json_t *machine = json_object_get(run->meta, "machine");
    json_t *entries = must(json_array());
    each_time(run, add_google, entries);
    json_t *load = json_object_get(json_object_get(machine, "start"), "load");
    json_t *cpus = json_object_get(machine, "cpus");
    json_t *all = must(json_pack(
        "{s:{s:s,s:s,s:s,s:O,s:i,s:b,s:[],s:O,s:s},s:o}", "context", "date",
        string_in(run->meta, "started"), "host_name", string_in(machine, "host"), "executable",
        "weir-bench", "num_cpus", cpus ? cpus : json_integer(0), "mhz_per_cpu", 0,
        "cpu_scaling_enabled", 0, "caches", "load_avg", load ? load : json_array(),
        "library_build_type", "release", "benchmarks", entries));
    json_dumpf(all, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(all);
}

static void put_go(void *state, const struct sample *sample, double ns, size_t rounds) {
    FILE *out = state;
    char *name = export_name(sample, '=');
    (void)rounds;
    name[0] = (char)toupper((unsigned char)name[0]);
    json_int_t tasks = json_integer_value(json_object_get(sample->json, "tasks"));
    fprintf(out, "Benchmark%s %lld %.6g ns/op", name, tasks > 0 ? (long long)tasks : 1LL, ns);
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(sample->json, "values"), key, value) {
        fprintf(out, " %.6g %s", json_number_value(value), key);
    }
    fputc('\n', out);
    free(name);
}

void export_go(const struct run *run, FILE *out) {
    const json_t *machine = json_object_get(run->meta, "machine");
    const char *arch = string_in(machine, "arch");
    fprintf(out, "goos: linux\ngoarch: %s\npkg: weir-bench\ncpu: %s\n",
            strcmp(arch, "x86_64") == 0    ? "amd64"
            : strcmp(arch, "aarch64") == 0 ? "arm64"
                                           : arch,
            string_in(machine, "cpu"));
    each_time(run, put_go, out);
}

/* ---- HdrHistogram --------------------------------------------------------------------------- */

#define TICKS_A_HALF 5

/* The next level that is printed: five between 0 and 50 %, five between 50 and 75 %, and so on. */
static double next_level(double level) {
    double half_distances = floor(log2(100.0 / (100.0 - level))) + 1;
    return level + 100.0 / (TICKS_A_HALF * exp2(half_distances));
}

static double deviation_of(const struct histogram *h, double mean) {
    double sum = 0;
    for (size_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        double middle = ((double)histogram_low(i) + (double)histogram_high(i)) / 2;
        sum += (double)h->slots[i] * (middle - mean) * (middle - mean);
    }
    return sqrt(sum / (double)h->count);
}

static void put_levels(const struct histogram *h, FILE *out) {
    double level = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_SLOTS && h->count > 0; i++) {
        seen += h->slots[i];
        double reached = 100.0 * (double)seen / (double)h->count;
        while (h->slots[i] != 0 && level <= reached && level < 100) {
            fprintf(out, "%12.3f %2.12f %10llu %14.2f\n", (double)histogram_high(i), level / 100,
                    (unsigned long long)seen, 1 / (1 - level / 100));
            level = next_level(level);
            if (seen == h->count) {
                fprintf(out, "%12.3f %2.12f %10llu\n", (double)histogram_high(i), 1.0,
                        (unsigned long long)seen);
                return;
            }
        }
    }
}

void export_hgrm(const struct histogram *h, FILE *out) {
    double mean = histogram_mean(h);
    uint64_t highest = h->count ? histogram_high(histogram_index(h->max)) : 0;
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    put_levels(h, out);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean,
            h->count ? deviation_of(h, mean) : 0.0);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12llu]\n", (double)highest,
            (unsigned long long)h->count);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", 42, 2048);
}
