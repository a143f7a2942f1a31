/*
 * The checkers: known good and known bad histories, and, on thousands of random ones, the direct
 * tests against the general search.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stress/history.h"
#include "stress/perturb.h"

#define PUT(value, from, to)                                                                       \
    { from, to, value, HISTORY_PUT, 0 }
#define GET(value, from, to)                                                                       \
    { from, to, value, HISTORY_GET, 0 }
#define POP(value, from, to)                                                                       \
    { from, to, value, HISTORY_POP, 0 }
#define EMPTY(from, to)                                                                            \
    { from, to, 0, HISTORY_EMPTY, 0 }
#define FULL(from, to)                                                                             \
    { from, to, 0, HISTORY_FULL, 0 }
#define SET(value, from, to)                                                                       \
    { from, to, value, HISTORY_SET, 0 }
#define SET_LATE(from, to)                                                                         \
    { from, to, 0, HISTORY_SET_LATE, 0 }
#define READ(value, from, to)                                                                      \
    { from, to, value, HISTORY_READ, 0 }
#define PENDING(from, to)                                                                          \
    { from, to, 0, HISTORY_PENDING, 0 }

static char why[HISTORY_WHY];

/* Both checkers say the same. */
#define FIFO(expected, ...)                                                                        \
    do {                                                                                           \
        const struct history_op ops[] = {__VA_ARGS__};                                             \
        size_t n = sizeof(ops) / sizeof(ops[0]);                                                   \
        assert_int_equal(history_check_fifo(ops, n, why), expected);                               \
        assert_int_equal(history_linearizable(ops, n, 0), expected);                               \
    } while (0)

static void fifo_histories_that_are_right(void **state) {
    (void)state;
    FIFO(true, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6), GET(2, 7, 8));
    FIFO(true, PUT(1, 1, 4), PUT(2, 2, 3), GET(2, 5, 6), GET(1, 7, 8)); /* they overlapped */
    FIFO(true, PUT(1, 1, 2), PUT(2, 3, 4), GET(2, 5, 8), GET(1, 6, 7)); /* so did these */
    FIFO(true, EMPTY(1, 2), PUT(1, 3, 4), GET(1, 5, 6), EMPTY(7, 8));
    FIFO(true, PUT(1, 1, 2), EMPTY(3, 6), GET(1, 4, 5)); /* empty after the get */
    FIFO(true, PUT(1, 2, 5), GET(1, 1, 6), EMPTY(3, 4));
    FIFO(true, PUT(1, 1, 2), PUT(2, 3, 4), GET(1, 5, 6)); /* the second is still inside */
}

static void fifo_histories_that_are_wrong(void **state) {
    (void)state;
    FIFO(false, PUT(1, 1, 2), PUT(2, 3, 4), GET(2, 5, 6), GET(1, 7, 8));
    assert_non_null(strstr(why, "value 1 went in before value 2, and came out after it"));
    FIFO(false, PUT(1, 1, 2), PUT(2, 3, 4), GET(2, 5, 6)); /* the first was lost or passed over */
    assert_non_null(strstr(why, "or not at all"));
    FIFO(false, PUT(1, 1, 2), EMPTY(3, 4), GET(1, 5, 6));
    assert_non_null(strstr(why, "found nothing"));
    FIFO(false, GET(1, 1, 2), PUT(1, 3, 4));
    FIFO(false, PUT(1, 1, 2), GET(1, 3, 4), GET(1, 5, 6));
    FIFO(false, PUT(1, 1, 2), GET(2, 3, 4));
    /* Never empty: one value takes over from the other. */
    FIFO(false, PUT(1, 1, 2), PUT(2, 4, 5), GET(1, 6, 7), EMPTY(3, 8), GET(2, 9, 10));
}

#define FUTURE(expected, ...)                                                                      \
    do {                                                                                           \
        const struct history_op ops[] = {__VA_ARGS__};                                             \
        size_t n = sizeof(ops) / sizeof(ops[0]);                                                   \
        assert_int_equal(history_check_futures(ops, n, why), expected);                            \
        assert_int_equal(history_linearizable(ops, n, 0), expected);                               \
    } while (0)

static void histories_of_futures(void **state) {
    (void)state;
    FUTURE(true, PENDING(1, 2), SET(7, 3, 6), READ(7, 4, 5), PENDING(2, 4), SET_LATE(5, 8));
    FUTURE(true, PENDING(1, 2), PENDING(3, 4));
    FUTURE(false, SET(7, 1, 2), PENDING(3, 4));
    FUTURE(false, READ(7, 1, 2), SET(7, 3, 4));
    FUTURE(false, SET(7, 1, 2), READ(8, 3, 4));
    FUTURE(false, SET(7, 1, 8), READ(7, 2, 3), PENDING(4, 5)); /* set, and then unset */
    FUTURE(false, SET(7, 1, 2), SET(8, 3, 4));
    FUTURE(false, SET_LATE(1, 2));
}

static void histories_of_a_deque_and_of_a_bounded_queue(void **state) {
    (void)state;
    const struct history_op right[] = {PUT(1, 1, 2), PUT(2, 3, 4), POP(2, 5, 6), GET(1, 5, 6),
                                       EMPTY(7, 8)};
    const struct history_op wrong_end[] = {PUT(1, 1, 2), PUT(2, 3, 4), GET(2, 5, 6)};
    const struct history_op both[] = {PUT(1, 1, 2), POP(1, 3, 6), GET(1, 4, 5)};
    const struct history_op missed[] = {PUT(1, 1, 2), PUT(2, 3, 4), EMPTY(5, 8), POP(2, 6, 7)};
    assert_true(history_linearizable(right, 5, 0));
    assert_false(history_linearizable(wrong_end, 3, 0));
    assert_false(history_linearizable(both, 3, 0));
    assert_false(history_linearizable(missed, 4, 0));
    const struct history_op full[] = {PUT(1, 1, 2), FULL(3, 4), GET(1, 5, 6), PUT(2, 7, 8)};
    assert_true(history_linearizable(full, 4, 1));
    assert_false(history_linearizable(full, 4, 2)); /* there was room */
    const struct history_op over[] = {PUT(1, 1, 2), PUT(2, 3, 4)};
    assert_false(history_linearizable(over, 2, 1));
}

/* ---- Random histories ---- */

static uint64_t below(uint64_t *random, uint64_t bound) {
    return stress_random(random) % bound;
}

/* Values go in and come out at random times, most of them possible. */
static size_t random_fifo(uint64_t *random, struct history_op *ops) {
    size_t n = 0, values = 2 + below(random, 3);
    for (size_t v = 1; v <= values; v++) {
        uint64_t put = below(random, 20), get = put + below(random, 12);
        ops[n++] = (struct history_op)PUT(v, put, put + 1 + below(random, 6));
        if (below(random, 5) != 0) {
            ops[n++] = (struct history_op)GET(v, get, get + 1 + below(random, 6));
        }
    }
    for (size_t i = below(random, 3); i > 0; i--) {
        uint64_t from = below(random, 36);
        ops[n++] = (struct history_op)EMPTY(from, from + 1 + below(random, 5));
    }
    return n;
}

static void the_fifo_test_agrees_with_the_search(void **state) {
    (void)state;
    uint64_t random = 1;
    unsigned right = 0, count = 60000;
    for (unsigned i = 0; i < count; i++) {
        struct history_op ops[16];
        size_t n = random_fifo(&random, ops);
        bool direct = history_check_fifo(ops, n, why);
        assert_int_equal(direct, history_linearizable(ops, n, 0));
        right += direct;
    }
    print_message("%u of %u random histories are possible\n", right, count);
    assert_in_range(right, count / 20, count - count / 20);
}

static void the_future_test_agrees_with_the_search(void **state) {
    (void)state;
    uint64_t random = 2;
    unsigned right = 0, count = 40000;
    for (unsigned i = 0; i < count; i++) {
        struct history_op ops[8];
        size_t n = 1 + below(&random, 6);
        for (size_t k = 0; k < n; k++) {
            uint64_t from = below(&random, 16), kind = below(&random, 4);
            ops[k] =
                (struct history_op){from, from + 1 + below(&random, 8), 1 + below(&random, 20) / 19,
                                    (uint32_t)(HISTORY_SET + kind), 0};
        }
        bool direct = history_check_futures(ops, n, why);
        assert_int_equal(direct, history_linearizable(ops, n, 0));
        right += direct;
    }
    print_message("%u of %u random histories are possible\n", right, count);
    assert_in_range(right, count / 50, count - count / 50);
}

/* ---- Size and cost ---- */

static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A queue that holds up to a hundred values; four operations overlap at any time. */
static void a_million_operations_are_checked_in_two_seconds(void **state) {
    (void)state;
    size_t n = 1000000, depth = 100, put = 0, got = 0;
    struct history_op *ops = calloc(n, sizeof(*ops));
    assert_non_null(ops);
    for (size_t i = 0; i < n; i++) {
        bool get = put - got > depth || (put > got && stress_mix(i) % 2 == 0);
        ops[i] = (struct history_op){10 * i, 10 * i + 35, get ? ++got : ++put,
                                     get ? HISTORY_GET : HISTORY_PUT, 0};
    }
    double start = cpu_s();
    assert_true(history_check_fifo(ops, n, why));
    double spent = cpu_s() - start;
    print_message("%zu operations checked in %.2f s\n", n, spent);
    assert_true(spent < 2.0);
    ops[n / 2].value += n; /* one value is another one's */
    assert_false(history_check_fifo(ops, n, why));
    free(ops);
}

static void noting_an_operation_costs_little(void **state) {
    (void)state;
    enum { N = 1 << 16 };
    struct history h;
    double best = 1;
    assert_true(history_init(&h, N));
    for (int round = 0; round < 10; round++) {
        h.count = 0;
        double start = cpu_s();
        uint64_t from = history_now();
        for (int i = 0; i < N; i++) {
            history_note(&h, HISTORY_PUT, (uint64_t)i, &from);
        }
        double spent = (cpu_s() - start) / N;
        best = spent < best ? spent : best;
        assert_int_equal(h.count, N);
        assert_true(h.ops[N - 1].to >= h.ops[N - 1].from);
    }
    print_message("%.1f ns an operation (not optimised)\n", best * 1e9);
    assert_true(best < 200e-9); /* far from it here; a system call would be caught */
    history_fini(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifo_histories_that_are_right),
        cmocka_unit_test(fifo_histories_that_are_wrong),
        cmocka_unit_test(histories_of_futures),
        cmocka_unit_test(histories_of_a_deque_and_of_a_bounded_queue),
        cmocka_unit_test(the_fifo_test_agrees_with_the_search),
        cmocka_unit_test(the_future_test_agrees_with_the_search),
        cmocka_unit_test(a_million_operations_are_checked_in_two_seconds),
        cmocka_unit_test(noting_an_operation_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
