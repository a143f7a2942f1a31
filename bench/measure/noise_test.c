/*
 * Faults that spoil a measurement are named, each by its own words, and nothing is said of a quiet
 * one. What can be provoked here for real is; the rest is judged from what the kernel would tell.
 */
#include "bench/measure/noise.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/measure/clock.h"

static char said[2048];

static void note(void *arg, const char *text) {
    (void)arg;
    strncat(said, text, sizeof(said) - strlen(said) - 2);
    strcat(said, "\n");
}

static const char *judged(struct noise_seen seen) {
    said[0] = '\0';
    noise_judge(&seen, false, note, NULL);
    return said;
}

static const char *judged_setting(struct noise_setting now) {
    const struct noise_setting began = {.cpus = 2, .clocksource = "tsc", .allocator = "jemalloc"};
    said[0] = '\0';
    noise_judge_setting(&began, &now, note, NULL);
    return said;
}

static void assert_names(const char *text, const char *fault) {
    if (strstr(text, fault) == NULL) {
        fail_msg("'%s' is not named in '%s'", fault, text);
    }
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* it, and nothing else */
}

static void a_quiet_machine_gets_no_word(void **state) {
    (void)state;
    assert_string_equal(judged((struct noise_seen){.wall_s = 0.3}), "");
    /* The stir of any machine. */
    assert_string_equal(judged((struct noise_seen){.wall_s = 1.0,
                                                   .other_cpus = 0.05,
                                                   .stolen_cpus = 0.005,
                                                   .gap_s = 0.004,
                                                   .gap_wait_s = 0.004}),
                        "");
    /* One tick in a short cell is no load. */
    assert_string_equal(judged((struct noise_seen){.wall_s = 0.05, .other_cpus = 0.2}), "");
    assert_string_equal(judged_setting((struct noise_setting){.cpus = 2,
                                                              .clocksource = "tsc",
                                                              .allocator = "jemalloc",
                                                              .clock_ns = 25,
                                                              .flags = "-O2 -DNDEBUG"}),
                        "");
}

static void each_fault_is_named_by_its_own_words(void **state) {
    (void)state;
    assert_names(judged((struct noise_seen){.wall_s = 0.3, .other_cpus = 0.9}), "other load");
    assert_names(judged((struct noise_seen){.wall_s = 0.3, .stolen_cpus = 0.1}), "steal");
    assert_names(judged((struct noise_seen){.wall_s = 0.3, .throttled_s = 0.08, .gap_s = 0.08}),
                 "throttled");
    assert_names(judged((struct noise_seen){.wall_s = 0.3, .gap_s = 0.15, .gap_wait_s = 0.001}),
                 "stopped");
    /* Late because the CPUs were taken: that is load, not a stop. */
    assert_string_equal(
        judged((struct noise_seen){.wall_s = 0.3, .gap_s = 0.15, .gap_wait_s = 0.14}), "");
    struct noise_setting good = {
        .cpus = 2, .clocksource = "tsc", .allocator = "jemalloc", .clock_ns = 25, .flags = "-O2"};
    struct noise_setting now = good;
    now.cpus = 1;
    assert_names(judged_setting(now), "INVALID: CPUs");
    now = good;
    now.clocksource = "hpet";
    assert_names(judged_setting(now), "INVALID: clock source");
    now = good;
    now.clock_ns = 900;
    assert_names(judged_setting(now), "clock source");
    now = good;
    now.allocator = "glibc";
    assert_names(judged_setting(now), "wrong allocator");
    now = good;
    now.flags = "-O0 -g";
    assert_names(judged_setting(now), "debug build");
}

/* ---- Provoked for real ---- */

static void wait_ms(unsigned ms) {
    clock_wait_until(clock_now_ns() + (uint64_t)ms * 1000000u, true);
}

static void a_stopped_process_is_seen(void **state) {
    (void)state;
    pid_t parent = getpid();
    struct noise *noise = noise_start();
    assert_non_null(noise);
    wait_ms(30);
    pid_t child = fork();
    if (child == 0) {
        const struct timespec pause = {.tv_nsec = 200000000};
        kill(parent, SIGSTOP);
        nanosleep(&pause, NULL);
        kill(parent, SIGCONT);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    wait_ms(30);
    struct noise_seen seen;
    noise_stop(noise, &seen);
    assert_true(seen.gap_s > 0.15);
    said[0] = '\0';
    noise_judge(&seen, true, note, NULL);
    assert_non_null(strstr(said, "stopped: "));
}

static void another_processs_load_is_seen(void **state) {
    (void)state;
    struct noise *noise = noise_start();
    assert_non_null(noise);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile unsigned long i = 0;; i++) {
        }
    }
    const struct timespec while_it_runs = {.tv_nsec = 400000000};
    nanosleep(&while_it_runs, NULL);
    struct noise_seen seen;
    noise_stop(noise, &seen);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_non_null(strstr(judged(seen), "other load: "));
}

static void the_witness_itself_uses_next_to_nothing(void **state) {
    (void)state;
    struct noise *noise = noise_start();
    const struct timespec moment = {.tv_nsec = 300000000};
    nanosleep(&moment, NULL);
    struct noise_seen seen;
    noise_stop(noise, &seen);
    struct usage used = noise_witness_usage();
    assert_true(used.csw > 0);
    assert_true((double)used.cpu_ns / 1e9 < 0.01 * seen.wall_s);
}

static void a_plug_in_without_optimisation_is_told_from_one_with(void **state) {
    (void)state;
    assert_true(noise_is_unoptimised("build/debug/subjects/broken/correct.so"));
    assert_false(noise_is_unoptimised("no/such/file"));
    if (access("build/release/subjects/thread.so", R_OK) == 0) {
        assert_false(noise_is_unoptimised("build/release/subjects/thread.so"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_machine_gets_no_word),
        cmocka_unit_test(each_fault_is_named_by_its_own_words),
        cmocka_unit_test(a_stopped_process_is_seen),
        cmocka_unit_test(another_processs_load_is_seen),
        cmocka_unit_test(the_witness_itself_uses_next_to_nothing),
        cmocka_unit_test(a_plug_in_without_optimisation_is_told_from_one_with),
    };
    return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
