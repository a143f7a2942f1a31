#include "bench/measure/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int compare_values(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void slots_tile_all_values_without_gap(void **state) {
    (void)state;
    for (size_t i = 0; i + 1 < HISTOGRAM_SLOTS; i++) {
        assert_int_equal(histogram_index(histogram_low(i)), i);
        assert_int_equal(histogram_index(histogram_high(i)), i);
        assert_int_equal(histogram_high(i) + 1, histogram_low(i + 1));
    }
}

static void indices_are_those_of_hdrhistogram(void **state) {
    (void)state;
    /* Sub-bucket arithmetic of HdrHistogram, unit 1, three significant digits. */
    for (int i = 0; i < 100000; i++) {
        uint64_t value = next_random() >> (12 + next_random() % 52);
        int bucket = 64 - __builtin_clzll(value | 2047) - 11;
        int sub_bucket = (int)(value >> bucket);
        int index = ((bucket + 1) << 10) + (sub_bucket - 1024);
        assert_int_equal(histogram_index(value), index);
    }
}

static void a_slot_is_narrower_than_a_thousandth(void **state) {
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        uint64_t width = histogram_high(i) - histogram_low(i);
        assert_true(width * 1000 <= histogram_low(i));
    }
}

static void values_beyond_the_range_go_to_the_last_slot(void **state) {
    (void)state;
    assert_int_equal(histogram_index(UINT64_MAX), HISTOGRAM_SLOTS - 1);
    assert_int_equal(histogram_index(UINT64_C(1) << 52), HISTOGRAM_SLOTS - 1);
    struct histogram *h = histogram_new();
    histogram_record(h, UINT64_MAX);
    assert_int_equal(h->max, (UINT64_C(1) << 52) - 1);
    histogram_free(h);
}

static void quantiles_agree_with_a_sorted_array(void **state) {
    (void)state;
    enum { N = 20000 };
    static uint64_t values[N];
    struct histogram *h = histogram_new();
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        values[i] = next_random() >> (20 + next_random() % 40);
        histogram_record(h, values[i]);
        sum += (double)values[i];
    }
    qsort(values, N, sizeof(values[0]), compare_values);
    const double quantiles[] = {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        double rank = quantiles[i] * N;
        size_t at = rank < 1.0 ? 0 : (size_t)(rank + 0.999999) - 1;
        uint64_t got = histogram_quantile(h, quantiles[i]);
        assert_int_equal(histogram_index(got), histogram_index(values[at]));
        assert_true(got >= values[at]);
    }
    assert_int_equal(h->count, N);
    assert_int_equal(h->min, values[0]);
    assert_int_equal(h->max, values[N - 1]);
    double mean = histogram_mean(h);
    assert_true(mean > sum / N * 0.999 && mean < sum / N * 1.001);
    histogram_free(h);
}

static void merging_equals_recording_all_in_one(void **state) {
    (void)state;
    struct histogram *a = histogram_new();
    struct histogram *b = histogram_new();
    struct histogram *both = histogram_new();
    for (int i = 0; i < 10000; i++) {
        uint64_t value = next_random() % 5000000;
        histogram_record(i % 3 == 0 ? a : b, value);
        histogram_record(both, value);
    }
    histogram_merge(a, b);
    assert_memory_equal(a, both, sizeof(*a));
    histogram_reset(b);
    histogram_merge(a, b);
    assert_memory_equal(a, both, sizeof(*a));
    histogram_free(a);
    histogram_free(b);
    histogram_free(both);
}

static void a_quantile_needs_a_hundred_samples_beyond_it(void **state) {
    (void)state;
    struct histogram *h = histogram_new();
    assert_false(histogram_resolves(h, 0.5));
    assert_int_equal(histogram_quantile(h, 0.5), 0);
    for (int i = 0; i < 99999; i++) {
        histogram_record(h, 1000);
    }
    assert_true(histogram_resolves(h, 0.99));
    assert_false(histogram_resolves(h, 0.999));
    histogram_record(h, 1000);
    assert_true(histogram_resolves(h, 0.999));
    assert_false(histogram_resolves(h, 0.9999));
    histogram_free(h);
}

static void json_round_trip_keeps_everything(void **state) {
    (void)state;
    struct histogram *h = histogram_new();
    for (int pass = 0; pass < 2; pass++) {
        json_t *json = histogram_to_json(h);
        assert_non_null(json);
        struct histogram *back = histogram_from_json(json);
        assert_non_null(back);
        assert_memory_equal(h, back, sizeof(*h));
        histogram_free(back);
        json_decref(json);
        for (int i = 0; i < 1000; i++) {
            histogram_record(h, next_random() >> (12 + next_random() % 50));
        }
    }
    histogram_free(h);
}

static void json_that_is_not_exactly_a_histogram_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"unit\":\"us\",\"digits\":3,\"count\":1,\"min\":5,\"max\":5,\"slots\":[5,1]}",
        "{\"unit\":\"ns\",\"digits\":2,\"count\":1,\"min\":5,\"max\":5,\"slots\":[5,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":2,\"min\":5,\"max\":5,\"slots\":[5,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":1,\"min\":6,\"max\":6,\"slots\":[5,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":2,\"min\":7,\"max\":5,\"slots\":[5,1,2,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":2,\"min\":5,\"max\":7,\"slots\":[7,1,-2,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":2,\"min\":5,\"max\":5,\"slots\":[5,1,0,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":0,\"min\":5,\"max\":5,\"slots\":[5,0]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":1,\"min\":5,\"max\":5,\"slots\":[44032,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":1,\"min\":5,\"max\":5,\"slots\":[5,1,1]}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":1,\"min\":5,\"max\":5,\"slots\":[5,1],\"x\":1}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":1,\"min\":5,\"max\":5,\"slots\":5}",
        "{\"unit\":\"ns\",\"digits\":3,\"count\":0,\"min\":-1,\"max\":0,\"slots\":[]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *json = json_loads(bad[i], 0, NULL);
        assert_non_null(json);
        assert_null(histogram_from_json(json));
        json_decref(json);
    }
    assert_null(histogram_from_json(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_tile_all_values_without_gap),
        cmocka_unit_test(indices_are_those_of_hdrhistogram),
        cmocka_unit_test(a_slot_is_narrower_than_a_thousandth),
        cmocka_unit_test(values_beyond_the_range_go_to_the_last_slot),
        cmocka_unit_test(quantiles_agree_with_a_sorted_array),
        cmocka_unit_test(merging_equals_recording_all_in_one),
        cmocka_unit_test(a_quantile_needs_a_hundred_samples_beyond_it),
        cmocka_unit_test(json_round_trip_keeps_everything),
        cmocka_unit_test(json_that_is_not_exactly_a_histogram_is_refused),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
