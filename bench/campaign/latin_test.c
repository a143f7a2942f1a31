#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bench/campaign/latin.h"

#define N_MOST 9

static void every_row_and_column_holds_each_subject_once(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        for (size_t n = 1; n <= N_MOST; n++) {
            for (size_t block = 0; block < 3; block++) {
                unsigned columns[N_MOST][N_MOST] = {{0}};
                for (size_t row = 0; row < n; row++) {
                    size_t order[N_MOST];
                    unsigned seen[N_MOST] = {0};
                    latin_row(seed, n, block * n + row, order);
                    for (size_t i = 0; i < n; i++) {
                        assert_true(order[i] < n);
                        assert_int_equal(seen[order[i]]++, 0);
                        assert_int_equal(columns[i][order[i]]++, 0);
                    }
                }
            }
        }
    }
}

/* The first row alone, over seeds: each subject at each position about equally often. */
static void first_rows_are_balanced_over_seeds(void **state) {
    enum { N = 5, SEEDS = 5000 };
    unsigned counts[N][N] = {{0}};
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        size_t order[N];
        latin_row(seed, N, 0, order);
        for (size_t i = 0; i < N; i++) {
            counts[i][order[i]]++;
        }
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            /* 1000 expected with a standard deviation of 28. */
            assert_in_range(counts[i][j], 860, 1140);
        }
    }
}

static void the_same_seed_gives_the_same_order(void **state) {
    size_t first[7];
    size_t again[7];
    size_t other[7];
    unsigned differs = 0;
    (void)state;
    for (size_t round = 0; round < 14; round++) {
        latin_row(99, 7, round, first);
        latin_row(99, 7, round, again);
        latin_row(100, 7, round, other);
        assert_memory_equal(first, again, sizeof first);
        differs += memcmp(first, other, sizeof first) != 0;
    }
    assert_true(differs > 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_and_column_holds_each_subject_once),
        cmocka_unit_test(first_rows_are_balanced_over_seeds),
        cmocka_unit_test(the_same_seed_gives_the_same_order),
    };
    return cmocka_run_group_tests_name("latin", tests, NULL, NULL);
}
