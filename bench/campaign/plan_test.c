#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/campaign/axes.h"
#include "bench/campaign/plan.h"
#include "bench/campaign/field.h"
#include "bench/campaign/story.h"
#include "bench/campaign/util.h"

/* The usual subjects, with start-up times as they are on a slow machine. */
static void describe(struct subject *subject, const char *name, bool program, size_t variants,
                     uint64_t startup_ms) {
    *subject = (struct subject){.name = text("%s", name),
                                .plugin = program ? NULL : text("./%s.so", name),
                                .startup_ns = startup_ms * NS_PER_MS};
    json_t *list = json_array();
    for (size_t i = 0; i < variants; i++) {
        char *variant = i == 0 ? text("default") : text("v%zu", i);
        json_array_append_new(list, json_pack("{s:s}", "name", variant));
        free(variant);
    }
    subject->description = json_pack("{s:s,s:o}", "name", name, "variants", list);
}

static struct subject_list usual_subjects(void) {
    struct subject_list list = {5, must_array(5, sizeof(struct subject))};
    describe(&list.items[0], "weir", false, 5, 15);
    describe(&list.items[1], "glib", false, 1, 15);
    describe(&list.items[2], "thread", false, 1, 15);
    describe(&list.items[3], "python", true, 1, 250);
    describe(&list.items[4], "java", true, 2, 700);
    return list;
}

static struct plan planned(const struct subject_list *subjects, unsigned cpus, uint64_t budget_s) {
    struct plan plan = {0};
    struct choices choices = field_all(subjects);
    const struct plan_limits limits = {
        .budget_ns = budget_s * NS_PER_S, .warmup_ns = UINT64_MAX, .min_rounds = PLAN_MIN_ROUNDS};
    story_plan(&plan, subjects, &choices, cpus, NULL);
    plan_fit(&plan, subjects, &limits);
    free(choices.items);
    return plan;
}

static void six_rounds_fit_every_budget_on_every_machine(void **state) {
    static const unsigned cpus[] = {1, 2, 8, 64};
    static const uint64_t budgets_s[] = {10, 20, 60, 180, 600, 1800};
    struct subject_list subjects = usual_subjects();
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 6; j++) {
            struct plan plan = planned(&subjects, cpus[i], budgets_s[j]);
            uint64_t round_ns = plan_round_cost(&plan);
            assert_true(PLAN_MIN_ROUNDS * round_ns <= budgets_s[j] * NS_PER_S);
            /* One more round is at most a sixth: what stays over is used by cheaper cells. */
            assert_true(round_ns > 0);
            assert_true(plan.measure_ns >= 20 * NS_PER_MS && plan.measure_ns <= 300 * NS_PER_MS);
            plan_free(&plan);
        }
    }
    subjects_free(&subjects);
}

static void a_small_budget_keeps_what_matters_most(void **state) {
    struct subject_list subjects = usual_subjects();
    (void)state;
    struct plan plan = planned(&subjects, 2, 10);
    assert_true(plan.dropped > 0);
    size_t core = 0;
    for (size_t i = 0; i < plan.n; i++) {
        const char *workload = json_string_value(json_object_get(plan.cells[i].cell, "workload"));
        if (strcmp(workload, "throughput") == 0 && plan.cells[i].rank == 0) {
            core += plan_cell_entries(&plan.cells[i]);
        }
    }
    assert_true(core >= 5); /* every in-process pool, on as many workers as CPUs */
    plan_free(&plan);
    subjects_free(&subjects);
}

/* As many as there are on Debian: 21 configurations of plug-ins, 13 of programs. */
static struct subject_list whole_field(void) {
    struct subject_list list = {18, must_array(18, sizeof(struct subject))};
    describe(&list.items[0], "weir", false, 5, 15);
    for (size_t i = 1; i < 12; i++) {
        char name[] = {'p', (char)('a' + i), '\0'};
        describe(&list.items[i], name, false, i < 6 ? 2 : 1, 15);
        if (i > 2) { /* most have no futures */
            json_object_set_new(list.items[i].description, "patterns", json_pack("[s]", "signal"));
        }
    }
    describe(&list.items[12], "thread", false, 1, 15);
    for (size_t i = 13; i < 18; i++) {
        char name[] = {'r', (char)('a' + i), '\0'};
        describe(&list.items[i], name, true, i == 13 ? 5 : 2, i == 13 ? 300 : 30);
    }
    json_object_set_new(list.items[12].description, "capabilities",
                        json_pack("[s]", "one-thread-a-task"));
    return list;
}

static size_t kept(const struct plan *plan, const char *workload, struct choice who) {
    size_t n = 0;
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_cell *cell = &plan->cells[i];
        const char *name = json_string_value(json_object_get(cell->cell, "workload"));
        for (size_t j = 0; strcmp(name, workload) == 0 && j < cell->n; j++) {
            n += cell->entries[j].subject == who.subject &&
                 cell->entries[j].variant == who.variant && !cell->entries[j].dropped;
        }
    }
    return n;
}

static void half_an_hour_has_everybody_in_every_workload(void **state) {
    struct subject_list subjects = whole_field();
    struct choices choices = field_all(&subjects);
    struct plan plan = planned(&subjects, 2, 1800);
    (void)state;
    for (size_t w = 0; w < workloads_n; w++) {
        for (size_t i = 0; i < choices.n; i++) {
            bool minor = choices.items[i].variant >= 3;
            assert_true(minor || kept(&plan, workloads[w].name, choices.items[i]) > 0);
        }
    }
    /* Nine rounds have an interval that one stray round cannot stretch. */
    assert_true(9 * plan_round_cost(&plan) <= 1800 * NS_PER_S);
    assert_int_equal(plan.measure_ns, 100 * NS_PER_MS);
    plan_free(&plan);
    free(choices.items);
    subjects_free(&subjects);
}

static void an_hour_and_a_half_measures_everything_of_a_few(void **state) {
    struct subject_list subjects = usual_subjects();
    (void)state;
    struct plan plan = planned(&subjects, 2, 5400);
    assert_int_equal(plan.dropped, 0);
    plan_free(&plan);
    subjects_free(&subjects);
}

static void lower_ranks_outlive_higher_ones(void **state) {
    struct subject_list subjects = usual_subjects();
    (void)state;
    for (uint64_t budget_s = 10; budget_s < 300; budget_s += 17) {
        struct plan plan = planned(&subjects, 4, budget_s);
        unsigned kept = 0;
        unsigned dropped = UINT32_MAX;
        for (size_t i = 0; i < plan.n; i++) {
            for (size_t j = 0; j < plan.cells[i].n; j++) {
                const struct plan_entry *entry = &plan.cells[i].entries[j];
                if (entry->dropped) {
                    dropped = entry->rank < dropped ? entry->rank : dropped;
                } else {
                    kept = entry->rank > kept ? entry->rank : kept;
                }
            }
        }
        assert_true(kept <= dropped);
        plan_free(&plan);
    }
    subjects_free(&subjects);
}

static void the_worker_grid_is_thin_on_many_cpus(void **state) {
    unsigned grid[STORY_GRID_MAX];
    (void)state;
    for (unsigned cpus = 1; cpus <= 256; cpus++) {
        size_t n = story_grid(cpus, grid);
        assert_true(n >= 2 && n <= 6);
        assert_int_equal(grid[0], 1);
        assert_int_equal(grid[n - 2], cpus);
        assert_int_equal(grid[n - 1], 2 * cpus);
        for (size_t i = 1; i < n; i++) {
            assert_true(grid[i] > grid[i - 1]);
        }
    }
}

static void a_plan_goes_through_json_unchanged(void **state) {
    struct subject_list subjects = usual_subjects();
    char *error = NULL;
    (void)state;
    struct plan plan = planned(&subjects, 2, 60);
    struct plan copy;
    json_t *json = plan_to_json(&plan, &subjects);
    assert_true(plan_from_json(&copy, json, &subjects, &error));
    json_t *again = plan_to_json(&copy, &subjects);
    assert_true(json_equal(json, again));
    assert_int_equal(plan_round_cost(&plan), plan_round_cost(&copy));
    json_decref(json);
    json_decref(again);
    plan_free(&plan);
    plan_free(&copy);
    subjects_free(&subjects);
}

static void axes_refuse_what_is_no_value(void **state) {
    static const char *const bad[][2] = {{"workers", "0"},    {"workers", "2,"},
                                         {"workers", "1.5"},  {"workers", "99999999999999999999"},
                                         {"pattern", "blok"}, {"utilisation", "151"},
                                         {"window", ""},      {"service", "constant,weibull"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *error = NULL;
        assert_null(axis_parse(axis_find(bad[i][0]), bad[i][1], &error));
        assert_non_null(error);
        assert_non_null(strstr(error, bad[i][0]));
        free(error);
    }
    char *error = NULL;
    json_t *values = axis_parse(axis_find("workers"), "1,2,4", &error);
    assert_int_equal(json_array_size(values), 3);
    json_decref(values);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_rounds_fit_every_budget_on_every_machine),
        cmocka_unit_test(a_small_budget_keeps_what_matters_most),
        cmocka_unit_test(half_an_hour_has_everybody_in_every_workload),
        cmocka_unit_test(an_hour_and_a_half_measures_everything_of_a_few),
        cmocka_unit_test(lower_ranks_outlive_higher_ones),
        cmocka_unit_test(the_worker_grid_is_thin_on_many_cpus),
        cmocka_unit_test(a_plan_goes_through_json_unchanged),
        cmocka_unit_test(axes_refuse_what_is_no_value),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
