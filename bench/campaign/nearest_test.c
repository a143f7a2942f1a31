#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/campaign/nearest.h"

static void distance_counts_edits_and_swaps(void **state) {
    (void)state;
    assert_int_equal(nearest_distance("", ""), 0);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("block", "blok"), 1);
    assert_int_equal(nearest_distance("wait", "wiat"), 1);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("Glib", "glib"), 0);
    assert_int_equal(nearest_distance("abcdef", "badcfe"), 3);
}

static void nearest_is_the_one_a_reader_would_mean(void **state) {
    static const char *const names[] = {"throughput", "contention", "wait", "latency"};
    (void)state;
    assert_string_equal(nearest_name("thruput", names, 4), "throughput");
    assert_string_equal(nearest_name("latncy", names, 4), "latency");
    assert_string_equal(nearest_name("contension", names, 4), "contention");
    assert_null(nearest_name("x", names, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_edits_and_swaps),
        cmocka_unit_test(nearest_is_the_one_a_reader_would_mean),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
