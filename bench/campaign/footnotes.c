/*
 * What a run has to say beside its figures: who broke a promise, who cannot, what was marked.
 */
#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <stdlib.h>
#include <string.h>

#include "bench/campaign/record.h"

struct note {
    const char *label;
    const char *kind; /* status, or accusation */
    const char *reason;
    const json_t *cell;
    size_t times;
};

struct notes {
    size_t n;
    struct note *items;
};

static void note(struct notes *notes, const struct sample *sample, const char *kind,
                 const char *reason) {
    for (size_t i = 0; i < notes->n; i++) {
        struct note *known = &notes->items[i];
        if (strcmp(known->label, sample->label) == 0 && strcmp(known->kind, kind) == 0 &&
            strcmp(known->reason, reason) == 0) {
            known->times++;
            return;
        }
    }
    notes->items = must_grow(notes->items, notes->n + 1, sizeof *notes->items);
    notes->items[notes->n++] = (struct note){sample->label, kind, reason, sample->cell, 1};
}

static void print(const struct notes *notes, const char *title, FILE *out) {
    if (notes->n > 0) {
        fprintf(out, "\n%s\n", title);
    }
    for (size_t i = 0; i < notes->n; i++) {
        const struct note *line = &notes->items[i];
        char *cell = cell_phrase(line->cell);
        fprintf(out, "  %s: %s (%s%s)\n", line->label, line->reason,
                line->times > 1 ? "first in " : "", cell);
        free(cell);
    }
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
            note(&broken, sample, accusation, sample->reason);
        } else if (strcmp(sample->status, "unsupported") == 0) {
            note(&unsupported, sample, "unsupported", sample->reason);
        } else if (strcmp(sample->status, "invalid") == 0) {
            note(&invalid, sample, "invalid", sample->reason);
        }
        for (size_t j = 0; j < json_array_size(validity); j++) {
            const char *why = json_string_value(json_array_get(validity, j));
            /* Figures differ from sample to sample: the words before them tell the kind. */
            if (strcmp(sample->status, "ok") == 0 && why) {
                note(&marked, sample, "marked", why);
            }
        }
    }
    print(&broken, "BROKEN PROMISES", out);
    print(&unsupported, "Not supported, left out", out);
    print(&invalid, "Invalid, left out of every figure", out);
    if (marked.n > 6) {
        fprintf(out, "\n%zu kinds of marks on samples; the first of them:", marked.n);
        marked.n = 6;
    }
    print(&marked, "Marked samples (in the figures; see validity in samples.jsonl)", out);
    size_t n = broken.n;
    free(broken.items);
    free(unsupported.items);
    free(invalid.items);
    free(marked.items);
    return n;
}
