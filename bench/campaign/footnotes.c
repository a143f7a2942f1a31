/*
 * What a run has to say beside its figures: who broke a promise, who cannot, what was marked.
 */
#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "bench/campaign/record.h"

struct note {
    const char *label; /* of the first */
    const char *reason;
    const json_t *cell;
    size_t times;
    bool several; /* subjects */
};

struct notes {
    size_t n;
    struct note *items;
};

/* Reasons are of one kind when they differ in figures only. */
static bool same_kind(const char *a, const char *b) {
    while (*a && *b) {
        bool digit_a = isdigit((unsigned char)*a) || *a == '.';
        bool digit_b = isdigit((unsigned char)*b) || *b == '.';
        if (digit_a && digit_b) {
            a += strspn(a, "0123456789.");
            b += strspn(b, "0123456789.");
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return *a == *b;
}

static void note(struct notes *notes, const struct sample *sample, const char *reason,
                 bool each_subject) {
    for (size_t i = 0; i < notes->n; i++) {
        struct note *known = &notes->items[i];
        bool own = strcmp(known->label, sample->label) == 0;
        if ((own || !each_subject) && same_kind(known->reason, reason)) {
            known->times++;
            known->several = known->several || !own;
            return;
        }
    }
    notes->items = must_grow(notes->items, notes->n + 1, sizeof *notes->items);
    notes->items[notes->n++] = (struct note){sample->label, reason, sample->cell, 1, false};
}

static void print(const struct notes *notes, const char *title, FILE *out) {
    if (notes->n > 0) {
        fprintf(out, "\n%s\n", title);
    }
    for (size_t i = 0; i < notes->n; i++) {
        const struct note *line = &notes->items[i];
        char *cell = cell_phrase(line->cell);
        char *times =
            line->times > 1 ? text("%zu samples, the first in ", line->times) : text("%s", "");
        fprintf(out, "  %s%s: %s (%s%s)\n", line->label, line->several ? " and others" : "",
                line->reason, times, cell);
        free(times);
        free(cell);
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A figure that the cells tell of themselves, sorted; how many have it. */
static size_t own_figures(const struct run *run, const char *name, double *figures) {
    size_t n = 0;
    for (size_t i = 0; i < run->n; i++) {
        const json_t *value =
            json_object_get(json_object_get(run->samples[i].json, "machine"), name);
        if (strcmp(run->samples[i].status, "ok") == 0 && json_is_number(value)) {
            figures[n++] = json_number_value(value);
        }
    }
    if (n > 1) {
        qsort(figures, n, sizeof *figures, ascending);
    }
    return n;
}

/* What the harness itself cost, and how well its calibrated work was worth its name. */
static void print_instrument(const struct run *run, FILE *out) {
    double *figures = must_array(run->n, sizeof *figures);
    size_t n = own_figures(run, "probe_share", figures);
    if (n > 0) {
        fprintf(out,
                "\nThe harness itself (ledger and clock) took %.2f %% of a cell's CPU time at the "
                "median, %.2f %% at most",
                100 * figures[n / 2], 100 * figures[n - 1]);
        n = own_figures(run, "work_error", figures);
        if (n > 0) {
            fprintf(out, "; calibrated work missed its length by %.1f %%, %.1f %% at most",
                    100 * figures[n / 2], 100 * figures[n - 1]);
        }
        fputs(".\n", out);
    }
    free(figures);
}

size_t table_footnotes(const struct run *run, FILE *out) {
    struct notes broken = {0, NULL};
    struct notes unsupported = {0, NULL};
    struct notes invalid = {0, NULL};
    struct notes marked = {0, NULL};
    for (size_t i = 0; i < run->n; i++) {
        const struct sample *sample = &run->samples[i];
        const char *accusation = record_accusation(sample->status, sample->reason);
        const json_t *validity = json_object_get(sample->json, "validity");
        if (accusation) {
            note(&broken, sample, sample->reason, true);
        } else if (strcmp(sample->status, "unsupported") == 0) {
            note(&unsupported, sample, sample->reason, true);
        } else if (strcmp(sample->status, "invalid") == 0) {
            note(&invalid, sample, sample->reason, true);
        }
        for (size_t j = 0; j < json_array_size(validity); j++) {
            const char *why = json_string_value(json_array_get(validity, j));
            if (strcmp(sample->status, "ok") == 0 && why) {
                note(&marked, sample, why, false);
            }
        }
    }
    print_instrument(run, out);
    print(&broken, "BROKEN PROMISES", out);
    print(&unsupported, "Not supported, left out", out);
    print(&invalid, "Invalid, left out of every figure", out);
    print(&marked, "Marked samples (in the figures; see validity in samples.jsonl)", out);
    size_t n = broken.n;
    free(broken.items);
    free(unsupported.items);
    free(invalid.items);
    free(marked.items);
    return n;
}
