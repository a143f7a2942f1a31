#include <time.h>

#include "test/unit.h"

static void clock_is_the_monotonic_one_and_never_goes_back(void **state) {
    struct timespec before, after;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        uint64_t now_ns = weir_now_ns();
        clock_gettime(CLOCK_MONOTONIC, &after);
        assert_true(now_ns >= (uint64_t)before.tv_sec * 1000000000u + (uint64_t)before.tv_nsec);
        assert_true(now_ns <= (uint64_t)after.tv_sec * 1000000000u + (uint64_t)after.tv_nsec);
    }
}

static void after_lies_that_far_ahead(void **state) {
    uint64_t before_ns = weir_now_ns(), deadline_ns = weir_after(5000), after_ns = weir_now_ns();

    (void)state;
    assert_in_range(deadline_ns, before_ns + 5000, after_ns + 5000);
    assert_true(weir_after(0) != WEIR_NOW);
}

static void after_that_would_overflow_is_forever(void **state) {
    (void)state;
    assert_true(weir_after(UINT64_MAX) == WEIR_FOREVER);
    assert_true(weir_after(UINT64_MAX - 1) == WEIR_FOREVER);
    assert_true(weir_after(UINT64_MAX / 2) < WEIR_FOREVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(clock_is_the_monotonic_one_and_never_goes_back),
        ONCE(after_lies_that_far_ahead),
        ONCE(after_that_would_overflow_is_forever),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
