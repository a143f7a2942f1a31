#include "bench/measure/arrivals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N = 200000 };

static uint64_t values[N];
static uint64_t others[N];

/* Mean, and the standard deviation over the mean. */
static double mean_of(const uint64_t *v, double *variation) {
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < N; i++) {
        sum += (double)v[i];
    }
    double mean = sum / N;
    for (size_t i = 0; i < N; i++) {
        squares += ((double)v[i] - mean) * ((double)v[i] - mean);
    }
    *variation = sqrt(squares / N) / mean;
    return mean;
}

static void turn_into_gaps(uint64_t *at) {
    for (size_t i = N - 1; i > 0; i--) {
        assert_true(at[i] >= at[i - 1]);
        at[i] -= at[i - 1];
    }
}

static void units_are_uniform_and_never_zero(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 1);
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        double unit = rng_unit(&rng);
        assert_true(unit > 0.0 && unit <= 1.0);
        sum += unit;
    }
    /* 5 standard errors */
    assert_true(fabs(sum / N - 0.5) < 5.0 * 0.2887 / sqrt(N));
}

/* The state 1, 2, 3, 4 gives these by the generator's published definition. */
static void the_generator_is_the_published_one(void **state) {
    (void)state;
    struct rng rng = {.state = {1, 2, 3, 4}};
    assert_int_equal(rng_next(&rng), 11520);
    assert_int_equal(rng_next(&rng), 0);
    assert_int_equal(rng_next(&rng), 1509978240);
    assert_int_equal(rng_next(&rng), UINT64_C(1215971899390074240));
}

static void the_same_seed_gives_the_same_schedule_and_another_seed_another(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 42);
    arrivals_schedule(values, N, ARRIVALS_POISSON, 1e5, &rng);
    rng_seed(&rng, 42);
    arrivals_schedule(others, N, ARRIVALS_POISSON, 1e5, &rng);
    assert_memory_equal(values, others, sizeof(values));
    rng_seed(&rng, 43);
    arrivals_schedule(others, N, ARRIVALS_POISSON, 1e5, &rng);
    assert_memory_not_equal(values, others, sizeof(values));
}

static void poisson_gaps_are_exponential(void **state) {
    (void)state;
    struct rng rng;
    double variation;
    rng_seed(&rng, 7);
    arrivals_schedule(values, N, ARRIVALS_POISSON, 1e5, &rng);
    turn_into_gaps(values);
    double mean = mean_of(values, &variation);
    assert_true(fabs(mean - 10000.0) < 5.0 * 10000.0 / sqrt(N));
    assert_true(fabs(variation - 1.0) < 0.02);
    size_t longer = 0;
    for (size_t i = 0; i < N; i++) {
        longer += values[i] > 20000;
    }
    assert_true(fabs((double)longer / N - exp(-2.0)) < 0.004); /* memoryless */
}

static void constant_gaps_keep_the_rate_over_the_whole_schedule(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    arrivals_schedule(values, N, ARRIVALS_CONSTANT, 3e6, &rng);
    assert_in_range(values[N - 1], N * 1000u / 3u - 1, N * 1000u / 3u + 1);
    turn_into_gaps(values);
    for (size_t i = 1; i < N; i++) {
        assert_in_range(values[i], 333, 334);
    }
}

static void services_have_the_mean_and_the_shape_asked_for(void **state) {
    (void)state;
    struct rng rng;
    double variation;
    rng_seed(&rng, 7);
    arrivals_services(values, N, SERVICE_EXPONENTIAL, 20000.0, &rng);
    double mean = mean_of(values, &variation);
    assert_true(fabs(mean - 20000.0) < 5.0 * 20000.0 / sqrt(N));
    assert_true(fabs(variation - 1.0) < 0.02);
    arrivals_services(values, N, SERVICE_CONSTANT, 20000.0, &rng);
    assert_true(mean_of(values, &variation) == 20000.0 && variation == 0.0);
}

/* However short the run, its load is the one that was asked for. */
static void every_kind_has_exactly_the_rate_and_the_mean(void **state) {
    (void)state;
    enum { TASKS = 320 };
    uint64_t at_ns[TASKS];
    uint64_t service_ns[TASKS];
    struct rng rng;
    rng_seed(&rng, 5);
    for (int kind = ARRIVALS_POISSON; kind <= ARRIVALS_BURST; kind++) {
        arrivals_schedule(at_ns, TASKS, (enum arrivals)kind, 1e6, &rng);
        assert_in_range(at_ns[TASKS - 1], TASKS * 1000 - 1, TASKS * 1000 + 1);
        for (size_t i = 1; i < TASKS; i++) {
            assert_true(at_ns[i] >= at_ns[i - 1]);
        }
    }
    for (size_t i = 1; i < TASKS; i++) { /* the last kind: bursts of 16 */
        assert_true((at_ns[i] == at_ns[i - 1]) == (i % ARRIVALS_BURST_SIZE != 0));
    }
    for (int kind = SERVICE_CONSTANT; kind <= SERVICE_PARETO; kind++) {
        uint64_t sum = 0;
        uint64_t most = 0;
        arrivals_services(service_ns, TASKS, (enum service)kind, 20000.0, &rng);
        for (size_t i = 0; i < TASKS; i++) {
            sum += service_ns[i];
            most = service_ns[i] > most ? service_ns[i] : most;
        }
        assert_in_range(sum, TASKS * 20000 - TASKS, TASKS * 20000 + TASKS);
        /* Of these, only the constant one has no task longer than twice the mean. */
        assert_true((most > 40000) == (kind != SERVICE_CONSTANT));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_uniform_and_never_zero),
        cmocka_unit_test(the_generator_is_the_published_one),
        cmocka_unit_test(the_same_seed_gives_the_same_schedule_and_another_seed_another),
        cmocka_unit_test(poisson_gaps_are_exponential),
        cmocka_unit_test(constant_gaps_keep_the_rate_over_the_whole_schedule),
        cmocka_unit_test(services_have_the_mean_and_the_shape_asked_for),
        cmocka_unit_test(every_kind_has_exactly_the_rate_and_the_mean),
    };
    return cmocka_run_group_tests_name("arrivals", tests, NULL, NULL);
}
