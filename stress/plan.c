#include "stress/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stress/fault.h"

void settings_default(struct settings *s) {
    static const unsigned workers[] = {1, 2, 3, 8};
    static const size_t capacities[] = {1, 2, 64, 0};
    static const unsigned producers[] = {1, 2, 3, 8};
    memset(s, 0, sizeof(*s));
    memcpy(s->workers, workers, sizeof(workers));
    memcpy(s->capacities, capacities, sizeof(capacities));
    memcpy(s->producers, producers, sizeof(producers));
    s->worker_count = sizeof(workers) / sizeof(workers[0]);
    s->capacity_count = sizeof(capacities) / sizeof(capacities[0]);
    s->producer_count = sizeof(producers) / sizeof(producers[0]);
    s->scenarios = UINT64_MAX;
    s->perturb = -1;
}

static void find_fulls(struct plan *p) {
    uint32_t can = p->subject->capabilities;
    if (can & WEIR_SUBJECT_FULL_BLOCK) {
        p->fulls[p->full_count++] = "block";
    }
    if (can & WEIR_SUBJECT_FULL_REJECT) {
        p->fulls[p->full_count++] = "reject";
    }
    if (can & WEIR_SUBJECT_FULL_CALLER) {
        p->fulls[p->full_count++] = "caller-runs";
    }
}

static int find_variants(struct plan *p) {
    const struct weir_subject_variant *v = p->subject->variants;
    const char *wanted = p->settings->variant;
    if (v == NULL) {
        p->capabilities[0] = p->subject->capabilities;
        p->variants[p->variant_count++] = "";
        return wanted[0] == '\0' || strcmp(wanted, "default") == 0 ? 0 : -EINVAL;
    }
    for (; v->name != NULL && p->variant_count < BOARD_LIST; v++) {
        if (wanted[0] == '\0' || strcmp(wanted, v->name) == 0) {
            p->capabilities[p->variant_count] = p->subject->capabilities & ~v->lacks;
            p->variants[p->variant_count++] = v->name;
        }
    }
    return p->variant_count != 0 ? 0 : -EINVAL;
}

/* A pool without bounds gets only "unbounded"; one that only has a bound of its own, too. */
static void find_capacities(struct plan *p) {
    bool bounded = (p->subject->capabilities & WEIR_SUBJECT_BOUNDED) != 0 && p->full_count != 0;
    for (unsigned i = 0; i < p->settings->capacity_count; i++) {
        if (bounded || p->settings->capacities[i] == 0) {
            p->capacities[p->capacity_count++] = p->settings->capacities[i];
        }
    }
    if (p->capacity_count == 0) {
        p->capacities[p->capacity_count++] = 0;
    }
}

/* The first configuration from `from` on, round about, that has what the scenario needs; or the
 * count of configurations. */
static unsigned variant_for(const struct plan *p, unsigned scenario, uint64_t from) {
    for (unsigned i = 0; i < p->variant_count; i++) {
        unsigned v = (unsigned)((from + i) % p->variant_count);
        if (scenario_lacks(scenario_at(scenario), p->subject, p->capabilities[v]) == NULL) {
            return v;
        }
    }
    return p->variant_count;
}

int plan_make(struct plan *p, const struct settings *settings, const struct weir_subject *subject) {
    memset(p, 0, sizeof(*p));
    p->settings = settings;
    p->subject = subject;
    find_fulls(p);
    find_capacities(p);
    if (find_variants(p) != 0) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < scenario_count(); i++) {
        if ((settings->scenarios & (UINT64_C(1) << i)) != 0 &&
            variant_for(p, i, 0) < p->variant_count) {
            p->scenarios[p->scenario_count++] = i;
        }
    }
    return p->scenario_count != 0 ? 0 : -ENOENT;
}

uint32_t plan_capabilities(const struct plan *p, const char *variant) {
    for (unsigned i = 0; i < p->variant_count; i++) {
        if (strcmp(p->variants[i], variant) == 0) {
            return p->capabilities[i];
        }
    }
    return p->subject->capabilities;
}

uint64_t plan_shapes(const struct plan *p) {
    return (uint64_t)p->settings->worker_count * p->capacity_count * p->settings->producer_count;
}

/* The n-th of `count` shapes in the order of one cycle: a seeded Fisher-Yates, computed anew each
 * time; count is small. */
static uint64_t shuffled(uint64_t n, uint64_t count, uint64_t seed) {
    uint16_t order[BOARD_LIST * BOARD_LIST * BOARD_LIST];
    for (uint64_t i = 0; i < count; i++) {
        order[i] = (uint16_t)i;
    }
    for (uint64_t i = count - 1; i > 0; i--) {
        uint64_t j = stress_random(&seed) % (i + 1);
        uint16_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    return order[n];
}

static void choose_full(const struct plan *p, uint64_t random, struct spec *out) {
    if (out->capacity == 0 || p->full_count == 0) {
        out->full[0] = '\0';
        return;
    }
    snprintf(out->full, sizeof(out->full), "%s", p->fulls[random % p->full_count]);
}

/* Fair weather in half of the episodes. */
static void choose_fault(const struct settings *s, uint64_t random, struct spec *out) {
    out->fault = s->fault[0] != '\0' ? fault_find(s->fault)
                 : (random & 1) != 0 ? FAULT_NONE
                                     : 1 + (uint32_t)(random >> 1) % (FAULTS - 1);
}

static void replayed(const struct plan *p, struct spec *out) {
    const struct settings *s = p->settings;
    out->scenario = p->scenarios[0];
    out->workers = s->workers[0];
    out->capacity = s->capacities[0];
    out->producers = s->producers[0];
    out->seed = s->seed;
    out->perturb = s->perturb < 0 ? 2 : s->perturb;
    out->fault = s->fault[0] != '\0' ? fault_find(s->fault) : FAULT_NONE;
    snprintf(out->variant, sizeof(out->variant), "%s", p->variants[0]);
    snprintf(out->full, sizeof(out->full), "%s", s->full);
}

void plan_episode(const struct plan *p, uint64_t index, struct spec *out) {
    const struct settings *s = p->settings;
    memset(out, 0, sizeof(*out));
    if (s->replay) {
        replayed(p, out);
        return;
    }
    uint64_t lane = index % p->scenario_count; /* scenarios take turns */
    uint64_t turn = index / p->scenario_count;
    uint64_t shapes = plan_shapes(p);
    uint64_t cycle = turn / shapes;
    uint64_t shape = shuffled(turn % shapes, shapes, stress_mix(s->seed ^ (cycle << 8) ^ lane));
    out->scenario = p->scenarios[lane];
    out->workers = s->workers[shape % s->worker_count];
    shape /= s->worker_count;
    out->capacity = p->capacities[shape % p->capacity_count];
    out->producers = s->producers[shape / p->capacity_count];
    if (out->capacity == 0 && (scenario_at(out->scenario)->needs & NEEDS_BOUNDED) != 0) {
        out->capacity = 3; /* no bound to attack: one more small one instead */
    }
    /* The next cycle shifts configurations by one against the shapes. */
    unsigned variant = variant_for(p, out->scenario, turn + cycle + lane);
    snprintf(out->variant, sizeof(out->variant), "%s", p->variants[variant]);
    out->seed = stress_mix(s->seed ^ stress_mix(index));
    choose_full(p, stress_mix(out->seed ^ 1), out);
    choose_fault(s, stress_mix(out->seed ^ 3), out);
    out->perturb = s->perturb >= 0 ? s->perturb : (int)(stress_mix(out->seed ^ 2) % PERTURB_LEVELS);
}
