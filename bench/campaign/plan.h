/*
 * The plan of a run: its cells, who is measured in each, for how long, and what that costs.
 *
 * Every entry (one subject in one cell) has a rank; the lower, the more it matters. When the
 * budget cannot hold enough rounds of everything, the entries of the highest rank go first.
 */
#ifndef WEIR_CAMPAIGN_PLAN_H
#define WEIR_CAMPAIGN_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/campaign/subjects.h"

#define PLAN_MIN_ROUNDS 6 /* fewer make no claim */

/* From this rank on an entry is there if time allows: it goes before measurements get short. */
#define PLAN_LUXURY 11

struct plan_entry {
    size_t subject;
    size_t variant;
    unsigned rank;
    bool aa;       /* second measurement of the same subject: the noise floor */
    bool dropped;  /* by the budget */
    bool given_up; /* broken or unsupported in this cell: once is enough */
    bool unable;   /* by its description: asked once, so that the tables have its words */
    bool hung;
    uint64_t cost_ns; /* of one process, estimated, then learnt */
};

struct plan_cell {
    json_t *cell;
    unsigned rank; /* the least of its entries */
    size_t n;
    struct plan_entry *entries;
};

struct plan {
    size_t n;
    struct plan_cell *cells;
    uint64_t warmup_ns;
    uint64_t measure_ns;
    bool measure_given; /* by the user: the same for every cell */
    bool patient;       /* no budget: workloads that want long measurements get them */
    size_t dropped;     /* entries that the budget left out */
};

/* What a plan may choose from. */
struct plan_limits {
    uint64_t budget_ns;  /* for all processes together; 0: no bound */
    uint64_t measure_ns; /* 0: chosen from the budget */
    uint64_t warmup_ns;  /* UINT64_MAX: chosen from the budget */
    size_t min_rounds;
};

/* The cell is taken over. Returns it for plan_add_entry. */
struct plan_cell *plan_add_cell(struct plan *plan, json_t *cell);
struct plan_entry *plan_add_entry(struct plan_cell *cell, size_t subject, size_t variant,
                                  unsigned rank, bool aa);
void plan_free(struct plan *plan);

/* Chooses measure_ns and warmup_ns and drops what the budget cannot hold. Cells end up in the
 * order of their ranks. */
void plan_fit(struct plan *plan, const struct subject_list *subjects,
              const struct plan_limits *limits);
/* Drops, by rank, until so many rounds cost no more than left_ns. Returns entries dropped. */
size_t plan_shed(struct plan *plan, size_t rounds, uint64_t left_ns);

/* Lengths of one measurement: some workloads need longer, such as an open loop to show its tail
 * and its backlog; and a subject may say (warmup_ms of its description) that it needs longer to get
 * warm. */
uint64_t plan_measure(const struct plan *plan, const json_t *cell);
uint64_t plan_warmup(const struct plan *plan, const struct subject *subject);

bool plan_entry_runs(const struct plan_entry *entry);
size_t plan_cell_entries(const struct plan_cell *cell); /* that run */
uint64_t plan_cell_cost(const struct plan_cell *cell);
uint64_t plan_round_cost(const struct plan *plan);

/* "plan" of run.json, and back; false when the array is none, or names a subject that is not
 * there any more (*error says which). */
json_t *plan_to_json(const struct plan *plan, const struct subject_list *subjects);
bool plan_from_json(struct plan *plan, const json_t *array, const struct subject_list *subjects,
                    char **error);

#endif
