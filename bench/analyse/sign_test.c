#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/analyse/sign.h"
#include "bench/campaign/util.h"
#include "bench/measure/rng.h"

#define assert_near(x, y) assert_true(fabs((x) - (y)) < 1e-9)

static void binomial_tail_equals_hand_counted_values(void **state) {
    (void)state;
    assert_near(sign_binomial(1, 0), 0.5);
    assert_near(sign_binomial(6, 0), 1.0 / 64);
    assert_near(sign_binomial(8, 0), 1.0 / 256);
    assert_near(sign_binomial(9, 1), 10.0 / 512);
    assert_near(sign_binomial(10, 2), 56.0 / 1024);
    assert_near(sign_binomial(12, 2), 79.0 / 4096);
    assert_near(sign_binomial(10, 10), 1.0);
    assert_true(sign_binomial(2000, 1000) > 0.5); /* 2^-2000 is below every double */
}

/* k of the interval (k-th smallest to k-th largest) at 95 %, from tables of the sign test. */
static void interval_takes_the_tabulated_order_statistic(void **state) {
    static const struct {
        size_t n;
        size_t k;
        double coverage;
    } table[] = {{6, 1, 0.96875},      {7, 1, 0.984375},     {8, 1, 0.9921875},
                 {9, 2, 0.9609375},    {10, 2, 0.978515625}, {11, 2, 0.98828125},
                 {12, 3, 0.961425781}, {15, 4, 0.964843750}, {20, 6, 0.958610535},
                 {25, 8, 0.956714749}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        double values[25];
        for (size_t j = 0; j < table[i].n; j++) {
            values[j] = (double)((j * 7) % table[i].n) + 1; /* 1..n, shuffled where 7 ∤ n */
        }
        if (table[i].n % 7 == 0) {
            for (size_t j = 0; j < table[i].n; j++) {
                values[j] = (double)(table[i].n - j);
            }
        }
        struct estimate e = sign_estimate(values, table[i].n, SIGN_CONFIDENCE);
        assert_true(e.claims);
        assert_near(e.low, (double)table[i].k);
        assert_near(e.high, (double)(table[i].n + 1 - table[i].k));
        assert_true(fabs(e.coverage - table[i].coverage) < 1e-8);
        assert_near(e.median, (double)(table[i].n + 1) / 2);
    }
}

static void fewer_than_six_values_make_no_claim(void **state) {
    static const double values[] = {1, 2, 3, 4, 5, 6};
    (void)state;
    for (size_t n = 0; n < 6; n++) {
        struct estimate e = sign_estimate(values, n, SIGN_CONFIDENCE);
        assert_false(e.claims);
        assert_true(isnan(e.low) && isnan(e.high));
    }
    assert_true(sign_estimate(values, 6, SIGN_CONFIDENCE).claims);
}

/* The interval holds for any distribution: here a skewed one, with the median known. */
static void coverage_is_kept_on_a_skewed_distribution(void **state) {
    struct rng rng;
    rng_seed(&rng, 42);
    int covered = 0;
    (void)state;
    for (int trial = 0; trial < 4000; trial++) {
        double values[12];
        for (size_t i = 0; i < 12; i++) {
            double u = ((double)(rng_next(&rng) >> 11) + 0.5) / 9007199254740992.0;
            values[i] = -log(u); /* exponential: median log 2 */
        }
        struct estimate e = sign_estimate(values, 12, SIGN_CONFIDENCE);
        covered += e.low <= M_LN2 && M_LN2 <= e.high;
    }
    /* 0.9614 expected, standard deviation of the share 0.003. */
    assert_in_range(covered, 3790, 3900);
}

static void sign_test_leaves_ties_out(void **state) {
    static const double values[] = {1, 2, 3, 4, 5, 6, 0, 0};
    (void)state;
    assert_near(sign_test(values, 6), 2.0 / 64);
    assert_near(sign_test(values, 8), 2.0 / 64);
    assert_near(sign_test(values + 6, 2), 1.0);
}

static void holm_steps_down_through_the_family(void **state) {
    static const double p[] = {0.04, 0.01, 0.03};
    double out[3];
    (void)state;
    sign_holm(p, 3, out);
    assert_near(out[1], 0.03);
    assert_near(out[2], 0.06);
    assert_near(out[0], 0.06); /* never below one that was smaller before */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binomial_tail_equals_hand_counted_values),
        cmocka_unit_test(interval_takes_the_tabulated_order_statistic),
        cmocka_unit_test(fewer_than_six_values_make_no_claim),
        cmocka_unit_test(coverage_is_kept_on_a_skewed_distribution),
        cmocka_unit_test(sign_test_leaves_ties_out),
        cmocka_unit_test(holm_steps_down_through_the_family),
    };
    return cmocka_run_group_tests_name("sign", tests, NULL, NULL);
}
