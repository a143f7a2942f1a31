/*
 * The cells of `make bench`: what one run should tell about the pools on this machine.
 */
#ifndef WEIR_CAMPAIGN_STORY_H
#define WEIR_CAMPAIGN_STORY_H

#include "bench/campaign/plan.h"

/* One subject or one variant of it. */
struct choice {
    size_t subject;
    size_t variant;
};

struct choices {
    size_t n;
    struct choice *items;
};

#define STORY_GRID_MAX 8

/* Worker counts 1, 2, 4 … 2 × cpus; on many CPUs at most five of them, 1, cpus and 2 × cpus among
 * them. Returns how many. */
size_t story_grid(unsigned cpus, unsigned grid[STORY_GRID_MAX]);

/* Adds the cells, and who is measured in each, with ranks. only: names of workloads ended by
 * NULL, or NULL for all. */
void story_plan(struct plan *plan, const struct subject_list *subjects,
                const struct choices *choices, unsigned cpus, const char *const *only);

#endif
