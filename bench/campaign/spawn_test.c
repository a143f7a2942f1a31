#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/campaign/record.h"
#include "bench/campaign/spawn.h"
#include "bench/campaign/util.h"
#include "bench/measure/clock.h"

#include <stdlib.h>

static int shell(const char *script, uint64_t timeout_ns, struct spawn_result *result) {
    const char *const argv[] = {"sh", "-c", script, NULL};
    return spawn_run(argv, "input\n", timeout_ns, -1, result);
}

/* The reason of the record that a script's end leads to. */
static void assert_accused(const char *script, uint64_t timeout_ns, const char *begins) {
    struct spawn_result result;
    int error = shell(script, timeout_ns, &result);
    json_t *record = record_of(&result, error, "fake");
    const char *reason = json_string_value(json_object_get(record, "reason"));
    assert_string_equal(json_string_value(json_object_get(record, "status")), "failed");
    if (strncmp(reason, begins, strlen(begins)) != 0) {
        fail_msg("reason '%s' does not begin with '%s'", reason, begins);
    }
    json_decref(record);
    spawn_result_fini(&result);
}

static void input_reaches_the_child_and_output_comes_back(void **state) {
    struct spawn_result result;
    (void)state;
    assert_int_equal(shell("cat; echo warning >&2; exit 7", 20 * NS_PER_S, &result), 0);
    assert_int_equal(result.outcome, SPAWN_EXITED);
    assert_int_equal(result.code, 7);
    assert_string_equal(result.output, "input\n");
    assert_string_equal(result.error, "warning\n");
    spawn_result_fini(&result);
}

static void a_program_that_is_not_there_is_an_error_with_its_name(void **state) {
    const char *const argv[] = {"/nonexistent/program", NULL};
    struct spawn_result result;
    (void)state;
    assert_int_equal(spawn_run(argv, "", NS_PER_S, -1, &result), -2);
    assert_non_null(strstr(result.error, "/nonexistent/program"));
    spawn_result_fini(&result);
}

static void a_child_that_ignores_a_large_input_does_no_harm(void **state) {
    size_t length = 1 << 20;
    char *input = must_array(length + 1, 1);
    const char *const argv[] = {"sh", "-c", "echo done", NULL};
    struct spawn_result result;
    (void)state;
    memset(input, 'x', length);
    assert_int_equal(spawn_run(argv, input, 20 * NS_PER_S, -1, &result), 0);
    assert_int_equal(result.outcome, SPAWN_EXITED);
    assert_string_equal(result.output, "done\n");
    spawn_result_fini(&result);
    free(input);
}

static void a_crash_is_called_a_crash(void **state) {
    (void)state;
    assert_accused("kill -SEGV $$", 20 * NS_PER_S, "crash: signal 11");
    assert_accused("echo why >&2; exit 3", 20 * NS_PER_S, "crash: exit status 3: why");
}

static void a_hang_is_killed_in_time_and_called_a_hang(void **state) {
    (void)state;
    uint64_t before = clock_now_ns();
    /* The pipes stay open in a grandchild too: it dies with the group. */
    assert_accused("sleep 600 & sleep 600", 300 * NS_PER_MS, "hang: ");
    assert_true(clock_now_ns() - before < 20 * NS_PER_S);
}

static void garbage_is_no_record(void **state) {
    (void)state;
    assert_accused("echo garbage", 20 * NS_PER_S, "crash: no valid record");
    assert_accused("true", 20 * NS_PER_S, "crash: no valid record");
    assert_accused("echo '{\"schema\":1,\"status\":\"ok\",\"reason\":\"\"}'", 20 * NS_PER_S,
                   "crash: no valid record (no object \"subject\")");
    assert_accused("echo '{\"schema\":2}'", 20 * NS_PER_S, "crash: no valid record");
    assert_accused("head -c 100000 /dev/urandom", 20 * NS_PER_S, "crash: no valid record");
}

static void endless_output_is_cut_off(void **state) {
    (void)state;
    assert_accused("while :; do head -c 1000000 /dev/zero; done", 60 * NS_PER_S,
                   "crash: more than 32 MiB");
}

static void a_huge_stderr_is_drained_and_its_beginning_kept(void **state) {
    struct spawn_result result;
    (void)state;
    assert_int_equal(
        shell("head -c 3000000 /dev/zero | tr '\\0' e >&2; echo ok", 60 * NS_PER_S, &result), 0);
    assert_int_equal(result.outcome, SPAWN_EXITED);
    assert_string_equal(result.output, "ok\n");
    assert_int_equal(strlen(result.error), SPAWN_ERROR_MAX);
    spawn_result_fini(&result);
}

static void cancelling_kills_the_child(void **state) {
    int fds[2];
    const char *const argv[] = {"sleep", "600", NULL};
    struct spawn_result result;
    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(spawn_run(argv, "", 600 * NS_PER_S, fds[0], &result), 0);
    assert_int_equal(result.outcome, SPAWN_CANCELLED);
    assert_null(record_of(&result, 0, "fake"));
    spawn_result_fini(&result);
    close(fds[0]);
    close(fds[1]);
}

static void accusations_are_the_documented_words(void **state) {
    (void)state;
    assert_string_equal(record_accusation("failed", "lost task: 1 of 10"), "lost task");
    assert_string_equal(record_accusation("failed", "double run: 1"), "double run");
    assert_string_equal(record_accusation("failed", "hang: 2 s"), "hang");
    assert_string_equal(record_accusation("failed", "something else"), "failure");
    assert_null(record_accusation("ok", ""));
    assert_null(record_accusation("unsupported", "no futures"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_reaches_the_child_and_output_comes_back),
        cmocka_unit_test(a_program_that_is_not_there_is_an_error_with_its_name),
        cmocka_unit_test(a_child_that_ignores_a_large_input_does_no_harm),
        cmocka_unit_test(a_crash_is_called_a_crash),
        cmocka_unit_test(a_hang_is_killed_in_time_and_called_a_hang),
        cmocka_unit_test(garbage_is_no_record),
        cmocka_unit_test(endless_output_is_cut_off),
        cmocka_unit_test(a_huge_stderr_is_drained_and_its_beginning_kept),
        cmocka_unit_test(cancelling_kills_the_child),
        cmocka_unit_test(accusations_are_the_documented_words),
    };
    return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
