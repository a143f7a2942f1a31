#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/analyse/verdict.h"

/* The groups of one workload, and the labels that occur in them in their first order. */
struct chapter {
    const struct workload *workload;
    size_t n;
    const struct cell_group **groups;
    size_t labels_n;
    const char **labels;
};

static void add_label(struct chapter *chapter, const char *label) {
    for (size_t i = 0; i < chapter->labels_n; i++) {
        if (strcmp(chapter->labels[i], label) == 0) {
            return;
        }
    }
    chapter->labels = must_grow(chapter->labels, chapter->labels_n + 1, sizeof *chapter->labels);
    chapter->labels[chapter->labels_n++] = label;
}

/* weir first, since the verdicts speak of it; then by name. */
static int by_interest(const void *a, const void *b) {
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;
    static const char *const first[] = {"weir:stealing", "weir:locked"};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        bool is_x = strcmp(x, first[i]) == 0;
        if (is_x != (strcmp(y, first[i]) == 0)) {
            return is_x ? -1 : 1;
        }
    }
    bool weir_x = strncmp(x, "weir", 4) == 0;
    bool weir_y = strncmp(y, "weir", 4) == 0;
    return weir_x != weir_y ? (weir_x ? -1 : 1) : strcmp(x, y);
}

static struct chapter chapter_of(const struct run *run, const struct workload *workload) {
    struct chapter chapter = {.workload = workload};
    for (size_t i = 0; i < run->groups_n; i++) {
        const struct cell_group *group = &run->groups[i];
        if (group->workload != workload) {
            continue;
        }
        chapter.groups = must_grow(chapter.groups, chapter.n + 1, sizeof *chapter.groups);
        chapter.groups[chapter.n++] = group;
        for (size_t j = 0; j < group->n; j++) {
            add_label(&chapter, group->series[j].label);
        }
    }
    if (chapter.labels_n > 1) {
        qsort(chapter.labels, chapter.labels_n, sizeof *chapter.labels, by_interest);
    }
    return chapter;
}

static void chapter_free(struct chapter *chapter) {
    free(chapter->groups);
    free(chapter->labels);
}

static bool varies(const struct chapter *chapter, const char *axis) {
    for (size_t i = 1; i < chapter->n; i++) {
        const json_t *first = json_object_get(chapter->groups[0]->cell, axis);
        const json_t *other = json_object_get(chapter->groups[i]->cell, axis);
        if (first != other && !json_equal(first, other)) { /* absent in both is NULL in both */
            return true;
        }
    }
    return false;
}

/* The axes that the table neither spreads over columns nor names in its rows. */
static void print_title(const struct chapter *chapter, FILE *out) {
    const struct workload *workload = chapter->workload;
    fprintf(out, "\n%s: %s\n", workload->name, workload->help);
    const char *separator = "  ";
    for (size_t i = 0; workload->axes[i]; i++) {
        if (json_object_get(chapter->groups[0]->cell, workload->axes[i]) &&
            !varies(chapter, workload->axes[i])) {
            char *phrase = axis_phrase(workload->axes[i], chapter->groups[0]->cell);
            fprintf(out, "%s%s", separator, phrase);
            separator = ", ";
            free(phrase);
        }
    }
    if (separator[0] == ',') {
        fputc('\n', out);
    }
}

/* The axes that vary, but for the column's: "4 producers, block". */
static char *row_phrase(const struct chapter *chapter, const struct cell_group *group) {
    char *phrase = text("%s", "");
    for (size_t i = 0; chapter->workload->axes[i]; i++) {
        const char *axis = chapter->workload->axes[i];
        bool column = chapter->workload->column && strcmp(chapter->workload->column, axis) == 0;
        if (column || !varies(chapter, axis)) {
            continue;
        }
        char *part = axis_phrase(axis, group->cell);
        char *longer = text("%s%s%s", phrase, phrase[0] ? ", " : "", part);
        free(part);
        free(phrase);
        phrase = longer;
    }
    return phrase;
}

/* "1.23 M [1.20 M–1.25 M]". */
static char *interval_text(const struct estimate *estimate, enum shape shape) {
    char *median = figure_text(estimate->median, shape);
    char *shown = median;
    if (estimate->claims) {
        char *low = figure_text(estimate->low, shape);
        char *high = figure_text(estimate->high, shape);
        shown = text("%s [%s–%s]", median, low, high);
        free(low);
        free(high);
        free(median);
    }
    return shown;
}

static char *figure_of(const struct cell_group *group, const char *label) {
    const struct series *series = group_find(group, label);
    if (!series) {
        return text("%s", "");
    }
    struct metric metric = metric_of(group);
    struct estimate estimate = series_estimate(series, &metric);
    if (estimate.n == 0) {
        return text("%s", series->n ? series->samples[0]->status : "–");
    }
    return interval_text(&estimate, group->workload->shape);
}

/* ---- Workloads whose table spreads one axis over its columns ---- */

static const struct cell_group *group_at(const struct chapter *chapter, const char *row,
                                         const json_t *column) {
    for (size_t i = 0; i < chapter->n; i++) {
        char *phrase = row_phrase(chapter, chapter->groups[i]);
        bool here = strcmp(phrase, row) == 0 &&
                    json_equal(json_object_get(chapter->groups[i]->cell, chapter->workload->column),
                               column);
        free(phrase);
        if (here) {
            return chapter->groups[i];
        }
    }
    return NULL;
}

static json_t *column_values(const struct chapter *chapter) {
    json_t *values = must(json_array());
    for (size_t i = 0; i < chapter->n; i++) {
        json_t *value = json_object_get(chapter->groups[i]->cell, chapter->workload->column);
        bool known = false;
        for (size_t j = 0; j < json_array_size(values); j++) {
            known = known || json_equal(json_array_get(values, j), value);
        }
        size_t at = 0;
        while (at < json_array_size(values) &&
               json_integer_value(json_array_get(values, at)) < json_integer_value(value)) {
            at++;
        }
        if (!known && value) {
            json_array_insert(values, at, value);
        }
    }
    return values;
}

static void spread_rows(const struct chapter *chapter, struct grid *grid, const char *label,
                        const json_t *columns) {
    char *last = NULL;
    for (size_t i = 0; i < chapter->n; i++) {
        char *row = row_phrase(chapter, chapter->groups[i]);
        /* Groups lie in the order of the axes, so equal rows follow each other. */
        if (!group_find(chapter->groups[i], label) || (last && strcmp(last, row) == 0)) {
            free(row);
            continue;
        }
        grid_add(grid, text("%s%s%s", label, row[0] ? ", " : "", row));
        for (size_t c = 0; c < json_array_size(columns); c++) {
            const struct cell_group *group = group_at(chapter, row, json_array_get(columns, c));
            grid_add(grid, group ? figure_of(group, label) : text("%s", ""));
        }
        free(last);
        last = row;
    }
    free(last);
}

static void print_spread(const struct chapter *chapter, FILE *out) {
    json_t *columns = column_values(chapter);
    struct grid grid;
    grid_init(&grid, 1 + json_array_size(columns));
    grid_add(&grid, text("%s", chapter->workload->unit));
    for (size_t c = 0; c < json_array_size(columns); c++) {
        long long n = json_integer_value(json_array_get(columns, c));
        grid_add(&grid, text("%lld %.*s", n, n == 1 ? 6 : 7, chapter->workload->column));
    }
    for (size_t i = 0; i < chapter->labels_n; i++) {
        spread_rows(chapter, &grid, chapter->labels[i], columns);
    }
    grid_print(&grid, out);
    grid_free(&grid);
    json_decref(columns);
}

/* ---- Workloads with one row a cell and subject ---- */

static char *column_text(const struct series *series, const struct figure *figure) {
    if (figure->quantile == 0) {
        return figure_text(series_value(series, figure->name), figure->shape);
    }
    struct histogram *h = series_histogram(series, figure->name);
    bool shown = h && histogram_resolves(h, figure->quantile);
    char *cell =
        figure_text(shown ? (double)histogram_quantile(h, figure->quantile) : NAN, figure->shape);
    histogram_free(h);
    return cell;
}

static bool has_samples(const struct series *series) {
    for (size_t i = 0; i < series->n; i++) {
        if (strcmp(series->samples[i]->status, "ok") == 0) {
            return true;
        }
    }
    return false;
}

static void add_row(struct grid *grid, const struct cell_group *group, const char *label) {
    const struct workload *workload = group->workload;
    const struct series *series = group_find(group, label);
    bool measured = has_samples(series);
    bool told = !workload->only_quantiles; /* what it is instead of measured */
    if (!workload->only_quantiles) {
        grid_add(grid, figure_of(group, label));
    }
    for (const struct figure *figure = workload->figures; figure->head; figure++) {
        if (!measured && !told) {
            grid_add(grid, text("%s", series->n ? series->samples[0]->status : "–"));
            told = true;
        } else {
            grid_add(grid, column_text(series, figure));
        }
    }
}

static void print_rows(const struct chapter *chapter, FILE *out) {
    const struct workload *workload = chapter->workload;
    struct grid grid;
    size_t n = workload->only_quantiles ? 0 : 1;
    while (workload->figures[n - (workload->only_quantiles ? 0 : 1)].head) {
        n++;
    }
    grid_init(&grid, n + 1);
    grid_add(&grid, text("%s", ""));
    if (!workload->only_quantiles) {
        grid_add(&grid, text("%s", workload->unit));
    }
    for (const struct figure *figure = workload->figures; figure->head; figure++) {
        grid_add(&grid, text("%s", figure->head));
    }
    for (size_t g = 0; g < chapter->n; g++) {
        char *row = row_phrase(chapter, chapter->groups[g]);
        for (size_t i = 0; i < chapter->labels_n; i++) {
            if (!group_find(chapter->groups[g], chapter->labels[i])) {
                continue;
            }
            grid_add(&grid, text("%s%s%s", row, row[0] ? ", " : "", chapter->labels[i]));
            add_row(&grid, chapter->groups[g], chapter->labels[i]);
        }
        free(row);
    }
    grid_print(&grid, out);
    grid_free(&grid);
}

/* ---- Verdicts ---- */

/* A run compares in the cells with as many workers as CPUs, where it has such; of a contention
 * grid only with one producer and with as many as CPUs. */
static bool tells(const struct chapter *chapter, const struct cell_group *group, unsigned cpus) {
    bool full = false;
    for (size_t i = 0; i < chapter->n; i++) {
        const json_t *workers = json_object_get(chapter->groups[i]->cell, "workers");
        full = full || json_integer_value(workers) == cpus;
    }
    json_int_t workers = json_integer_value(json_object_get(group->cell, "workers"));
    json_int_t producers = json_integer_value(json_object_get(group->cell, "producers"));
    bool grid = strcmp(chapter->workload->name, "contention") == 0 && varies(chapter, "producers");
    return !full || (workers == cpus && (!grid || producers == cpus || producers == 1));
}

static char *where(const struct chapter *chapter, const struct cell_group *group,
                   const struct metric *metric) {
    char *workers = axis_phrase("workers", group->cell);
    char *row = row_phrase(chapter, group);
    char *quantile = metric->quantile > 0 ? text(" in p%g", 100 * metric->quantile) : NULL;
    char *phrase = text("at %s%s%s%s", workers, row[0] ? ", " : "", row, quantile ? quantile : "");
    free(quantile);
    free(row);
    free(workers);
    return phrase;
}

/* "glib (ratio 1.12, 0.98–1.62)", or how many rounds there were when they make no claim. */
static char *undecided(const struct estimate *e, const char *label) {
    if (!e->claims) {
        return text("%s (only %zu of %d rounds)", label, e->n, SIGN_MIN_ROUNDS);
    }
    return text("%s (ratio %.2f, %.2f–%.2f)", label, exp(e->median), exp(e->low), exp(e->high));
}

/* What is decided has a line of its own; the rest of the cell shares one. */
static size_t group_verdicts(const struct chapter *chapter, const struct cell_group *group,
                             double margin, FILE *out) {
    const struct series *a = group_find(group, chapter->labels[0]);
    struct metric metric = metric_of(group);
    char *place = where(chapter, group, &metric);
    char *rest = NULL;
    size_t n = 0;
    for (size_t i = 1; a && i < chapter->labels_n; i++) {
        const struct series *b = group_find(group, chapter->labels[i]);
        double *ratios = NULL;
        size_t pairs = b ? series_pairs(a, b, &metric, false, &ratios) : 0;
        struct estimate estimate = sign_estimate(ratios, pairs, SIGN_CONFIDENCE);
        enum verdict verdict = verdict_of(&estimate, margin);
        n += pairs > 0;
        if (pairs > 0 && verdict == VERDICT_UNRESOLVED) {
            char *one = undecided(&estimate, b->label);
            char *longer = text("%s%s%s", rest ? rest : "", rest ? ", " : "", one);
            free(one);
            free(rest);
            rest = longer;
        } else if (pairs > 0) {
            char *sentence =
                verdict_sentence(verdict, &estimate, margin, a->label, b->label, place);
            fprintf(out, "  %s\n", sentence);
            free(sentence);
        }
        free(ratios);
    }
    if (rest) {
        fprintf(out, "  UNRESOLVED %s, %s against %s\n", place, a->label, rest);
    }
    free(rest);
    free(place);
    return n;
}

static size_t print_verdicts(const struct chapter *chapter, unsigned cpus, double margin,
                             FILE *out) {
    size_t n = 0;
    for (size_t g = 0; g < chapter->n; g++) {
        if (tells(chapter, chapter->groups[g], cpus)) {
            n += group_verdicts(chapter, chapter->groups[g], margin, out);
        }
    }
    return n;
}

void table_print(const struct run *run, unsigned cpus, FILE *out) {
    size_t floor_pairs;
    double floor = run_aa_floor(run, &floor_pairs);
    double margin = verdict_margin(floor);
    size_t verdicts = 0;
    for (size_t i = 0; i < workloads_n; i++) {
        struct chapter chapter = chapter_of(run, &workloads[i]);
        if (chapter.n > 0) {
            print_title(&chapter, out);
            (workloads[i].column ? print_spread : print_rows)(&chapter, out);
            verdicts += print_verdicts(&chapter, cpus, margin, out);
        }
        chapter_free(&chapter);
    }
    if (verdicts > 0) {
        fprintf(out,
                "\nVerdicts: intervals hold with 95 %% each: of %zu comparisons about %.0f may be "
                "wrong. ",
                verdicts, ceil(0.05 * (double)verdicts));
        fprintf(out, "Margin %.1f %%", 100 * expm1(margin));
        if (floor_pairs > 1) {
            fprintf(out, "; A/A floor %.1f %% from %zu pairs", 100 * expm1(floor), floor_pairs);
        }
        fputs(".\n", out);
    }
}
