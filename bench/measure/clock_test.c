#include "bench/measure/clock.h"
#include "bench/measure/usage.h"
#include "bench/measure/work.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void waiting_never_returns_early(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        uint64_t moment_ns = clock_now_ns() + 1000 * (uint64_t)i * (uint64_t)i;
        clock_wait_until(moment_ns, i % 2 == 1);
        assert_true(clock_now_ns() >= moment_ns);
    }
}

static void a_long_wait_sleeps(void **state) {
    (void)state;
    struct usage before = usage_now();
    clock_wait_until(clock_now_ns() + 50000000, false);
    assert_true(usage_since(before).cpu_ns < 10000000);
    assert_true(usage_since(before).csw >= 1);
}

static void a_moment_that_has_passed_is_not_waited_for(void **state) {
    (void)state;
    uint64_t before_ns = clock_now_ns();
    clock_wait_until(0, false);
    clock_wait_until(before_ns, false);
    assert_true(clock_now_ns() - before_ns < 1000000000);
}

static void reading_the_clock_costs_something(void **state) {
    (void)state;
    double cost_ns = clock_cost_ns();
    assert_true(cost_ns > 0.5 && cost_ns < 100000.0);
}

static void work_uses_the_cpu_time_asked_for(void **state) {
    (void)state;
    struct work work;
    work_calibrate(&work);
    uint64_t steps = work_steps(&work, 1000000);
    struct usage before = usage_now();
    for (int i = 0; i < 50; i++) {
        work_do(steps);
    }
    double cpu_ns = (double)usage_since(before).cpu_ns;
    /* A shared machine may be a good deal slower or faster a moment later, not four times. */
    assert_true(cpu_ns > 50e6 / 4 && cpu_ns < 50e6 * 4);
}

static void steps_are_proportional_to_time(void **state) {
    (void)state;
    const struct work work = {.step_ns = 1.25, .call_ns = 5.0};
    assert_int_equal(work_steps(&work, 0), 0);
    assert_int_equal(work_steps(&work, 5), 0);
    assert_int_equal(work_steps(&work, 1005), 800);
    assert_int_equal(work_steps(&work, 1000005), 800000);
}

static void an_error_of_calibration_is_reported(void **state) {
    (void)state;
    struct work work;
    work_calibrate(&work);
    work.step_ns *= 10.0; /* now work takes a tenth of what it should */
    work.call_ns = 0.0;
    double error = work_error(&work, 100000);
    assert_true(error > 0.3 && error < 1.0);
    assert_true(work_error(&work, 0) == 0.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_never_returns_early),
        cmocka_unit_test(a_long_wait_sleeps),
        cmocka_unit_test(a_moment_that_has_passed_is_not_waited_for),
        cmocka_unit_test(reading_the_clock_costs_something),
        cmocka_unit_test(work_uses_the_cpu_time_asked_for),
        cmocka_unit_test(steps_are_proportional_to_time),
        cmocka_unit_test(an_error_of_calibration_is_reported),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
