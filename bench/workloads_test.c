/*
 * The workloads that stand on their own: each says the truth about a pool whose truth is known.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/test/cell_process.h"

#define WEIR "build/debug/subjects/weir.so"

static void a_wake_up_is_part_of_its_round_trip(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"wakeup\",\"workers\":2,\"gap_ns\":100000", 50, 20000);
    assert_status(record, "ok", "");
    struct histogram *start = histogram_of(record, "start");
    struct histogram *trip = histogram_of(record, "round_trip");
    assert_int_equal(start->count, trip->count);
    assert_true(start->min > 0 && start->max <= trip->max);
    assert_true(value_of(record, "start_ns") < value_of(record, "round_trip_ns"));
    /* No more than the gaps leave room for. */
    assert_true((double)trip->count <= 60e6 / 100e3 + 64.0);
    histogram_free(start);
    histogram_free(trip);
    json_decref(record);
}

static void kernels_of_a_pool_agree_with_the_serial_ones(void **state) {
    (void)state;
    static const char *const kernels[] = {"fib\",\"n\":16", "nqueens\",\"n\":9", "uts\",\"n\":64",
                                          "skynet\",\"n\":3"};
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        char cell[256];
        snprintf(cell, sizeof(cell), "\"workload\":\"forkjoin\",\"workers\":2,\"kernel\":\"%s",
                 kernels[i]);
        json_t *record = run_cell(WEIR, cell, 10, 20000);
        assert_status(record, "ok", "");
        double serial = value_of(record, "serial_ns");
        double one = value_of(record, "one_worker_ns");
        assert_true(fabs(value_of(record, "overhead") - one / serial) < 1e-9);
        assert_true(fabs(value_of(record, "ns_per_spawn") * value_of(record, "spawns") -
                         (one - serial)) < 1.0);
        assert_true(fabs(value_of(record, "speedup") - serial / value_of(record, "kernel_ns")) <
                    1e-9);
        json_decref(record);
    }
}

static void a_pool_without_kernels_is_unsupported_and_a_size_too_large_refused(void **state) {
    (void)state;
    json_t *record =
        run_cell(BROKEN "correct.so", "\"workload\":\"forkjoin\",\"kernel\":\"fib\"", 10, 20000);
    assert_status(record, "unsupported", "no fork-join kernels");
    json_decref(record);
    record = run_cell(WEIR, "\"workload\":\"forkjoin\",\"kernel\":\"fib\",\"n\":60", 10, 20000);
    assert_status(record, "invalid", "n: fib takes at most 50");
    json_decref(record);
}

/* No pool gives one worker more than all of its time, and this one cannot take a task for
 * nothing. */
static void metg_is_where_the_efficiency_is_the_wanted_one(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"metg\",\"workers\":1,\"efficiency\":50", 60, 20000);
    assert_non_null(record);
    const char *status = json_string_value(json_object_get(record, "status"));
    if (strcmp(status, "ok") == 0) {
        double metg = value_of(record, "metg_ns");
        double overhead = value_of(record, "overhead_ns");
        assert_true(metg >= 50.0 && metg < 5e6);
        /* At 50 % the work of a task equals its overhead. */
        assert_true(metg / overhead > 0.45 && metg / overhead < 2.2);
    } else {
        assert_status(record, "invalid", "efficiency never reached"); /* a busy machine: no claim */
    }
    json_decref(record);
}

static void an_idle_pool_uses_nothing(void **state) {
    (void)state;
    json_t *record = run_cell(
        BROKEN "correct.so", "\"workload\":\"sparse\",\"workers\":2,\"tasks_per_s\":0", 200, 20000);
    assert_status(record, "ok", "");
    assert_true(value_of(record, "cpu_percent") < 0.05);
    assert_true(value_of(record, "wakeups_per_s") < 20.0);
    json_decref(record);
}

/* ticking uses a thousandth of a CPU while it idles: 100 us of CPU time in each 100 ms. */
static void a_thousandth_of_a_cpu_is_seen(void **state) {
    (void)state;
    json_t *record =
        run_cell(BROKEN "ticking.so", "\"workload\":\"sparse\",\"workers\":1,\"tasks_per_s\":0",
                 1000, 20000);
    assert_status(record, "ok", "");
    double percent = value_of(record, "cpu_percent");
    if (percent < 0.07 || percent > 0.15) {
        fail_msg("0.1 %% of a CPU was measured as %.3f %%", percent);
    }
    assert_true(value_of(record, "wakeups_per_s") >= 7.0); /* ten, but for the edges */
    json_decref(record);
}

static void memory_of_a_queued_task_is_what_the_pool_allocates(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"memory\",\"workers\":2,\"queued\":50000", 10, 20000);
    assert_status(record, "ok", "");
    double bytes = value_of(record, "bytes_per_task");
    assert_true(bytes > 8.0 && bytes < 256.0); /* a node of a list */
    json_decref(record);
    record = run_cell("build/debug/subjects/thread.so", "\"workload\":\"memory\"", 10, 20000);
    assert_status(record, "unsupported", "no queue");
    json_decref(record);
}

static void an_allocator_that_is_not_in_use_is_refused(void **state) {
    (void)state;
    json_t *record =
        run_cell(BROKEN "correct.so", "\"workload\":\"memory\",\"alloc\":\"mimalloc\"", 10, 20000);
    assert_status(record, "unsupported", "wrong allocator: ");
    json_decref(record);
}

static void a_life_is_longer_than_its_parts(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"lifecycle\",\"workers\":2,\"tasks\":3", 30, 20000);
    assert_status(record, "ok", "");
    double life = value_of(record, "life_ns");
    assert_true(life >= value_of(record, "create_ns") + value_of(record, "destroy_ns"));
    assert_true(fabs(life * value_of(record, "lives_per_s") - 1e9) < 1e3);
    json_decref(record);
}

static void a_faulty_task_of_a_short_life_is_found(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "lost_task.so",
                              "\"workload\":\"lifecycle\",\"workers\":2,\"tasks\":200", 50, 20000);
    assert_status(record, "failed", "lost task: ");
    json_decref(record);
}

/* Of two workers, half the tasks sleep 1 ms: no pool of fixed size is faster than its ideal. */
static void sleeping_tasks_cost_a_fixed_pool_their_sleep(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"blocking\",\"workers\":2,\"share\":50,"
                              "\"sleep_ns\":1000000",
                              100, 20000);
    assert_status(record, "ok", "");
    assert_true(value_of(record, "slept_share") == 0.5);
    assert_true(value_of(record, "over_fixed") > 0.95);
    assert_true(value_of(record, "over_ideal") > 10.0);
    json_decref(record);
}

static void hogs_end_with_the_cell_and_every_response_is_counted(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"oversubscribe\",\"workers\":4,\"hogs\":1", 50, 20000);
    assert_status(record, "ok", "");
    struct histogram *response = histogram_of(record, "response");
    assert_true((double)response->count == json_number_value(json_object_get(record, "tasks")));
    assert_true(response->min >= 1000); /* of 20 us of work, whatever the calibration is worth */
    assert_true(value_of(record, "kept") > 0.0 && value_of(record, "kept") < 2.0);
    histogram_free(response);
    json_decref(record);
}

/* The parts of a latency are measured in a real cell as well: they leave no gap. */
static void the_parts_of_a_latency_add_up(void **state) {
    (void)state;
    static const char *const notify[] = {"none", "callback", "future"};
    for (size_t i = 0; i < 3; i++) {
        char cell[256];
        snprintf(cell, sizeof(cell),
                 "\"workload\":\"latency\",\"workers\":1,\"service_ns\":20000,"
                 "\"rate_per_s\":2000,\"notify\":\"%s\"",
                 notify[i]);
        json_t *record = run_cell(BROKEN "correct.so", cell, 100, 20000);
        assert_non_null(record);
        double sum = value_of(record, "parts_over_total");
        if (sum < 0.99 || sum > 1.01) {
            fail_msg("the parts are %.4f of the total, notify %s", sum, notify[i]);
        }
        assert_true((value_of(record, "notify_mean_ns") > 0.0) == (i > 0));
        json_decref(record);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wake_up_is_part_of_its_round_trip),
        cmocka_unit_test(kernels_of_a_pool_agree_with_the_serial_ones),
        cmocka_unit_test(a_pool_without_kernels_is_unsupported_and_a_size_too_large_refused),
        cmocka_unit_test(metg_is_where_the_efficiency_is_the_wanted_one),
        cmocka_unit_test(an_idle_pool_uses_nothing),
        cmocka_unit_test(a_thousandth_of_a_cpu_is_seen),
        cmocka_unit_test(memory_of_a_queued_task_is_what_the_pool_allocates),
        cmocka_unit_test(an_allocator_that_is_not_in_use_is_refused),
        cmocka_unit_test(a_life_is_longer_than_its_parts),
        cmocka_unit_test(a_faulty_task_of_a_short_life_is_found),
        cmocka_unit_test(sleeping_tasks_cost_a_fixed_pool_their_sleep),
        cmocka_unit_test(hogs_end_with_the_cell_and_every_response_is_counted),
        cmocka_unit_test(the_parts_of_a_latency_add_up),
    };
    return cmocka_run_group_tests_name("workloads", tests, NULL, NULL);
}
