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
