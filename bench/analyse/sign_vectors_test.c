/*
 * The statistics agree with scipy's on the vectors of vectors.json, which make_vectors.py made.
 */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "bench/analyse/erlang.h"
#include "bench/analyse/sign.h"

#define VECTORS "bench/analyse/vectors.json"

static json_t *vectors;

static int load(void **state) {
    (void)state;
    vectors = json_load_file(VECTORS, 0, NULL);
    return vectors ? 0 : -1;
}

static int unload(void **state) {
    (void)state;
    json_decref(vectors);
    return 0;
}

static double number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_number(value)) {
        fail_msg("%s: no number %s", VECTORS, name);
    }
    return json_number_value(value);
}

static double *numbers(const json_t *array, size_t *n) {
    *n = json_array_size(array);
    double *values = calloc(*n, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < *n; i++) {
        values[i] = json_number_value(json_array_get(array, i));
    }
    return values;
}

static void assert_equal(double value, double truth, const char *what) {
    if (!(fabs(value - truth) <= 1e-9 * fmax(1e-3, fabs(truth)))) {
        fail_msg("%s: %.15g, scipy says %.15g", what, value, truth);
    }
}

static void binomials_agree(void **state) {
    (void)state;
    size_t i;
    json_t *v;
    assert_true(json_array_size(json_object_get(vectors, "binomial")) > 20);
    json_array_foreach(json_object_get(vectors, "binomial"), i, v) {
        assert_equal(sign_binomial((size_t)number(v, "n"), (size_t)number(v, "k")), number(v, "p"),
                     "binomial");
    }
}

static void medians_intervals_and_tests_agree(void **state) {
    (void)state;
    size_t i;
    json_t *v;
    assert_true(json_array_size(json_object_get(vectors, "samples")) > 20);
    json_array_foreach(json_object_get(vectors, "samples"), i, v) {
        size_t n;
        double *values = numbers(json_object_get(v, "values"), &n);
        struct estimate e = sign_estimate(values, n, SIGN_CONFIDENCE);
        assert_equal(e.median, number(v, "median"), "median");
        assert_equal(e.low, number(v, "low"), "low");
        assert_equal(e.high, number(v, "high"), "high");
        assert_equal(e.p, number(v, "sign_p"), "sign test");
        assert_equal(sign_rank_test(values, n), number(v, "rank_p"), "signed-rank test");
        free(values);
    }
}

static void holm_agrees(void **state) {
    (void)state;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(vectors, "holm"), i, v) {
        size_t n;
        size_t m;
        double *p = numbers(json_object_get(v, "p"), &n);
        double *truth = numbers(json_object_get(v, "corrected"), &m);
        double corrected[64];
        assert_int_equal(n, m);
        sign_holm(p, n, corrected);
        for (size_t j = 0; j < n; j++) {
            assert_equal(corrected[j], truth[j], "Holm");
        }
        free(p);
        free(truth);
    }
}

static void erlang_agrees(void **state) {
    (void)state;
    size_t i;
    json_t *v;
    assert_true(json_array_size(json_object_get(vectors, "erlang")) > 10);
    json_array_foreach(json_object_get(vectors, "erlang"), i, v) {
        unsigned servers = (unsigned)number(v, "servers");
        double at = number(v, "load");
        assert_equal(erlang_c(servers, at), number(v, "waits"), "Erlang C");
        assert_equal(erlang_response_quantile(servers, at, 1.0, number(v, "q")),
                     number(v, "response"), "response");
    }
}

/* Inside the range, around the median, narrower than the exact interval as a rule, and the same
 * each time. */
static void the_bootstrap_agrees_with_the_interval(void **state) {
    (void)state;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(vectors, "samples"), i, v) {
        size_t n;
        double *values = numbers(json_object_get(v, "values"), &n);
        struct estimate e = sign_estimate(values, n, SIGN_CONFIDENCE);
        double low, high, again_low, again_high;
        sign_bootstrap(values, n, &low, &high);
        sign_bootstrap(values, n, &again_low, &again_high);
        assert_true(low == again_low && high == again_high);
        assert_true(low <= e.median && e.median <= high);
        assert_true(n < 20 || fabs((high - low) / (e.high - e.low) - 1.0) < 0.6);
        free(values);
    }
    double low, high;
    sign_bootstrap(NULL, 0, &low, &high);
    assert_true(isnan(low) && isnan(high));
}

static void ties_share_their_ranks_and_zeros_say_nothing(void **state) {
    (void)state;
    /* Sizes 1 1 2: ranks 1.5 1.5 3; of eight sign patterns two are as uneven as ours. */
    const double all_above[] = {1, 1, 2};
    assert_equal(sign_rank_test(all_above, 3), 2.0 / 8.0, "all above");
    const double zeros[] = {0, 0, 1, 1, 2};
    assert_equal(sign_rank_test(zeros, 5), 2.0 / 8.0, "zeros left out");
    const double balanced[] = {1, -1};
    assert_equal(sign_rank_test(balanced, 2), 1.0, "balanced");
    assert_equal(sign_rank_test(NULL, 0), 1.0, "nothing");
}

static void long_samples_are_approximated_closely(void **state) {
    (void)state;
    double values[SIGN_RANK_EXACT + 1];
    for (size_t i = 0; i < SIGN_RANK_EXACT + 1; i++) {
        values[i] = ((double)i + 1) * (i % 3 == 0 ? -1.0 : 1.0);
    }
    double exact = sign_rank_test(values, SIGN_RANK_EXACT);
    double approximate = sign_rank_test(values, SIGN_RANK_EXACT + 1);
    assert_true(fabs(log(exact / approximate)) < 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binomials_agree),
        cmocka_unit_test(medians_intervals_and_tests_agree),
        cmocka_unit_test(holm_agrees),
        cmocka_unit_test(erlang_agrees),
        cmocka_unit_test(the_bootstrap_agrees_with_the_interval),
        cmocka_unit_test(ties_share_their_ranks_and_zeros_say_nothing),
        cmocka_unit_test(long_samples_are_approximated_closely),
    };
    return cmocka_run_group_tests_name("sign_vectors", tests, load, unload);
}
