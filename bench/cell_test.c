/*
 * Known answers: whole cells, in processes of their own, over pools whose truth is known.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/test/cell_process.h"

static void assert_submission_figures(const json_t *record) {
    assert_status(record, "ok", "");
    double tasks = json_number_value(json_object_get(record, "tasks"));
    double wall_ns = json_number_value(json_object_get(record, "wall_ns"));
    assert_true(tasks > 0.0 && wall_ns > 0.0);
    assert_true(value_of(record, "ns_per_task") * tasks / wall_ns > 0.999);
    assert_true(value_of(record, "ns_per_task") * tasks / wall_ns < 1.001);
    assert_true(value_of(record, "tasks_per_s") * value_of(record, "ns_per_task") > 0.999e9);
    assert_true(value_of(record, "submit_ns") > 0.0);
    assert_true(value_of(record, "cpu_ns_per_task") > 0.0);
    assert_true(value_of(record, "csw_per_task") >= 0.0);
    assert_true(value_of(record, "caller_ran_share") == 0.0);
}

static void throughput_of_a_correct_pool_adds_up(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"throughput\",\"workers\":2,\"producers\":2,"
                              "\"grain_ns\":2000,\"capacity\":0,\"batch\":1",
                              30, 20000);
    assert_submission_figures(record);
    /* Two workers cannot do 2 µs tasks in less than 1 µs each; calibration may be off by a half
     * on a busy machine. */
    assert_true(value_of(record, "ns_per_task") > 500.0);
    json_decref(record);
}

static void a_full_queue_that_rejects_is_tried_again(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"contention\",\"workers\":1,\"producers\":3,"
                              "\"capacity\":1",
                              20, 20000);
    assert_submission_figures(record);
    assert_true(value_of(record, "retries") > 0.0);
    double jain = value_of(record, "jain");
    assert_true(jain > 1.0 / 3.0 - 1e-9 && jain < 1.0 + 1e-9);
    json_decref(record);
}

static void every_pattern_brings_its_own_values_back(void **state) {
    (void)state;
    static const char *const patterns[] = {"block", "timed", "poll",   "callback",
                                           "any",   "all",   "nested", "signal"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        char cell[256];
        snprintf(cell, sizeof(cell),
                 "\"workload\":\"wait\",\"workers\":4,\"pattern\":\"%s\",\"window\":3",
                 patterns[i]);
        json_t *record = run_cell(BROKEN "correct.so", cell, 10, 20000);
        assert_status(record, "ok", "");
        struct histogram *h = histogram_of(record, "round_trip");
        double trips = json_number_value(json_object_get(record, "tasks"));
        trips /= strcmp(patterns[i], "nested") == 0 ? 2.0 : 1.0;
        /* All of them, or each 64th of every epoch where the clock would cost too much. */
        bool sampled = (double)h->count < trips / 2.0;
        assert_true(sampled ? (double)h->count >= trips / 64.0 && (double)h->count <= trips / 16.0
                            : (double)h->count == trips);
        double mean = value_of(record, "round_trip_ns");
        assert_true(mean >= (double)h->min * 0.99 && mean <= (double)h->max * 1.01);
        assert_true(value_of(record, "round_trips_per_s") > 0.0);
        assert_true(value_of(record, "cpu_ns_per_round_trip") > 0.0);
        histogram_free(h);
        json_decref(record);
    }
}

static void what_a_pool_does_not_offer_is_unsupported(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"wait\",\"workers\":2,\"pattern\":\"nested\","
                              "\"window\":2",
                              10, 20000);
    assert_status(record, "unsupported", "nested waits would use up its workers");
    json_decref(record);
    record = run_cell(BROKEN "correct.so", "\"workload\":\"throughput\",\"batch\":8", 10, 20000);
    assert_status(record, "unsupported", "no submit_batch");
    json_decref(record);
    record = run_cell("build/debug/subjects/thread.so", "\"workload\":\"wait\",\"pattern\":\"any\"",
                      10, 20000);
    assert_status(record, "unsupported", "no wait_any");
    json_decref(record);
    record = run_cell("build/debug/subjects/thread.so",
                      "\"workload\":\"throughput\",\"capacity\":8", 10, 20000);
    assert_status(record, "unsupported", "no bounded queue");
    json_decref(record);
}

static void a_thread_a_task_does_every_workload(void **state) {
    (void)state;
    static const char *const cells[] = {
        "\"workload\":\"throughput\",\"producers\":2,\"grain_ns\":1000",
        "\"workload\":\"contention\",\"producers\":2",
        "\"workload\":\"wait\",\"pattern\":\"block\",\"window\":4",
        "\"workload\":\"wait\",\"pattern\":\"nested\",\"window\":4",
    };
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        json_t *record = run_cell("build/debug/subjects/thread.so", cells[i], 10, 20000);
        assert_status(record, "ok", "");
        json_decref(record);
    }
}

static void tasks_that_the_submitter_runs_are_seen(void **state) {
    (void)state;
    static const char *const cells[] = {
        "\"workload\":\"throughput\",\"producers\":2",
        "\"workload\":\"latency\",\"service_ns\":1000,\"rate_per_s\":1000",
    };
    for (size_t i = 0; i < 2; i++) {
        json_t *record = run_cell(BROKEN "inline.so", cells[i], 150, 20000);
        assert_non_null(record); /* the generator may lag, for it does the work */
        assert_true(value_of(record, "caller_ran_share") == 1.0);
        const json_t *marks = json_object_get(record, "validity");
        bool told = false;
        for (size_t j = 0; j < json_array_size(marks); j++) {
            told = told || strcmp(json_string_value(json_array_get(marks, j)),
                                  "100 % of the tasks ran on the thread that submits") == 0;
        }
        assert_true(told);
        json_decref(record);
    }
}

static void glib_does_what_it_offers(void **state) {
    (void)state;
    const char *plugin = "build/debug/subjects/glib.so";
    if (access(plugin, F_OK) != 0) {
        skip(); /* built without GLib's headers */
    }
    json_t *record = run_cell(plugin, "\"workload\":\"throughput\",\"workers\":2", 10, 20000);
    assert_submission_figures(record);
    json_decref(record);
    record = run_cell(plugin, "\"workload\":\"wait\",\"pattern\":\"signal\"", 10, 20000);
    assert_status(record, "ok", "");
    json_decref(record);
    record = run_cell(plugin, "\"workload\":\"wait\",\"pattern\":\"block\"", 10, 20000);
    assert_status(record, "unsupported", "no futures");
    json_decref(record);
}

/* Enough tasks for the 100th, under each workload, and only the fault that is there. */
static void assert_fault(const char *name, const char *reason) {
    static const char *const cells[] = {
        "\"workload\":\"throughput\",\"workers\":2,\"producers\":2",
        "\"workload\":\"contention\",\"workers\":2,\"producers\":2",
        "\"workload\":\"latency\",\"workers\":1,\"service_ns\":1000,\"rate_per_s\":50000",
    };
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        char plugin[256];
        snprintf(plugin, sizeof(plugin), BROKEN "%s.so", name);
        json_t *record = run_cell(plugin, cells[i], 60, strcmp(name, "hang") == 0 ? 1500 : 30000);
        assert_status(record, "failed", reason);
        json_decref(record);
    }
}

static void a_lost_task_is_called_that(void **state) {
    (void)state;
    assert_fault("lost_task", "lost task: ");
}

static void a_double_run_is_called_that(void **state) {
    (void)state;
    assert_fault("double_run", "double run: ");
}

static void a_wrong_argument_is_called_that(void **state) {
    (void)state;
    assert_fault("wrong_argument", "wrong argument: ");
}

static void a_hang_is_called_that_and_ends_in_time(void **state) {
    (void)state;
    assert_fault("hang", "hang: ");
    json_t *record = run_cell(
        BROKEN "hang.so", "\"workload\":\"wait\",\"workers\":2,\"pattern\":\"block\"", 60, 1500);
    assert_status(record, "failed", "hang: ");
    assert_non_null(strstr(json_string_value(json_object_get(record, "reason")), "during block"));
    json_decref(record);
}

static void a_pool_that_is_only_slow_is_not_called_broken(void **state) {
    (void)state;
    json_t *record =
        run_cell(BROKEN "correct.so",
                 "\"workload\":\"throughput\",\"workers\":1,\"grain_ns\":1000000", 2000, 400);
    assert_status(record, "invalid", "out of time: ");
    json_decref(record);
}

static void latency_counts_from_the_intended_start(void **state) {
    (void)state;
    /* 20 tasks of 1 ms more at the 1000th: with 10000 arrivals a second about 200 arrive
     * meanwhile and wait. A closed loop would count 20 long ones. */
    json_t *record = run_cell(BROKEN "stall.so",
                              "\"workload\":\"latency\",\"workers\":1,\"service_ns\":10000,"
                              "\"arrivals\":\"constant\",\"rate_per_s\":10000",
                              300, 30000);
    assert_non_null(record);
    if (strcmp(json_string_value(json_object_get(record, "status")), "ok") == 0) {
        struct histogram *total = histogram_of(record, "total");
        uint64_t late = 0;
        for (size_t i = histogram_index(1000000); i < HISTOGRAM_SLOTS; i++) {
            late += total->slots[i];
        }
        assert_true(late >= 150);
        assert_int_equal(total->count, 3000); /* each is timed: the probe is small beside 10 us */
        histogram_free(total);
    } else {
        assert_status(record, "invalid", "generator lag"); /* a busy machine: no claim */
    }
    json_decref(record);
}

static void more_load_than_the_pool_carries_is_unsustained(void **state) {
    (void)state;
    json_t *record = run_cell(BROKEN "correct.so",
                              "\"workload\":\"latency\",\"workers\":1,\"service_ns\":100000,"
                              "\"utilisation\":150",
                              300, 30000);
    assert_status(record, "invalid", "UNSUSTAINED: ");
    assert_null(json_object_get(json_object_get(record, "hist"), "total"));
    assert_true(value_of(record, "achieved_per_s") < value_of(record, "offered_per_s"));
    json_decref(record);
}

static void descriptions_that_are_wrong_are_refused_in_one_line(void **state) {
    (void)state;
    static const char *const cells[][2] = {
        {"\"workload\":\"thruput\"", "no workload 'thruput'"},
        {"\"workload\":\"wait\",\"grain_ns\":5", "no axis 'grain_ns'"},
        {"\"workload\":\"wait\",\"pattern\":\"sleep\"", "pattern: must be one of block"},
        {"\"workload\":\"wait\",\"window\":0", "window: must be a whole number from 1"},
        {"\"workload\":\"throughput\",\"workers\":\"2\"", "workers: must be a whole number"},
    };
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        assert_null(run_cell(BROKEN "correct.so", cells[i][0], 10, 1000));
        assert_int_equal(cell_exit_status, 2);
        assert_non_null(strstr(cell_complaint, cells[i][1]));
        assert_ptr_equal(strchr(cell_complaint, '\n'), cell_complaint + strlen(cell_complaint) - 1);
    }
    static const char *const texts[] = {"", "{", "[]", "{\"schema\":2}", "{\"schema\":1}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_null(run_cell_text(texts[i]));
        assert_int_equal(cell_exit_status, 2);
        assert_memory_equal(cell_complaint, "weir-bench cell: cell description: ", 35);
    }
    assert_null(run_cell("no/such.so", "\"workload\":\"throughput\"", 10, 1000));
    assert_int_equal(cell_exit_status, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throughput_of_a_correct_pool_adds_up),
        cmocka_unit_test(a_full_queue_that_rejects_is_tried_again),
        cmocka_unit_test(every_pattern_brings_its_own_values_back),
        cmocka_unit_test(what_a_pool_does_not_offer_is_unsupported),
        cmocka_unit_test(a_thread_a_task_does_every_workload),
        cmocka_unit_test(tasks_that_the_submitter_runs_are_seen),
        cmocka_unit_test(glib_does_what_it_offers),
        cmocka_unit_test(a_lost_task_is_called_that),
        cmocka_unit_test(a_double_run_is_called_that),
        cmocka_unit_test(a_wrong_argument_is_called_that),
        cmocka_unit_test(a_hang_is_called_that_and_ends_in_time),
        cmocka_unit_test(a_pool_that_is_only_slow_is_not_called_broken),
        cmocka_unit_test(latency_counts_from_the_intended_start),
        cmocka_unit_test(more_load_than_the_pool_carries_is_unsustained),
        cmocka_unit_test(descriptions_that_are_wrong_are_refused_in_one_line),
    };
    return cmocka_run_group_tests_name("cell", tests, NULL, NULL);
}
