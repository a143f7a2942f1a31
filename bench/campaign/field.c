#include "bench/campaign/field.h"
#include "bench/campaign/util.h"

#include <string.h>

/*
 * The order of preference, and why. The first five answer different questions; the others step in,
 * nearest in kind first, where one of those is missing.
 */
static const struct {
    const char *subject;
    const char *variant;
} rivals[] = {
    {"glib", "default"},     /* the pool that C programs have at hand: one lock, well done */
    {"tbb", "default"},      /* the strongest of C++: stealing, arenas */
    {"java", "fixed"},       /* the executor that everybody knows, and the course's model */
    {"go", "channel"},       /* the cheapest hand-over there is: no kernel thread wakes */
    {"handmade", "default"}, /* what one would write instead of taking a library */
    {"uv", "default"},       /* the pool of servers, behind an event loop */
    {"asio", "default"},     /* the pool of C++ servers */
    {"java", "forkjoin"},    /* striped submission queues */
    {"rayon", "default"},    /* stealing, with a documented way to sleep */
    {"qt", "default"},       /* one lock, threads on demand */
    {"tokio", "default"},    /* one lock, threads on demand */
    {"apr", "default"},      /* a priority list under one lock */
    {"python", "default"},   /* the course's other model, bound by its lock */
    {"thread", "default"},   /* no pool at all */
};

static void add(struct choices *choices, size_t subject, size_t variant) {
    choices->items = must_grow(choices->items, choices->n + 1, sizeof *choices->items);
    choices->items[choices->n++] = (struct choice){subject, variant};
}

struct choices field_all(const struct subject_list *subjects) {
    struct choices all = {0, NULL};
    for (size_t i = 0; i < subjects->n; i++) {
        for (size_t v = 0; v < subject_variants(&subjects->items[i]); v++) {
            add(&all, i, v);
        }
    }
    return all;
}

/* False when it is not there. */
static bool add_named(struct choices *choices, const struct subject_list *subjects,
                      const char *name, const char *variant) {
    for (size_t i = 0; i < subjects->n; i++) {
        for (size_t v = 0; v < subject_variants(&subjects->items[i]); v++) {
            if (strcmp(subjects->items[i].name, name) == 0 &&
                strcmp(subject_variant(&subjects->items[i], v), variant) == 0) {
                add(choices, i, v);
                return true;
            }
        }
    }
    return false;
}

struct choices field_main(const struct subject_list *subjects) {
    struct choices chosen = {0, NULL};
    for (size_t i = 0; i < subjects->n; i++) {
        bool weir = strcmp(subjects->items[i].name, "weir") == 0;
        for (size_t v = 0; weir && v < subject_variants(&subjects->items[i]); v++) {
            add(&chosen, i, v);
        }
    }
    size_t found = 0;
    for (size_t i = 0; i < sizeof rivals / sizeof rivals[0] && found < FIELD_RIVALS; i++) {
        found += add_named(&chosen, subjects, rivals[i].subject, rivals[i].variant);
    }
    return chosen;
}
