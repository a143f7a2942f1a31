/*
 * Plan: which episode comes n-th. A pure function of the settings, the subject's capabilities and
 * n, so that supervisor and child agree, and a run with the same seed takes the same way.
 *
 * Shapes (workers x capacity x producers) are cycled through in seeded order, every scenario and
 * every configuration meeting each of them.
 */
#ifndef STRESS_PLAN_H
#define STRESS_PLAN_H

#include <stdint.h>

#include "bench/subject.h"
#include "stress/board.h"
#include "stress/episode.h"

struct plan {
    const struct settings *settings;
    const struct weir_subject *subject;
    unsigned scenarios[BOARD_SCENARIOS]; /* that apply */
    unsigned scenario_count;
    const char *variants[BOARD_LIST];
    uint32_t capabilities[BOARD_LIST]; /* of each */
    unsigned variant_count;
    const char *fulls[4];
    unsigned full_count;
    size_t capacities[BOARD_LIST];
    unsigned capacity_count;
};

/* Fills the grid that is swept unless narrowed: workers {1,2,3,8}, capacity {1,2,64,unbounded},
 * producers {1,2,3,8}; all scenarios. */
void settings_default(struct settings *s);

/* 0, or -ENOENT when no scenario applies, -EINVAL when the subject has no such configuration. */
int plan_make(struct plan *p, const struct settings *settings, const struct weir_subject *subject);

/* Shapes in one cycle. */
uint64_t plan_shapes(const struct plan *p);

/* Of the configuration, or of the subject when it has none. */
uint32_t plan_capabilities(const struct plan *p, const char *variant);

void plan_episode(const struct plan *p, uint64_t index, struct spec *out);

#endif
