#include "bench/analyse/compare.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void add(struct comparison *out, const struct cell_group *group, char *a, char *b,
                const double *ratios, size_t n, const struct metric *metric) {
    out->cells = must_grow(out->cells, out->n + 1, sizeof *out->cells);
    out->cells[out->n++] =
        (struct compared){.cell = group->cell,
                          .a = a,
                          .b = b,
                          .metric = *metric,
                          .log_ratio = sign_estimate(ratios, n, SIGN_CONFIDENCE)};
    struct compared *cell = &out->cells[out->n - 1];
    sign_bootstrap(ratios, n, &cell->bootstrap_low, &cell->bootstrap_high);
}

/* Verdicts need the margin, Holm's correction needs the whole family. */
static void conclude(struct comparison *out) {
    double *p = must_array(2 * out->n, sizeof *p);
    out->margin = verdict_margin(out->aa_floor);
    for (size_t i = 0; i < out->n; i++) {
        p[i] = out->cells[i].log_ratio.p;
        out->cells[i].verdict = verdict_of(&out->cells[i].log_ratio, out->margin);
    }
    sign_holm(p, out->n, p + out->n);
    for (size_t i = 0; i < out->n; i++) {
        out->cells[i].holm = p[out->n + i];
    }
    free(p);
}

void compare_subjects(struct comparison *out, const struct run *run, const char *a, const char *b) {
    *out = (struct comparison){.across_runs = false};
    out->aa_floor = run_aa_floor(run, &out->aa_pairs);
    for (size_t i = 0; i < run->groups_n; i++) {
        const struct cell_group *group = &run->groups[i];
        const struct series *x = group_find(group, a);
        const struct series *y = group_find(group, b);
        if (x && y) {
            struct metric metric = metric_of(group);
            double *ratios;
            size_t n = series_pairs(x, y, &metric, false, &ratios);
            add(out, group, text("%s", a), text("%s", b), ratios, n, &metric);
            free(ratios);
        }
    }
    conclude(out);
}

/* Benchmarks of another tool have no pool to name. */
static char *side_a(const char *label) {
    return strcmp(label, "imported") == 0 ? text("A") : text("A %s", label);
}

void compare_runs(struct comparison *out, const struct run *a, const struct run *b) {
    size_t pairs_b;
    *out = (struct comparison){.across_runs = true};
    double floor_b = run_aa_floor(b, &pairs_b);
    out->aa_floor = fmax(run_aa_floor(a, &out->aa_pairs), floor_b);
    out->aa_pairs += pairs_b;
    for (size_t i = 0; i < a->groups_n; i++) {
        const struct cell_group *group = &a->groups[i];
        const struct cell_group *other = run_find(b, group->key);
        for (size_t j = 0; other && j < group->n; j++) {
            const struct series *x = &group->series[j];
            const struct series *y = group_find(other, x->label);
            if (!y) {
                continue;
            }
            /* The coarser of the two runs decides which quantile both resolve. */
            struct metric metric = metric_of(group);
            struct metric theirs = metric_of(other);
            metric.quantile = fmin(metric.quantile, theirs.quantile);
            double *ratios;
            size_t n = series_pairs(x, y, &metric, true, &ratios);
            add(out, group, side_a(x->label), text("B"), ratios, n, &metric);
            free(ratios);
        }
    }
    conclude(out);
}

void comparison_free(struct comparison *comparison) {
    for (size_t i = 0; i < comparison->n; i++) {
        free(comparison->cells[i].a);
        free(comparison->cells[i].b);
    }
    free(comparison->cells);
    *comparison = (struct comparison){0};
}

enum verdict comparison_worst(const struct comparison *comparison) {
    enum verdict worst = comparison->n ? VERDICT_FASTER : VERDICT_UNRESOLVED;
    for (size_t i = 0; i < comparison->n; i++) {
        worst = comparison->cells[i].verdict > worst ? comparison->cells[i].verdict : worst;
    }
    return worst;
}

static bool survives(const struct compared *cell) {
    return cell->holm <= 1 - SIGN_CONFIDENCE;
}

void comparison_print(const struct comparison *comparison, FILE *out) {
    for (size_t i = 0; i < comparison->n; i++) {
        const struct compared *cell = &comparison->cells[i];
        char *phrase = cell_phrase(cell->cell);
        char *where = cell->metric.quantile > 0
                          ? text("in p%g of %s", 100 * cell->metric.quantile, phrase)
                          : text("in %s", phrase);
        char *sentence = verdict_sentence(cell->verdict, &cell->log_ratio, comparison->margin,
                                          cell->a, cell->b, where);
        bool claims = cell->verdict == VERDICT_FASTER || cell->verdict == VERDICT_SLOWER;
        fprintf(out, "%-10s %s%s\n", verdict_name(cell->verdict), sentence,
                comparison->n > 1 && claims && !survives(cell) ? "; not after Holm's correction"
                                                               : "");
        free(sentence);
        free(where);
        free(phrase);
    }
    if (comparison->n > 1) {
        fprintf(out,
                "A family of %zu comparisons: 95 %% holds for each; Holm's correction tells which "
                "differences stand together.\n",
                comparison->n);
    }
    fprintf(out, "Margin %.1f %%", 100 * expm1(comparison->margin));
    if (comparison->aa_pairs > 1) {
        fprintf(out, " (A/A floor %.1f %% from %zu pairs)", 100 * expm1(comparison->aa_floor),
                comparison->aa_pairs);
    }
    fputs(".\n", out);
    if (comparison->across_runs) {
        fputs("Two runs are weaker evidence than rounds of one run: whatever changed on the "
              "machine between them is in the ratio, and no interval shows it.\n",
              out);
    }
}

static void set_number(json_t *json, const char *key, double value) {
    json_object_set_new(json, key, isfinite(value) ? json_real(value) : json_null());
}

json_t *comparison_to_json(const struct comparison *comparison) {
    json_t *cells = must(json_array());
    for (size_t i = 0; i < comparison->n; i++) {
        const struct compared *cell = &comparison->cells[i];
        const struct estimate *e = &cell->log_ratio;
        json_t *json = must(json_pack("{s:O,s:s,s:s,s:s,s:I,s:s}", "cell", cell->cell, "a", cell->a,
                                      "b", cell->b, "metric", cell->metric.name, "rounds",
                                      (json_int_t)e->n, "verdict", verdict_name(cell->verdict)));
        if (cell->metric.quantile > 0) {
            set_number(json, "quantile", cell->metric.quantile);
        }
        set_number(json, "ratio", exp(e->median));
        set_number(json, "low", exp(e->low));
        set_number(json, "high", exp(e->high));
        set_number(json, "coverage", e->coverage);
        set_number(json, "bootstrap_low", exp(cell->bootstrap_low));
        set_number(json, "bootstrap_high", exp(cell->bootstrap_high));
        set_number(json, "p", e->p);
        set_number(json, "p_holm", cell->holm);
        json_array_append_new(cells, json);
    }
    enum verdict worst = comparison_worst(comparison);
    json_t *all = must(json_pack("{s:s,s:b,s:o}", "verdict", verdict_name(worst), "across_runs",
                                 comparison->across_runs, "cells", cells));
    set_number(all, "margin", expm1(comparison->margin));
    set_number(all, "aa_floor", expm1(comparison->aa_floor));
    json_object_set_new(all, "aa_pairs", json_integer((json_int_t)comparison->aa_pairs));
    return all;
}
