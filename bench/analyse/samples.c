#include "bench/analyse/samples.h"
#include "bench/analyse/samples_file.h"
#include "bench/campaign/util.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/analyse/verdict.h"

static const char *string_in(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* False when the line is JSON but no sample. */
static bool sample_from(struct sample *sample, json_t *json) {
    const json_t *subject = json_object_get(json, "subject");
    const json_t *cell = json_object_get(json, "cell");
    if (!json_is_object(json) || !json_is_object(cell) || string_in(subject, "name")[0] == '\0' ||
        !json_is_integer(json_object_get(json, "round")) || string_in(json, "id")[0] == '\0') {
        return false;
    }
    const char *variant = string_in(json_object_get(json, "config"), "variant");
    bool named = variant[0] != '\0' && strcmp(variant, "default") != 0;
    *sample = (struct sample){
        .json = json,
        .id = string_in(json, "id"),
        .campaign = string_in(json, "campaign"),
        .status = string_in(json, "status"),
        .reason = string_in(json, "reason"),
        .cell = cell,
        .key = cell_key(cell),
        .label = text("%s%s%s", string_in(subject, "name"), named ? ":" : "", named ? variant : ""),
        .shard = json_integer_value(json_object_get(json, "shard")),
        .round = json_integer_value(json_object_get(json, "round")),
        .aa = json_integer_value(json_object_get(json, "aa")) != 0,
    };
    return true;
}

static int read_lines(struct run *run, FILE *file, const char *path, char **error) {
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    size_t number = 0;
    int result = 0;
    while (result == 0 && (length = getline(&line, &room, file)) > 0) {
        number++;
        bool torn = line[length - 1] != '\n';
        json_t *json = torn ? NULL : json_loadb(line, (size_t)length, 0, NULL);
        run->samples = must_grow(run->samples, run->n + 1, sizeof *run->samples);
        if (torn) {
            run->warning =
                text("%s: line %zu is torn, as a killed run leaves it; left out", path, number);
        } else if (json && sample_from(&run->samples[run->n], json)) {
            run->n++;
        } else {
            json_decref(json);
            *error = text("%s: line %zu is not a sample", path, number);
            result = -EBADMSG;
        }
    }
    if (result == 0 && ferror(file)) {
        *error = text("cannot read %s: %s", path, strerror(errno));
        result = -EIO;
    }
    free(line);
    return result;
}

static int by_place(const void *a, const void *b) {
    const struct sample *x = a;
    const struct sample *y = b;
    int order = cell_order(x->cell, y->cell);
    order = order ? order : strcmp(x->key, y->key);
    order = order ? order : strcmp(x->label, y->label);
    order = order ? order : strcmp(x->campaign, y->campaign);
    order = order ? order : (x->round > y->round) - (x->round < y->round);
    return order ? order : strcmp(x->id, y->id);
}

static void add_to_series(struct series *series, const struct sample *sample) {
    size_t *n = sample->aa ? &series->aa_n : &series->n;
    const struct sample ***list = sample->aa ? &series->aa : &series->samples;
    *list = must_grow(*list, *n + 1, sizeof **list);
    (*list)[(*n)++] = sample;
}

/* The samples are in the order of their places: each group and each series is a stretch. */
static void group(struct run *run) {
    for (size_t i = 0; i < run->n; i++) {
        const struct sample *sample = &run->samples[i];
        struct cell_group *last = run->groups_n ? &run->groups[run->groups_n - 1] : NULL;
        if (!last || strcmp(last->key, sample->key) != 0) {
            run->groups = must_grow(run->groups, run->groups_n + 1, sizeof *run->groups);
            last = &run->groups[run->groups_n++];
            *last = (struct cell_group){.cell = sample->cell, .key = sample->key};
            last->workload = workload_find(string_in(sample->cell, "workload"));
        }
        if (last->n == 0 || strcmp(last->series[last->n - 1].label, sample->label) != 0) {
            last->series = must_grow(last->series, last->n + 1, sizeof *last->series);
            last->series[last->n++] = (struct series){.label = sample->label};
        }
        add_to_series(&last->series[last->n - 1], sample);
    }
}

int run_load(struct run *run, const char *path, char **error) {
    memset(run, 0, sizeof *run);
    char *samples_path;
    FILE *file = samples_file_open(path, &samples_path);
    int result = file ? 0 : -errno;
    if (!file) {
        *error = text("no run at %s: cannot open %s: %s", path, samples_path, strerror(errno));
    } else {
        result = read_lines(run, file, samples_path, error);
        fclose(file);
    }
    free(samples_path);
    run->path = text("%s", path);
    if (result != 0) {
        run_free(run);
        return result;
    }
    char *meta_path = text("%s/run.json", path);
    run->meta = json_load_file(meta_path, 0, NULL);
    free(meta_path);
    if (run->n > 1) {
        qsort(run->samples, run->n, sizeof *run->samples, by_place);
    }
    group(run);
    return 0;
}

void run_from_lines(struct run *run, const char *path, json_t *lines) {
    size_t i;
    json_t *line;
    *run = (struct run){.path = text("%s", path),
                        .samples = must_array(json_array_size(lines), sizeof *run->samples)};
    json_array_foreach(lines, i, line) {
        run->n += sample_from(&run->samples[run->n], line) && json_incref(line) != NULL;
    }
    if (run->n > 1) {
        qsort(run->samples, run->n, sizeof *run->samples, by_place);
    }
    group(run);
}

void run_free(struct run *run) {
    for (size_t i = 0; i < run->groups_n; i++) {
        for (size_t j = 0; j < run->groups[i].n; j++) {
            free(run->groups[i].series[j].samples);
            free(run->groups[i].series[j].aa);
        }
        free(run->groups[i].series);
    }
    for (size_t i = 0; i < run->n; i++) {
        json_decref(run->samples[i].json);
        free(run->samples[i].key);
        free(run->samples[i].label);
    }
    free(run->groups);
    free(run->samples);
    free(run->path);
    free(run->warning);
    json_decref(run->meta);
    memset(run, 0, sizeof *run);
}

struct series *group_find(const struct cell_group *in, const char *label) {
    for (size_t i = 0; i < in->n; i++) {
        if (strcmp(in->series[i].label, label) == 0) {
            return &in->series[i];
        }
    }
    return NULL;
}

struct cell_group *run_find(const struct run *run, const char *key) {
    for (size_t i = 0; i < run->groups_n; i++) {
        if (strcmp(run->groups[i].key, key) == 0) {
            return &run->groups[i];
        }
    }
    return NULL;
}

static bool usable(const struct sample *sample) {
    return strcmp(sample->status, "ok") == 0;
}

static struct histogram *sample_histogram(const struct sample *sample, const char *name) {
    const json_t *json = json_object_get(json_object_get(sample->json, "hist"), name);
    return usable(sample) && json ? histogram_from_json(json) : NULL;
}

/* True when each usable sample of the group has this quantile with 100 samples beyond it. */
static bool all_resolve(const struct cell_group *in, const char *name, double quantile) {
    bool any = false;
    for (size_t i = 0; i < in->n; i++) {
        for (size_t j = 0; j < in->series[i].n; j++) {
            if (!usable(in->series[i].samples[j])) {
                continue;
            }
            struct histogram *h = sample_histogram(in->series[i].samples[j], name);
            bool resolves = h && histogram_resolves(h, quantile);
            histogram_free(h);
            if (!resolves) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

struct metric metric_of(const struct cell_group *in) {
    const struct workload *workload = in->workload;
    if (!workload) {
        return (struct metric){"", "", true, 0, 0};
    }
    struct metric metric = {workload->metric, workload->unit, workload->higher_is_better, 0,
                            workload->floor};
    const double *quantiles = workload->quantiles;
    for (size_t i = 0; i < 3 && quantiles[i] > 0; i++) {
        metric.quantile = quantiles[i];
        if (all_resolve(in, metric.name, quantiles[i])) {
            break;
        }
    }
    return metric;
}

double sample_figure(const struct sample *sample, const struct metric *metric) {
    if (!usable(sample)) {
        return NAN;
    }
    if (metric->quantile > 0) {
        struct histogram *h = sample_histogram(sample, metric->name);
        double figure = h && histogram_resolves(h, metric->quantile)
                            ? (double)histogram_quantile(h, metric->quantile)
                            : NAN;
        histogram_free(h);
        return figure;
    }
    const json_t *value = json_object_get(json_object_get(sample->json, "values"), metric->name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const struct sample *partner(const struct sample *sample, const struct sample **in, size_t n,
                                    bool pair_runs) {
    for (size_t i = 0; i < n; i++) {
        if (in[i]->round == sample->round && in[i]->shard == sample->shard &&
            (pair_runs || strcmp(in[i]->campaign, sample->campaign) == 0)) {
            return in[i];
        }
    }
    return NULL;
}

/* A figure as it is compared. */
static double compared(double figure, const struct metric *metric) {
    return figure < metric->floor ? metric->floor : figure;
}

static size_t pairs_of(const struct sample **a, size_t a_n, const struct sample **b, size_t b_n,
                       const struct metric *metric, bool pair_runs, double **out) {
    size_t n = 0;
    *out = must_array(a_n, sizeof **out);
    for (size_t i = 0; i < a_n; i++) {
        const struct sample *other = partner(a[i], b, b_n, pair_runs);
        double x = compared(sample_figure(a[i], metric), metric);
        double y = other ? compared(sample_figure(other, metric), metric) : NAN;
        if (x > 0 && y > 0) {
            (*out)[n++] = metric->higher_is_better ? log(x / y) : log(y / x);
        }
    }
    return n;
}

size_t series_pairs(const struct series *a, const struct series *b, const struct metric *metric,
                    bool pair_runs, double **out) {
    if (a == b) { /* a subject against itself: its two measurements of each round */
        return pairs_of(a->samples, a->n, a->aa, a->aa_n, metric, pair_runs, out);
    }
    return pairs_of(a->samples, a->n, b->samples, b->n, metric, pair_runs, out);
}

struct estimate series_estimate(const struct series *series, const struct metric *metric) {
    double *figures = must_array(series->n, sizeof *figures);
    size_t n = 0;
    for (size_t i = 0; i < series->n; i++) {
        double figure = sample_figure(series->samples[i], metric);
        if (!isnan(figure)) {
            figures[n++] = figure;
        }
    }
    struct estimate estimate = sign_estimate(figures, n, SIGN_CONFIDENCE);
    free(figures);
    return estimate;
}

struct histogram *series_histogram(const struct series *series, const char *name) {
    struct histogram *merged = NULL;
    for (size_t i = 0; i < series->n; i++) {
        struct histogram *h = sample_histogram(series->samples[i], name);
        if (h && merged) {
            histogram_merge(merged, h);
            histogram_free(h);
        } else if (h) {
            merged = h;
        }
    }
    return merged;
}

double series_value(const struct series *series, const char *name) {
    struct metric value = {name, "", true, 0, 0};
    return series_estimate(series, &value).median;
}

double run_aa_floor(const struct run *run, size_t *pairs) {
    *pairs = 0;
    double floor = 0;
    for (size_t i = 0; i < run->groups_n; i++) {
        const struct cell_group *in = &run->groups[i];
        struct metric metric = metric_of(in);
        for (size_t j = 0; j < in->n; j++) {
            if (in->series[j].aa_n == 0) {
                continue;
            }
            double *ratios;
            size_t n = series_pairs(&in->series[j], &in->series[j], &metric, false, &ratios);
            double here = verdict_aa_floor(ratios, n);
            free(ratios);
            floor = here > floor ? here : floor;
            *pairs += n;
        }
    }
    return floor;
}
