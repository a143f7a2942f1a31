#include "bench/measure/ledger.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { TASKS = 1000, THREADS = 4 };

static struct ledger ledger;

static void run(void *arg) {
    if (ledger_begin(&ledger, arg)) {
        ledger_end(arg);
    }
}

static int set_up(void **state) {
    (void)state;
    int error = ledger_init(&ledger, TASKS);
    if (error == 0) {
        ledger_reset(&ledger, TASKS);
    }
    return error;
}

static int tear_down(void **state) {
    (void)state;
    ledger_fini(&ledger);
    return 0;
}

static void run_all_but(size_t left_out) {
    for (size_t i = 0; i < TASKS; i++) {
        if (i != left_out) {
            run(ledger_argument(&ledger, i));
        }
    }
}

static void each_task_once_is_accepted(void **state) {
    (void)state;
    char reason[256] = "";
    run_all_but(TASKS);
    assert_true(ledger_check(&ledger, reason, sizeof(reason)));
    assert_string_equal(reason, "");
    assert_int_equal(ledger_ended(&ledger), TASKS);
}

static void a_task_that_never_ran_is_lost(void **state) {
    (void)state;
    char reason[256];
    run_all_but(17);
    assert_int_equal(ledger_ended(&ledger), TASKS - 1);
    assert_false(ledger_check(&ledger, reason, sizeof(reason)));
    assert_string_equal(reason, "lost task: 1 of 1000 tasks never ran, 0 extra runs");
}

static void a_task_that_ran_twice_is_a_double_run(void **state) {
    (void)state;
    char reason[256];
    run_all_but(TASKS);
    run(ledger_argument(&ledger, 3));
    assert_false(ledger_check(&ledger, reason, sizeof(reason)));
    assert_string_equal(reason, "double run: 1 more runs than the 1000 tasks submitted");
}

static void two_runs_at_one_instant_are_seen_though_the_slot_says_one(void **state) {
    (void)state;
    char reason[256];
    run_all_but(TASKS);
    struct ledger_slot *slot = ledger_argument(&ledger, 3);
    run(slot);
    atomic_store_explicit(&slot->runs, 1, memory_order_relaxed); /* an update was lost */
    assert_false(ledger_check(&ledger, reason, sizeof(reason)));
    assert_memory_equal(reason, "double run", 10);
}

static void a_loss_that_a_double_run_makes_up_for_is_seen(void **state) {
    (void)state;
    char reason[256];
    run_all_but(17);
    run(ledger_argument(&ledger, 3));
    assert_false(ledger_check(&ledger, reason, sizeof(reason)));
    assert_string_equal(reason, "lost task: 1 of 1000 tasks never ran, 1 extra runs");
}

static void arguments_that_nobody_submitted_are_wrong(void **state) {
    (void)state;
    char reason[256];
    char stranger;
    run_all_but(17);
    run(&stranger);
    run(NULL);
    run((char *)ledger_argument(&ledger, 5) + 8);
    run(ledger_argument(&ledger, TASKS)); /* just behind the last one */
    assert_false(ledger_check(&ledger, reason, sizeof(reason)));
    assert_string_equal(reason, "wrong argument: 4 of 1003 runs got one that nobody submitted");
}

static void a_reset_forgets_the_epoch_before(void **state) {
    (void)state;
    char reason[256];
    run_all_but(17);
    run(NULL);
    ledger_reset(&ledger, TASKS);
    assert_int_equal(ledger_ended(&ledger), 0);
    run_all_but(TASKS);
    assert_true(ledger_check(&ledger, reason, sizeof(reason)));
}

static void *run_share(void *arg) {
    size_t share = (size_t)(uintptr_t)arg;
    for (size_t i = share; i < TASKS; i += THREADS) {
        run(ledger_argument(&ledger, i));
    }
    return NULL;
}

/* More threads than there are tallies, so that the shared one is reached as well. */
static void threads_without_number_are_counted(void **state) {
    (void)state;
    char reason[256];
    for (int round = 0; round < 400; round++) {
        pthread_t threads[THREADS];
        ledger_reset(&ledger, TASKS);
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, run_share, (void *)(uintptr_t)i), 0);
        }
        for (size_t i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_true(ledger_check(&ledger, reason, sizeof(reason)));
    }
}

static void tasks_on_a_submitting_thread_count_as_run_by_the_caller(void **state) {
    (void)state;
    ledger_thread_submits();
    ledger_reset(&ledger, TASKS);
    for (size_t i = 0; i < 10; i++) {
        run(ledger_argument(&ledger, i));
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_share, (void *)(uintptr_t)3), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ledger_caller_ran(&ledger), 10);
}

static void absurd_sizes_are_refused(void **state) {
    (void)state;
    struct ledger other;
    assert_int_not_equal(ledger_init(&other, 0), 0);
    assert_int_not_equal(ledger_init(&other, (size_t)UINT32_MAX + 1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_task_once_is_accepted),
        TEST(a_task_that_never_ran_is_lost),
        TEST(a_task_that_ran_twice_is_a_double_run),
        TEST(two_runs_at_one_instant_are_seen_though_the_slot_says_one),
        TEST(a_loss_that_a_double_run_makes_up_for_is_seen),
        TEST(arguments_that_nobody_submitted_are_wrong),
        TEST(a_reset_forgets_the_epoch_before),
        TEST(tasks_on_a_submitting_thread_count_as_run_by_the_caller),
        TEST(threads_without_number_are_counted),
        TEST(absurd_sizes_are_refused),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
