/*
 * The part of cmocka that our unit tests use, in plain C: for machines and C libraries for which
 * Debian has no cmocka (make aarch64, make musl). Prints what cmocka prints, so that scripts/unit
 * counts both alike. The one deviation: an assertion that fails outside the test's own thread ends
 * the program, since a long jump from there would be wild.
 */
#ifndef WEIR__TEST_PLAIN_CMOCKA_H
#define WEIR__TEST_PLAIN_CMOCKA_H

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
    int (*setup_func)(void **state);
    int (*teardown_func)(void **state);
    void *initial_state;
};

struct plain_test {
    jmp_buf failed;
    pthread_t thread;
};

/* The test that runs; weak, so that every file of a program shares the one. */
__attribute__((weak)) struct plain_test *plain_test;

_Noreturn static inline void plain_fail(const char *file, int line, const char *text) {
    printf("%s:%d: error: Failure! %s\n", file, line, text);
    fflush(stdout);
    if (!plain_test || !pthread_equal(plain_test->thread, pthread_self()))
        abort();
    longjmp(plain_test->failed, 1);
}

static inline void plain_int(uintmax_t a, uintmax_t b, int want, const char *text, const char *file,
                             int line) {
    if ((a == b) == want)
        return;
    printf("%#" PRIxMAX " and %#" PRIxMAX "\n", a, b);
    plain_fail(file, line, text);
}

static inline void plain_string(const char *a, const char *b, int want, const char *file,
                                int line) {
    if ((strcmp(a, b) == 0) == want)
        return;
    printf("\"%s\" and \"%s\"\n", a, b);
    plain_fail(file, line, "strings");
}

static inline void plain_range(uintmax_t x, uintmax_t least, uintmax_t most, const char *text,
                               const char *file, int line) {
    if (x >= least && x <= most)
        return;
    printf("%" PRIuMAX " not in %" PRIuMAX " ... %" PRIuMAX "\n", x, least, most);
    plain_fail(file, line, text);
}

static inline void plain_true(int is, const char *text, const char *file, int line) {
    if (!is)
        plain_fail(file, line, text);
}

/* As in cmocka, numbers and pointers of any type are compared as unsigned numbers. */
#define PLAIN_NUMBER(x) ((uintmax_t)(uintptr_t)(x))

#define assert_true(x)                plain_true(!!(x), #x, __FILE__, __LINE__)
#define assert_false(x)               plain_true(!(x), "not " #x, __FILE__, __LINE__)
#define assert_null(x)                plain_true((x) == NULL, #x " is NULL", __FILE__, __LINE__)
#define assert_non_null(x)            plain_true((x) != NULL, #x " is not NULL", __FILE__, __LINE__)
#define assert_ptr_equal(a, b)        assert_int_equal(a, b)
#define assert_ptr_not_equal(a, b)    assert_int_not_equal(a, b)
#define assert_string_equal(a, b)     plain_string((a), (b), 1, __FILE__, __LINE__)
#define assert_string_not_equal(a, b) plain_string((a), (b), 0, __FILE__, __LINE__)
#define assert_int_equal(a, b)                                                                     \
    plain_int(PLAIN_NUMBER(a), PLAIN_NUMBER(b), 1, #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                                                 \
    plain_int(PLAIN_NUMBER(a), PLAIN_NUMBER(b), 0, #a " != " #b, __FILE__, __LINE__)
#define assert_in_range(x, least, most)                                                            \
    plain_range(PLAIN_NUMBER(x), PLAIN_NUMBER(least), PLAIN_NUMBER(most), #x, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size)                                                            \
    plain_true(memcmp((a), (b), (size)) == 0, #a " holds what " #b " does", __FILE__, __LINE__)
#define fail_msg(...)                                                                              \
    (printf(__VA_ARGS__), printf("\n"), plain_fail(__FILE__, __LINE__, "fail_msg"))

#define print_message(...) printf(__VA_ARGS__)

#define skip() longjmp(plain_test->failed, PLAIN_SKIPPED)

enum { PLAIN_FAILED = 1, PLAIN_SKIPPED = 2 };

/* Gives the outcome. */
static inline int plain_run_one(const struct CMUnitTest *test) {
    struct plain_test own = {.thread = pthread_self()};
    void *state = test->initial_state;
    volatile int outcome = 0;

    plain_test = &own;
    printf("[ RUN      ] %s\n", test->name);
    fflush(stdout);
    outcome = setjmp(own.failed);
    if (outcome == 0) {
        if (test->setup_func && test->setup_func(&state) != 0)
            plain_fail(__FILE__, __LINE__, "set-up");
        test->test_func(&state);
        if (test->teardown_func && test->teardown_func(&state) != 0)
            plain_fail(__FILE__, __LINE__, "tear-down");
    }
    printf("[  %s ] %s\n",
           outcome == PLAIN_FAILED    ? "FAILED "
           : outcome == PLAIN_SKIPPED ? "SKIPPED"
                                      : "     OK",
           test->name);
    plain_test = NULL;
    return outcome;
}

static inline int plain_run(const char *name, const struct CMUnitTest *tests, size_t n) {
    int failed = 0, skipped = 0;

    printf("[==========] %s: Running %zu test(s).\n", name, n);
    for (size_t i = 0; i < n; i++) {
        int outcome = plain_run_one(&tests[i]);
        failed += outcome == PLAIN_FAILED;
        skipped += outcome == PLAIN_SKIPPED;
    }
    printf("[==========] %s: %zu test(s) run.\n", name, n);
    printf("[  PASSED  ] %zu test(s).\n", n - (size_t)(failed + skipped));
    if (skipped)
        printf("[  SKIPPED ] %s: %d test(s), listed below:\n", name, skipped);
    if (failed)
        printf("[  FAILED  ] %s: %d test(s), listed below:\n", name, failed);
    return failed;
}

#define cmocka_run_group_tests_name(name, tests, set_up, tear_down)                                \
    plain_run((name), (tests),                                                                     \
              sizeof(tests) / sizeof *(tests) + 0 * (uintptr_t)(set_up) +                          \
                  0 * (uintptr_t)(tear_down))

#endif
