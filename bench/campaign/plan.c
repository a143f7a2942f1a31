#include "bench/campaign/plan.h"
#include "bench/campaign/axes.h"
#include "bench/campaign/util.h"

#include <stdlib.h>
#include <string.h>

#define MEASURE_LEAST_NS (20 * NS_PER_MS)
#define MEASURE_GOOD_NS  (100 * NS_PER_MS)
#define MEASURE_MOST_NS  (300 * NS_PER_MS)
#define GOOD_ROUNDS      12
#define FIRM_ROUNDS      9               /* the least whose interval outlives one stray round */
#define OVERHEAD_NS      (2 * NS_PER_MS) /* the parent's own: parse, write, fork */

struct plan_cell *plan_add_cell(struct plan *plan, json_t *cell) {
    plan->cells = must_grow(plan->cells, plan->n + 1, sizeof *plan->cells);
    plan->cells[plan->n] = (struct plan_cell){.cell = must(cell), .rank = UINT32_MAX};
    return &plan->cells[plan->n++];
}

struct plan_entry *plan_add_entry(struct plan_cell *cell, size_t subject, size_t variant,
                                  unsigned rank, bool aa) {
    cell->entries = must_grow(cell->entries, cell->n + 1, sizeof *cell->entries);
    cell->entries[cell->n++] =
        (struct plan_entry){.subject = subject, .variant = variant, .rank = rank, .aa = aa};
    cell->rank = rank < cell->rank ? rank : cell->rank;
    return &cell->entries[cell->n - 1];
}

void plan_free(struct plan *plan) {
    for (size_t i = 0; i < plan->n; i++) {
        json_decref(plan->cells[i].cell);
        free(plan->cells[i].entries);
    }
    free(plan->cells);
    memset(plan, 0, sizeof *plan);
}

bool plan_entry_runs(const struct plan_entry *entry) {
    return !entry->dropped && !entry->given_up;
}

size_t plan_cell_entries(const struct plan_cell *cell) {
    size_t n = 0;
    for (size_t i = 0; i < cell->n; i++) {
        n += plan_entry_runs(&cell->entries[i]);
    }
    return n;
}

uint64_t plan_cell_cost(const struct plan_cell *cell) {
    uint64_t cost = 0;
    for (size_t i = 0; i < cell->n; i++) {
        cost += plan_entry_runs(&cell->entries[i]) ? cell->entries[i].cost_ns : 0;
    }
    return cost;
}

uint64_t plan_round_cost(const struct plan *plan) {
    uint64_t cost = 0;
    for (size_t i = 0; i < plan->n; i++) {
        cost += plan_cell_cost(&plan->cells[i]);
    }
    return cost;
}

uint64_t plan_measure(const struct plan *plan, const json_t *cell) {
    const struct workload *workload =
        workload_find(json_string_value(json_object_get(cell, "workload")));
    if (plan->measure_given || !workload) {
        return plan->measure_ns;
    }
    unsigned factor =
        plan->patient && workload->patience ? workload->patience : workload->measure_factor;
    return plan->measure_ns * (factor ? factor : 1);
}

uint64_t plan_warmup(const struct plan *plan, const struct subject *subject) {
    json_int_t own = json_integer_value(json_object_get(subject->description, "warmup_ms"));
    uint64_t least_ns = own > 0 ? (uint64_t)own * NS_PER_MS : 0;
    bool wanted = plan->warmup_ns > 0 && plan->warmup_ns < least_ns;
    return wanted ? least_ns : plan->warmup_ns;
}

static void estimate(struct plan *plan, const struct subject_list *subjects) {
    for (size_t i = 0; i < plan->n; i++) {
        for (size_t j = 0; j < plan->cells[i].n; j++) {
            struct plan_entry *entry = &plan->cells[i].entries[j];
            const struct subject *subject = &subjects->items[entry->subject];
            entry->cost_ns = entry->unable
                                 ? 0
                                 : subject->startup_ns + plan_warmup(plan, subject) +
                                       plan_measure(plan, plan->cells[i].cell) + OVERHEAD_NS;
        }
    }
}

/* Least work first: what matters most has been measured when a run is cut short. */
static int by_rank(const void *a, const void *b) {
    const struct plan_cell *x = a;
    const struct plan_cell *y = b;
    return x->rank != y->rank ? (x->rank > y->rank) - (x->rank < y->rank)
                              : cell_order(x->cell, y->cell);
}

static unsigned highest_rank(const struct plan *plan) {
    unsigned highest = 0;
    for (size_t i = 0; i < plan->n; i++) {
        for (size_t j = 0; j < plan->cells[i].n; j++) {
            const struct plan_entry *entry = &plan->cells[i].entries[j];
            if (plan_entry_runs(entry) && entry->rank > highest) {
                highest = entry->rank;
            }
        }
    }
    return highest;
}

/* A cell goes as a whole where it has the rank, so that rounds stay complete. The last cell with
 * that rank goes first, and the very last entries of a plan stay. */
static size_t drop_one(struct plan *plan, unsigned rank) {
    for (size_t i = plan->n; i-- > 0;) {
        size_t dropped = 0;
        for (size_t j = 0; j < plan->cells[i].n; j++) {
            struct plan_entry *entry = &plan->cells[i].entries[j];
            if (plan_entry_runs(entry) && entry->rank == rank) {
                entry->dropped = true;
                dropped++;
            }
        }
        if (dropped) {
            return dropped;
        }
    }
    return 0;
}

/* Drops entries of at least the given rank until what is left fits. */
static size_t shed_from(struct plan *plan, unsigned least, size_t rounds, uint64_t left_ns) {
    size_t dropped = 0;
    unsigned rank;
    while (plan_round_cost(plan) * rounds > left_ns && (rank = highest_rank(plan)) >= least) {
        dropped += drop_one(plan, rank);
    }
    plan->dropped += dropped;
    return dropped;
}

size_t plan_shed(struct plan *plan, size_t rounds, uint64_t left_ns) {
    return shed_from(plan, 1, rounds, left_ns);
}

static bool fits(struct plan *plan, const struct subject_list *subjects,
                 const struct plan_limits *limits, uint64_t measure_ns, size_t rounds) {
    plan->measure_ns = measure_ns;
    if (limits->warmup_ns == UINT64_MAX) {
        plan->warmup_ns = measure_ns / 4 < 20 * NS_PER_MS ? measure_ns / 4 : 20 * NS_PER_MS;
    }
    estimate(plan, subjects);
    return limits->budget_ns == 0 || plan_round_cost(plan) * rounds <= limits->budget_ns;
}

void plan_fit(struct plan *plan, const struct subject_list *subjects,
              const struct plan_limits *limits) {
    if (plan->n > 1) {
        qsort(plan->cells, plan->n, sizeof *plan->cells, by_rank);
    }
    plan->warmup_ns = limits->warmup_ns;
    plan->measure_given = limits->measure_ns > 0;
    plan->patient = limits->budget_ns == 0;
    if (limits->measure_ns > 0 || limits->budget_ns == 0) {
        uint64_t wanted = limits->measure_ns ? limits->measure_ns : MEASURE_GOOD_NS;
        if (!fits(plan, subjects, limits, wanted, limits->min_rounds)) {
            plan_shed(plan, limits->min_rounds, limits->budget_ns);
        }
        return;
    }
    /* A long enough measurement first, then more rounds, then a longer measurement. When time is
     * short, luxuries go first, as soon as they would cost firm intervals; then the length of a
     * measurement, then what matters least. */
    uint64_t step = 10 * NS_PER_MS;
    uint64_t measure_ns = MEASURE_MOST_NS;
    while (measure_ns > MEASURE_GOOD_NS && !fits(plan, subjects, limits, measure_ns, GOOD_ROUNDS)) {
        measure_ns -= step;
    }
    size_t firm = limits->min_rounds > FIRM_ROUNDS ? limits->min_rounds : FIRM_ROUNDS;
    if (!fits(plan, subjects, limits, measure_ns, firm)) {
        shed_from(plan, PLAN_LUXURY, firm, limits->budget_ns);
    }
    while (measure_ns > MEASURE_LEAST_NS &&
           !fits(plan, subjects, limits, measure_ns, limits->min_rounds)) {
        measure_ns -= step;
    }
    if (!fits(plan, subjects, limits, measure_ns, limits->min_rounds)) {
        plan_shed(plan, limits->min_rounds, limits->budget_ns);
    }
}

json_t *plan_to_json(const struct plan *plan, const struct subject_list *subjects) {
    json_t *array = must(json_array());
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        json_t *entries = must(json_array());
        for (size_t j = 0; j < cell->n; j++) {
            const struct plan_entry *entry = &cell->entries[j];
            const struct subject *subject = &subjects->items[entry->subject];
            json_array_append_new(
                entries, must(json_pack("{s:s,s:s,s:s?,s:i,s:b,s:b}", "subject", subject->name,
                                        "variant", subject_variant(subject, entry->variant), "path",
                                        subject->path, "rank", (int)entry->rank, "aa", entry->aa,
                                        "dropped", entry->dropped)));
        }
        json_array_append_new(array, must(json_pack("{s:O,s:I,s:I,s:b,s:b,s:o}", "cell", cell->cell,
                                                    "warmup_ns", (json_int_t)plan->warmup_ns,
                                                    "measure_ns", (json_int_t)plan->measure_ns,
                                                    "measure_given", plan->measure_given, "patient",
                                                    plan->patient, "entries", entries)));
    }
    return array;
}

static bool entry_from_json(struct plan_cell *cell, const json_t *json,
                            const struct subject_list *subjects, char **error) {
    const char *name = json_string_value(json_object_get(json, "subject"));
    const char *variant = json_string_value(json_object_get(json, "variant"));
    size_t subject;
    size_t index;
    if (!name || !variant) {
        *error = text("the plan of the run cannot be read");
        return false;
    }
    char *what = text("%s:%s", name, variant);
    *error = subjects_resolve(subjects, what, &subject, &index);
    free(what);
    if (*error) {
        return false;
    }
    plan_add_entry(cell, subject, index,
                   (unsigned)json_integer_value(json_object_get(json, "rank")),
                   json_is_true(json_object_get(json, "aa")));
    cell->entries[cell->n - 1].dropped = json_is_true(json_object_get(json, "dropped"));
    return true;
}

bool plan_from_json(struct plan *plan, const json_t *array, const struct subject_list *subjects,
                    char **error) {
    memset(plan, 0, sizeof *plan);
    *error = NULL;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *json = json_array_get(array, i);
        json_t *cell = json_object_get(json, "cell");
        const json_t *entries = json_object_get(json, "entries");
        if (!json_is_object(cell) || !json_is_array(entries)) {
            *error = text("the plan of the run cannot be read");
            return false;
        }
        struct plan_cell *added = plan_add_cell(plan, json_incref(cell));
        for (size_t j = 0; j < json_array_size(entries); j++) {
            if (!entry_from_json(added, json_array_get(entries, j), subjects, error)) {
                return false;
            }
        }
        plan->warmup_ns = (uint64_t)json_integer_value(json_object_get(json, "warmup_ns"));
        plan->measure_ns = (uint64_t)json_integer_value(json_object_get(json, "measure_ns"));
        plan->measure_given = json_is_true(json_object_get(json, "measure_given"));
        plan->patient = json_is_true(json_object_get(json, "patient"));
    }
    if (plan->n == 0) {
        *error = text("the run has no plan");
        return false;
    }
    estimate(plan, subjects);
    return true;
}
