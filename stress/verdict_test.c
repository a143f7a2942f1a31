/* Reports and ends of children, put into words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "stress/names.h"
#include "stress/verdict.h"

/* A wait status as the kernel packs it. */
#define EXITED(code)   ((code) << 8)
#define KILLED(signal) (signal)

static void sanitizers_reports_become_words(void **state) {
    (void)state;
    struct verdict v;
    assert_true(verdict_of_report("WARNING: ThreadSanitizer: data race (pid=1)\n"
                                  "SUMMARY: ThreadSanitizer: data race pool.c:7 in take\n",
                                  &v));
    assert_string_equal(v.word, "race");
    assert_string_equal(v.detail, "ThreadSanitizer: data race pool.c:7 in take");
    assert_true(verdict_of_report("==1==ERROR: AddressSanitizer: heap-use-after-free on", &v));
    assert_string_equal(v.word, "use after free");
    assert_true(verdict_of_report("ERROR: LeakSanitizer: detected memory leaks", &v));
    assert_string_equal(v.word, "leak");
    assert_false(verdict_of_report("all is well", &v));
}

static void exit_code_66_with_a_crash_in_its_log_is_a_crash(void **state) {
    (void)state;
    struct board *board = calloc(1, sizeof(*board));
    struct verdict v;
    assert_non_null(board);
    verdict_of_end(EXITED(66), board, "ThreadSanitizer:DEADLYSIGNAL\nSEGV on unknown address", &v);
    assert_string_equal(v.word, "crash");
    free(board);
}

static void an_end_without_a_report_is_never_passed_over(void **state) {
    (void)state;
    struct board *board = calloc(1, sizeof(*board));
    struct verdict v;
    assert_non_null(board);
    verdict_of_end(EXITED(0), board, "", &v);
    assert_string_equal(v.word, "");
    board->inside = true; /* a task that ended the process, with the best of intentions */
    verdict_of_end(EXITED(0), board, "", &v);
    assert_string_equal(v.word, "crash");
    board->inside = false;
    verdict_of_end(EXITED(66), board, "", &v);
    assert_string_equal(v.word, "crash");
    verdict_of_end(EXITED(3), board, "", &v);
    assert_string_equal(v.word, "crash");
    verdict_of_end(KILLED(11), board, "", &v);
    assert_string_equal(v.word, "crash");
    assert_non_null(strstr(v.detail, "SEGV"));
    free(board);
}

static struct board *board_of_three(unsigned started, unsigned ended, unsigned workers) {
    struct board *board = calloc(1, sizeof(*board));
    assert_non_null(board);
    board->planned = 3;
    board->spec.workers = workers;
    for (unsigned i = 0; i < 3; i++) {
        atomic_store_explicit(&board->records[i].accepted, 1, memory_order_relaxed);
        atomic_store_explicit(&board->records[i].started, i < started, memory_order_relaxed);
        atomic_store_explicit(&board->records[i].ended, i < ended, memory_order_relaxed);
    }
    return board;
}

static void a_queued_task_beside_a_sleeping_worker_is_a_hang(void **state) {
    (void)state;
    struct verdict v;
    struct board *board = board_of_three(2, 1, 2); /* one inside, one waits, one worker to spare */
    verdict_of_hang(board, &(struct scene){.threads = 4, .asleep = true}, 10, &v);
    assert_string_equal(v.word, "hang");
    assert_non_null(strstr(v.detail, "1 of 3 accepted tasks never started, 1 inside a task"));
    assert_non_null(strstr(v.detail, "a wake-up is missing"));
    verdict_of_hang(board, &(struct scene){.threads = 4, .asleep = false}, 10, &v);
    assert_string_equal(v.word, "hang");
    assert_non_null(strstr(v.detail, "livelock"));
    free(board);
}

static void tasks_that_hold_every_worker_and_sleep_are_a_deadlock(void **state) {
    (void)state;
    struct verdict v;
    struct board *board = board_of_three(2, 0, 2);
    verdict_of_hang(board, &(struct scene){.threads = 4, .asleep = true}, 10, &v);
    assert_string_equal(v.word, "deadlock");
    free(board);
    board = board_of_three(0, 0, 2); /* nobody inside, but two want each other's mutex */
    verdict_of_hang(board, &(struct scene){.threads = 4, .at_mutex = 2, .asleep = true}, 10, &v);
    assert_string_equal(v.word, "deadlock");
    free(board);
}

static void every_name_has_an_exit_code_of_its_own(void **state) {
    (void)state;
    static const struct {
        const char *word, *name;
        int code;
    } of[] = {{"race", "RACE", 10},
              {"lost task", "LOST", 11},
              {"double run", "DOUBLE", 12},
              {"early idle", "EARLY-IDLE", 13},
              {"hang", "HANG", 14},
              {"deadlock", "DEADLOCK", 15},
              {"leak", "LEAK", 16},
              {"use after free", "USE-AFTER-FREE", 17},
              {"order", "ORDER", 18},
              {"starved", "STARVED", 19},
              {"crash", "CRASH", 20},
              {"wrong error", "WRONG", 21},
              {"out of bounds", "UNDEFINED", 22}};
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        assert_int_equal(verdict_code(of[i].word), of[i].code);
        assert_string_equal(verdict_name(verdict_code(of[i].word)), of[i].name);
    }
    assert_int_equal(verdict_code(""), 0);
    assert_string_equal(verdict_name(VERDICT_INCONCLUSIVE), "INCONCLUSIVE");
    assert_string_equal(verdict_name(VERDICT_NO_SANITIZER), "TSAN-UNAVAILABLE");
}

static void tsan_that_cannot_start_is_known(void **state) {
    (void)state;
    assert_true(verdict_tsan_unavailable("FATAL: ThreadSanitizer: unexpected memory mapping 0x5"));
    assert_false(verdict_tsan_unavailable("WARNING: ThreadSanitizer: data race"));
}

static void a_mistyped_name_finds_its_neighbour(void **state) {
    (void)state;
    static const char *const names[] = {"exactly_once", "lost_wakeup", NULL, "early_idle"};
    assert_string_equal(names_nearest("lost_wakup", names, 4), "lost_wakeup");
    assert_string_equal(names_nearest("exactly-once", names, 4), "exactly_once");
    assert_null(names_nearest("zzzzzzzzzzzzzzz", names, 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sanitizers_reports_become_words),
        cmocka_unit_test(exit_code_66_with_a_crash_in_its_log_is_a_crash),
        cmocka_unit_test(an_end_without_a_report_is_never_passed_over),
        cmocka_unit_test(a_queued_task_beside_a_sleeping_worker_is_a_hang),
        cmocka_unit_test(tasks_that_hold_every_worker_and_sleep_are_a_deadlock),
        cmocka_unit_test(every_name_has_an_exit_code_of_its_own),
        cmocka_unit_test(tsan_that_cannot_start_is_known),
        cmocka_unit_test(a_mistyped_name_finds_its_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
