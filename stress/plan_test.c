/* Which episode comes when: the grid is covered, and the same seed takes the same way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "stress/plan.h"

static const struct weir_subject_variant variants[] = {
    {"claims", "", 0}, {"blocks", "", WEIR_SUBJECT_NESTED}, {NULL, NULL, 0}};

static int no_async(void *pool, weir_subject_call call, void *arg, void *ticket) {
    (void)pool, (void)call, (void)arg, (void)ticket;
    return 0;
}

static int no_await(void *pool, void *ticket, uint64_t deadline_ns, void **value) {
    (void)pool, (void)ticket, (void)deadline_ns, (void)value;
    return 0;
}

static void no_release(void *pool, void *ticket) {
    (void)pool, (void)ticket;
}

static const struct weir_subject rich = {
    .name = "rich",
    .capabilities = WEIR_SUBJECT_BOUNDED | WEIR_SUBJECT_FULL_BLOCK | WEIR_SUBJECT_FULL_REJECT |
                    WEIR_SUBJECT_NESTED | WEIR_SUBJECT_FROM_TASK,
    .variants = variants,
    .async = no_async,
    .await = no_await,
    .release = no_release,
};

static const struct weir_subject bare = {.name = "bare"};

static const char *name_of(const struct spec *spec) {
    return scenario_at(spec->scenario)->name;
}

static void one_cycle_meets_every_shape_with_every_scenario(void **state) {
    (void)state;
    struct settings s;
    struct plan p;
    struct spec spec;
    unsigned char seen[BOARD_SCENARIOS][9][65][9] = {0};
    settings_default(&s);
    assert_int_equal(plan_make(&p, &s, &rich), 0);
    assert_int_equal(plan_shapes(&p), 64);
    uint64_t cycle = plan_shapes(&p) * p.scenario_count;
    for (uint64_t i = 0; i < cycle; i++) {
        plan_episode(&p, i, &spec);
        if (strcmp(name_of(&spec), "full_queue") != 0) { /* it replaces "no bound" by a bound */
            assert_int_equal(seen[spec.scenario][spec.workers][spec.capacity][spec.producers]++, 0);
        }
    }
}

static void the_same_seed_gives_the_same_episodes(void **state) {
    (void)state;
    struct settings s;
    struct plan p;
    struct spec one, two;
    settings_default(&s);
    s.seed = 7;
    assert_int_equal(plan_make(&p, &s, &rich), 0);
    for (uint64_t i = 0; i < 500; i++) {
        plan_episode(&p, i, &one);
        plan_episode(&p, i, &two);
        assert_memory_equal(&one, &two, sizeof(one));
    }
    s.seed = 8;
    plan_episode(&p, 0, &one);
    s.seed = 7;
    plan_episode(&p, 0, &two);
    assert_true(one.seed != two.seed);
}

static void a_configuration_is_spared_what_it_lacks(void **state) {
    (void)state;
    struct settings s;
    struct plan p;
    struct spec spec;
    unsigned nested = 0, blocks = 0;
    settings_default(&s);
    assert_int_equal(plan_make(&p, &s, &rich), 0);
    for (uint64_t i = 0; i < 2000; i++) {
        plan_episode(&p, i, &spec);
        bool waits = strcmp(name_of(&spec), "nested_wait") == 0;
        nested += waits;
        blocks += strcmp(spec.variant, "blocks") == 0;
        assert_false(waits && strcmp(spec.variant, "blocks") == 0);
    }
    assert_true(nested > 100 && blocks > 100);
}

static void a_pool_without_bounds_is_never_given_one(void **state) {
    (void)state;
    struct settings s;
    struct plan p;
    struct spec spec;
    settings_default(&s);
    assert_int_equal(plan_make(&p, &s, &bare), 0);
    assert_int_equal(p.scenario_count, 9); /* those that need the four operations and no more */
    for (uint64_t i = 0; i < 200; i++) {
        plan_episode(&p, i, &spec);
        assert_int_equal(spec.capacity, 0);
        assert_string_equal(spec.full, "");
    }
}

static void what_does_not_apply_is_an_error(void **state) {
    (void)state;
    struct settings s;
    struct plan p;
    settings_default(&s);
    for (unsigned i = 0; i < scenario_count(); i++) {
        if (strcmp(scenario_at(i)->name, "cancel_race") == 0) {
            s.scenarios = UINT64_C(1) << i;
        }
    }
    assert_int_equal(plan_make(&p, &s, &bare), -ENOENT);
    strcpy(s.variant, "nonesuch");
    assert_int_equal(plan_make(&p, &s, &rich), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_cycle_meets_every_shape_with_every_scenario),
        cmocka_unit_test(the_same_seed_gives_the_same_episodes),
        cmocka_unit_test(a_configuration_is_spared_what_it_lacks),
        cmocka_unit_test(a_pool_without_bounds_is_never_given_one),
        cmocka_unit_test(what_does_not_apply_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
