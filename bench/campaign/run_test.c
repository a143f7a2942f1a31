/*
 * The program as people use it: what a run says about subjects that break their promises, and its
 * exit codes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bench/campaign/spawn.h"
#include "bench/campaign/util.h"

#define BENCH   "build/debug/weir-bench"
#define BROKEN  "build/debug/subjects/broken/"
#define WAIT_NS (120 * NS_PER_S)

static char *root;

static int set_up(void **state) {
    (void)state;
    root = text("/tmp/weir-run-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char *command = text("rm -rf '%s'", root);
    int failed = system(command);
    free(command);
    free(root);
    return failed;
}

/* Runs a shell line in which $B is weir-bench and $D the test's directory. */
static struct spawn_result shell(const char *line) {
    char *script = text("B=%s; D=%s; %s", BENCH, root, line);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct spawn_result result;
    assert_int_equal(spawn_run(argv, "", WAIT_NS, -1, &result), 0);
    assert_int_equal(result.outcome, SPAWN_EXITED);
    free(script);
    return result;
}

static void assert_told(const char *line, int code, const char *words) {
    struct spawn_result result = shell(line);
    if (result.code != code || !strstr(result.output, words)) {
        fail_msg("%s: exit %d, wanted %d with '%s':\n%s%s", line, result.code, code, words,
                 result.output, result.error);
    }
    spawn_result_fini(&result);
}

#define RUN "$B run -q -w throughput --workers 2 --rounds 1 --measure-ms 20 --out $D/run "

static void a_lost_task_is_reported_as_lost(void **state) {
    (void)state;
    assert_told(RUN "-s " BROKEN "lost_task.so", BENCH_BROKEN, "lost_task: lost task: ");
}

static void a_double_run_is_reported_as_double(void **state) {
    (void)state;
    assert_told(RUN "-s " BROKEN "double_run.so", BENCH_BROKEN, "double_run: double run: ");
}

static void a_wrong_argument_is_reported_as_wrong(void **state) {
    (void)state;
    assert_told(RUN "-s " BROKEN "wrong_argument.so", BENCH_BROKEN,
                "wrong_argument: wrong argument: ");
}

static void a_deadlock_is_reported_as_a_hang(void **state) {
    (void)state;
    assert_told(RUN "--budget 2 -s " BROKEN "hang.so", BENCH_BROKEN, "hang: hang: ");
}

/* Whatever eats the time, a run without a single figure is not a success. */
static void a_budget_too_small_for_anything_is_said(void **state) {
    (void)state;
    assert_told("$B run -q --budget 2 -w throughput --workers 1 --measure-ms 60000 --out $D/run "
                "-s build/debug/subjects/thread.so 2>&1",
                BENCH_USAGE, "too short for a single measurement");
}

/* A subject that is a script: it describes itself, then dies on every cell. */
static void a_crashing_program_is_reported_with_its_last_words(void **state) {
    (void)state;
    assert_told("printf '%s\\n' '#!/bin/sh' 'case $1 in --describe)' "
                "'echo \"{\\\"name\\\":\\\"fake\\\",\\\"variants\\\":[{\\\"name\\\":"
                "\\\"default\\\"}]}\"; exit;; esac' 'echo out of luck >&2; exit 9' > $D/fake; "
                "chmod +x $D/fake; " RUN "-s $D/fake",
                BENCH_BROKEN, "fake: crash: exit status 9: out of luck");
}

static void a_sound_subject_gives_a_complete_run_and_a_figure(void **state) {
    (void)state;
    assert_told(RUN "-s build/debug/subjects/thread.so && cat $D/run/run.json", BENCH_OK,
                "\"state\": \"complete\"");
    assert_told("$B compare $D/run $D/run", BENCH_UNRESOLVED, "only 1 round");
}

static void an_interrupted_run_stays_usable_and_goes_on(void **state) {
    (void)state;
    assert_told("$B run -q -w throughput --workers 1,2 --rounds 500 --measure-ms 20 --out $D/run "
                "-s build/debug/subjects/thread.so -s " BROKEN "correct.so & P=$!; "
                "while ! test -s $D/run/samples.jsonl; do :; done; kill -TERM $P; wait $P",
                BENCH_INTERRUPTED, "INTERRUPTED");
    assert_told("N=$(wc -l < $D/run/samples.jsonl); "
                "$B run -q --resume $D/run --rounds $((N / 4 + 3)) && "
                "test $(wc -l < $D/run/samples.jsonl) -gt $N && cat $D/run/run.json",
                BENCH_OK, "\"state\": \"complete\"");
}

static void wrong_words_cost_one_line_with_the_nearest_right_one(void **state) {
    (void)state;
    assert_told("$B rnu 2>&1", BENCH_USAGE, "did you mean 'run'?\n");
    assert_told("$B run --workload wiat 2>&1", BENCH_USAGE, "did you mean 'wait'?\n");
    assert_told("$B run --wrokers 2 2>&1", BENCH_USAGE, "did you mean --workers?\n");
    assert_told("$B run -w wait --pattern blok 2>&1", BENCH_USAGE, "did you mean 'block'?\n");
    assert_told("$B run -w wait --grain-ns 1 2>&1", BENCH_USAGE, "no axis 'grain_ns'");
    assert_told("$B run -s threda 2>&1", BENCH_USAGE, "did you mean 'thread'?");
    assert_told("$B run --resume $D/none 2>&1", BENCH_NO_INPUT, "no run at");
    assert_told("$B run --help", BENCH_OK, "Usage: weir-bench run [OPTION...]");
}

#define checked(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        checked(a_lost_task_is_reported_as_lost),
        checked(a_double_run_is_reported_as_double),
        checked(a_wrong_argument_is_reported_as_wrong),
        checked(a_deadlock_is_reported_as_a_hang),
        checked(a_budget_too_small_for_anything_is_said),
        checked(a_crashing_program_is_reported_with_its_last_words),
        checked(a_sound_subject_gives_a_complete_run_and_a_figure),
        checked(an_interrupted_run_stays_usable_and_goes_on),
        checked(wrong_words_cost_one_line_with_the_nearest_right_one),
    };
    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
