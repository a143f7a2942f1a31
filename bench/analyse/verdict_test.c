#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/analyse/verdict.h"
#include "bench/campaign/util.h"

static struct estimate between(double low, double median, double high) {
    return (struct estimate){.n = 12,
                             .claims = true,
                             .low = log(low),
                             .median = log(median),
                             .high = log(high),
                             .coverage = 0.96};
}

static enum verdict verdict(double low, double median, double high, double margin) {
    struct estimate e = between(low, median, high);
    return verdict_of(&e, log1p(margin));
}

static void verdicts_follow_the_thresholds(void **state) {
    (void)state;
    assert_int_equal(verdict(1.5, 2.0, 2.5, 0.02), VERDICT_FASTER);
    assert_int_equal(verdict(0.4, 0.5, 0.6, 0.02), VERDICT_SLOWER);
    assert_int_equal(verdict(0.99, 1.0, 1.01, 0.02), VERDICT_SAME);
    assert_int_equal(verdict(0.9, 1.1, 1.3, 0.02), VERDICT_UNRESOLVED);
    /* Different from 1, yet by no more than the margin. */
    assert_int_equal(verdict(1.001, 1.01, 1.015, 0.02), VERDICT_SAME);
    assert_int_equal(verdict(1.001, 1.01, 1.20, 0.02), VERDICT_UNRESOLVED);
    /* A noisy machine needs a larger difference. */
    assert_int_equal(verdict(1.03, 1.08, 1.15, 0.02), VERDICT_FASTER);
    assert_int_equal(verdict(1.03, 1.08, 1.15, 0.09), VERDICT_UNRESOLVED);
}

static void a_machine_that_cannot_tell_calls_nothing_the_same(void **state) {
    (void)state;
    assert_int_equal(verdict(0.6, 1.0, 1.6, 1.0), VERDICT_UNRESOLVED);
    assert_int_equal(verdict(0.95, 1.0, 1.05, 1.0), VERDICT_SAME);
}

static void too_few_rounds_are_unresolved_whatever_the_ratio(void **state) {
    static const double doubled[] = {0.7, 0.7, 0.7, 0.7, 0.7};
    (void)state;
    struct estimate e = sign_estimate(doubled, 5, SIGN_CONFIDENCE);
    assert_int_equal(verdict_of(&e, log1p(0.02)), VERDICT_UNRESOLVED);
    char *sentence = verdict_sentence(VERDICT_UNRESOLVED, &e, 0.02, "a", "b", "here");
    assert_non_null(strstr(sentence, "only 5 rounds"));
    free(sentence);
}

static void margin_is_two_percent_or_twice_the_floor(void **state) {
    (void)state;
    assert_true(fabs(verdict_margin(0) - log1p(0.02)) < 1e-12);
    assert_true(fabs(verdict_margin(0.05) - 0.10) < 1e-12);
}

static void floor_is_zero_without_noise_and_grows_with_it(void **state) {
    static const double quiet[] = {0, 0, 0, 0, 0, 0, 0, 0};
    static const double noisy[] = {-0.2, 0.2, -0.1, 0.1, -0.3, 0.3, -0.2, 0.2};
    static const double shifted[] = {0.1, 0.1, 0.1, 0.1};
    (void)state;
    assert_true(verdict_aa_floor(quiet, 8) < 1e-12);
    assert_true(verdict_aa_floor(noisy, 8) > 0.05);
    assert_true(verdict_aa_floor(noisy, 8) < 0.2);
    assert_true(fabs(verdict_aa_floor(shifted, 4) - 0.1) < 1e-12);
    assert_true(verdict_aa_floor(noisy, 1) < 1e-12);
}

static void slower_is_told_in_its_own_direction(void **state) {
    struct estimate e = between(0.4, 0.5, 0.625);
    (void)state;
    char *sentence = verdict_sentence(VERDICT_SLOWER, &e, 0.02, "a", "b", "at 2 workers");
    assert_string_equal(sentence,
                        "a is 2.00× slower than b at 2 workers (interval 1.60–2.50, 12 rounds)");
    free(sentence);
}

static void exit_codes_are_the_documented_ones(void **state) {
    (void)state;
    assert_int_equal(verdict_exit(VERDICT_FASTER), 0);
    assert_int_equal(verdict_exit(VERDICT_SAME), 0);
    assert_int_equal(verdict_exit(VERDICT_SLOWER), 1);
    assert_int_equal(verdict_exit(VERDICT_UNRESOLVED), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_follow_the_thresholds),
        cmocka_unit_test(a_machine_that_cannot_tell_calls_nothing_the_same),
        cmocka_unit_test(too_few_rounds_are_unresolved_whatever_the_ratio),
        cmocka_unit_test(margin_is_two_percent_or_twice_the_floor),
        cmocka_unit_test(floor_is_zero_without_noise_and_grows_with_it),
        cmocka_unit_test(slower_is_told_in_its_own_direction),
        cmocka_unit_test(exit_codes_are_the_documented_ones),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
