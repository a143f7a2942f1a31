/*
 * The harness against pools whose truth is known: each bug of the broken pool is called by its
 * name, its replay line finds it again, and the correct pool is not accused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "stress/verdict.h"

#define HARNESS "build/debug/weir-stress"
#define FOLDER  "build/debug/stress/subjects/"

struct answer {
    int code;
    char text[64 * 1024];
};

static void ask(struct answer *a, const char *command) {
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t n = fread(a->text, 1, sizeof(a->text) - 1, pipe);
    a->text[n] = '\0';
    while (fgetc(pipe) != EOF) {
        continue; /* long stacks: read to the end, or the harness would die of its pipe */
    }
    int status = pclose(pipe);
    a->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void attack(struct answer *a, const char *config, const char *more) {
    char command[512];
    snprintf(command, sizeof(command),
             HARNESS " run --subject=" FOLDER "broken.so --config=%s --budget=20 --hang-limit=2 "
                     "--seed=1 --quiet %s 2>&1",
             config, more);
    ask(a, command);
}

static void expect(const char *config, const char *name, enum verdict_code code) {
    static struct answer a;
    attack(&a, config, "");
    assert_int_equal(a.code, code);
    assert_memory_equal(a.text, name, strlen(name));
    assert_non_null(strstr(a.text, "\nreplay: "));
    assert_null(strstr(strstr(a.text, "\nreplay: ") + 1, "\nreplay: "));
}

static void a_lost_task_is_called_that(void **state) {
    (void)state;
    expect("lost_task", "LOST: ", VERDICT_LOST);
}

static void a_double_run_is_called_that(void **state) {
    (void)state;
    expect("double_run", "DOUBLE: ", VERDICT_DOUBLE);
}

static void early_idleness_is_called_that(void **state) {
    (void)state;
    expect("early_idle", "EARLY-IDLE: ", VERDICT_EARLY_IDLE);
}

static void a_crash_is_called_that(void **state) {
    (void)state;
    expect("crash", "CRASH: ", VERDICT_CRASH);
}

static void threads_without_end_are_ended_before_the_machine_has_none(void **state) {
    (void)state;
    static struct answer a;
    attack(&a, "threads", "");
    assert_int_equal(a.code, VERDICT_LEAK);
    assert_memory_equal(a.text, "LEAK: ", 6);
    assert_non_null(strstr(a.text, "threads in one process, and more to come"));
    assert_non_null(strstr(a.text, "Thread 16 (")); /* some of them are shown */
    assert_null(strstr(a.text, "Thread 17 ("));
}

static void a_deadlock_is_shown_with_every_threads_stack_and_the_last_events(void **state) {
    (void)state;
    static struct answer a;
    attack(&a, "deadlock", "");
    assert_int_equal(a.code, VERDICT_DEADLOCK);
    assert_memory_equal(a.text, "DEADLOCK: ", 10);
    assert_non_null(strstr(a.text, "they wait for each other"));
    assert_non_null(strstr(a.text, "last events, newest first:"));
    assert_non_null(strstr(a.text, " ticks ago: thread "));
    assert_non_null(strstr(a.text, "queued, as the pool tells it: "));
    assert_non_null(strstr(a.text, "Thread 2"));
}

static void a_livelock_is_told_from_a_deadlock(void **state) {
    (void)state;
    static struct answer a;
    attack(&a, "livelock", "");
    assert_int_equal(a.code, VERDICT_HANG);
    assert_memory_equal(a.text, "HANG: ", 6);
    assert_non_null(strstr(a.text, "livelock, threads run without end"));
}

static void a_replay_line_finds_it_again(void **state) {
    (void)state;
    static struct answer a;
    char line[1024];
    attack(&a, "lost_task", "");
    const char *replay = strstr(a.text, "replay: ");
    assert_non_null(replay);
    replay += strlen("replay: ");
    snprintf(line, sizeof(line), "%.*s --quiet", (int)strcspn(replay, "\n"), replay);
    ask(&a, line);
    assert_int_equal(a.code, VERDICT_LOST);
    assert_memory_equal(a.text, "LOST: ", strlen("LOST: "));
}

static void the_correct_pool_is_not_accused(void **state) {
    (void)state;
    static struct answer a;
    ask(&a, HARNESS " run --subject=" FOLDER "reference.so --budget=5 --seed=1 2>&1");
    assert_int_equal(a.code, 0);
    assert_non_null(strstr(a.text, "nothing found in "));
    assert_null(strstr(a.text, "not applicable"));
}

/* The kernel holds back what it can be told to; where it cannot, the summary or the error says so.
 */
static void limits_of_the_kernel_are_met_or_told(void **state) {
    (void)state;
    static struct answer a;
    ask(&a, HARNESS " run --subject=" FOLDER "reference.so --scenario=exhaustion --budget=3 2>&1");
    assert_int_equal(a.code, 0);
    bool limited = strstr(a.text, "lives under a limit of threads 0") == NULL;
    assert_true(limited != (strstr(a.text, "not allowed here: RLIMIT_NPROC") != NULL));
    ask(&a, HARNESS " run --subject=" FOLDER "reference.so --scenario=exactly_once --fault=quota "
                    "--budget=2 2>&1");
    if (a.code == 0) {
        assert_non_null(strstr(a.text, "quota ")); /* episodes, and how often it held them back */
        assert_null(strstr(a.text, "quota 0"));
        assert_non_null(strstr(strstr(a.text, "quota "), " ("));
    } else {
        assert_int_equal(a.code, 2);
        assert_non_null(strstr(a.text, "--fault=quota: not allowed here: "));
    }
}

static void places_that_can_fail_are_listed_visited_or_not(void **state) {
    (void)state;
    static struct answer a;
    ask(&a,
        HARNESS " run --subject=" FOLDER "reference.so --scenario=fork_outside --budget=1 2>&1");
    const char *visited = strstr(a.text, "  sites (made to fail/visited): ");
    const char *rest = strstr(a.text, "  sites not visited: ");
    assert_true(visited != NULL && rest != NULL && visited < rest);
    assert_non_null(strstr(visited, "pthread_create in pool_open 0/"));
    assert_true(strstr(rest, "pthread_create in pool_open") == NULL);
    assert_non_null(strstr(rest, "pthread_cond_wait in pool_release")); /* there are no tickets */
}

static void the_layer_without_a_bug_is_not_accused(void **state) {
    (void)state;
    static struct answer a;
    attack(&a, "none", "--budget=3 --hang-limit=10");
    assert_int_equal(a.code, 0);
}

static void what_does_not_apply_is_said(void **state) {
    (void)state;
    static struct answer a;
    ask(&a, HARNESS " run --subject=" FOLDER "broken.so --scenario=cancel_race 2>&1");
    assert_int_equal(a.code, 2);
    assert_non_null(strstr(a.text, "no async and await"));
}

static void bad_options_name_the_nearest_valid_one(void **state) {
    (void)state;
    static struct answer a;
    ask(&a, HARNESS " run --subject=" FOLDER "broken.so --scenario=lost_wakup 2>&1");
    assert_int_equal(a.code, 2);
    assert_non_null(strstr(a.text, "did you mean lost_wakeup?"));
    ask(&a, HARNESS " run --subject=" FOLDER "broken.so --config=lost_tusk 2>&1");
    assert_int_equal(a.code, 2);
    assert_non_null(strstr(a.text, "did you mean lost_task?"));
    ask(&a, HARNESS " rum 2>&1");
    assert_int_equal(a.code, 2);
    assert_non_null(strstr(a.text, "did you mean run?"));
    ask(&a, HARNESS " run --subject=nowhere.so 2>&1");
    assert_int_equal(a.code, 2);
    assert_non_null(strstr(a.text, "nowhere.so"));
}

/* Two turns, the second of a broken pool: a line each, and a report that repeats the finding. */
static void a_soak_goes_round_and_ends_in_a_report(void **state) {
    (void)state;
    static struct answer a;
    ask(&a, "FOLDER=build/debug/soak scripts/soak .0017 debug=" FOLDER "reference.so "
            "debug=" FOLDER "broken.so 2>&1");
    assert_int_equal(a.code, 1);
    const char *sum = strstr(a.text, " findings, 0 turns failed");
    assert_non_null(strstr(a.text, " debug      reference "));
    assert_non_null(strstr(a.text, " debug      broken "));
    assert_non_null(sum);
    assert_non_null(strstr(sum, "\nreplay: "));
    ask(&a, "cat build/debug/soak/report.txt");
    assert_non_null(strstr(a.text, " findings, 0 turns failed"));
    assert_non_null(strstr(a.text, "\nreplay: "));
    ask(&a, "FOLDER=build/debug/soak scripts/soak 8h 2>&1");
    assert_int_equal(a.code, 2);
    assert_non_null(strstr(a.text, "a number of hours is needed"));
    ask(&a, "FOLDER=build/debug/soak scripts/soak 8 debug=nowhere.so 2>&1");
    assert_int_equal(a.code, 2);
    assert_non_null(strstr(a.text, "no nowhere.so"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_task_is_called_that),
        cmocka_unit_test(a_double_run_is_called_that),
        cmocka_unit_test(early_idleness_is_called_that),
        cmocka_unit_test(a_crash_is_called_that),
        cmocka_unit_test(threads_without_end_are_ended_before_the_machine_has_none),
        cmocka_unit_test(a_deadlock_is_shown_with_every_threads_stack_and_the_last_events),
        cmocka_unit_test(a_livelock_is_told_from_a_deadlock),
        cmocka_unit_test(a_replay_line_finds_it_again),
        cmocka_unit_test(the_correct_pool_is_not_accused),
        cmocka_unit_test(the_layer_without_a_bug_is_not_accused),
        cmocka_unit_test(limits_of_the_kernel_are_met_or_told),
        cmocka_unit_test(places_that_can_fail_are_listed_visited_or_not),
        cmocka_unit_test(what_does_not_apply_is_said),
        cmocka_unit_test(bad_options_name_the_nearest_valid_one),
        cmocka_unit_test(a_soak_goes_round_and_ends_in_a_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
