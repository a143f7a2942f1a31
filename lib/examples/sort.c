/*
 * Sorting in parallel: merge sort by fork and join.
 *
 * Each level hands one half to the pool as a future on its own stack, sorts the other half itself,
 * and waits. A worker that waits for a future that nobody has begun takes it out of the queue and
 * runs it, so the recursion needs no more threads than the pool has, nor any allocation.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#define N     400000u
#define SMALL 2000u /* not worth a task */

struct part {
    struct weir_pool *pool;
    uint32_t *numbers, *scratch;
    size_t n;
};

static uint32_t numbers[N], scratch[N];

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void merge(const struct part *left, const struct part *right, uint32_t *out) {
    size_t l = 0, r = 0;

    while (l < left->n && r < right->n)
        *out++ = left->numbers[l] <= right->numbers[r] ? left->numbers[l++] : right->numbers[r++];
    memcpy(out, left->numbers + l, (left->n - l) * sizeof *out);
    memcpy(out + (left->n - l), right->numbers + r, (right->n - r) * sizeof *out);
}

static int sort_part(void *arg, void **value) {
    const struct part *whole = arg;
    struct weir_future future;

    *value = NULL;
    if (whole->n <= SMALL) {
        qsort(whole->numbers, whole->n, sizeof *whole->numbers, compare);
        return 0;
    }
    size_t half = whole->n / 2;
    struct part left = {whole->pool, whole->numbers, whole->scratch, half};
    struct part right = {whole->pool, whole->numbers + half, whole->scratch + half,
                         whole->n - half};
    weir_future_init(&future);
    int refused = weir_pool_submit(whole->pool, weir_future_task(&future, sort_part, &left, 0));
    int right_rc = sort_part(&right, value);
    /* A pool that is full takes nothing more: then the left half is sorted here, too. */
    int left_rc = refused ? sort_part(&left, value) : weir_future_get(&future, NULL, WEIR_FOREVER);
    weir_future_fini(&future);
    if (left_rc != 0 || right_rc != 0)
        return left_rc ? left_rc : right_rc;
    merge(&left, &right, whole->scratch);
    memcpy(whole->numbers, whole->scratch, whole->n * sizeof *whole->numbers);
    return 0;
}

/* Some number that depends on the index alone. */
static int fill(void *arg, size_t low, size_t high) {
    (void)arg;
    for (size_t i = low; i < high; i++)
        numbers[i] = (uint32_t)i * 2654435761u ^ (uint32_t)i >> 3;
    return 0;
}

static uint64_t sum_of_numbers(void) {
    uint64_t sum = 0;

    for (size_t i = 0; i < N; i++)
        sum += numbers[i];
    return sum;
}

int main(void) {
    struct weir_pool *pool;
    struct weir_future *future;

    if (weir_pool_new(&pool, NULL) != 0)
        return 1;
    if (weir_for(pool, 0, N, 0, fill, NULL) != 0)
        return 1;
    uint64_t sum = sum_of_numbers();

    struct part all = {pool, numbers, scratch, N};
    uint64_t begin_ns = weir_now_ns();
    if (weir_pool_async(pool, sort_part, &all, &future) != 0)
        return 1;
    int rc = weir_future_get(future, NULL, WEIR_FOREVER);
    uint64_t took_ns = weir_now_ns() - begin_ns;
    weir_future_unref(future);
    weir_pool_free(pool);

    size_t wrong = 0;
    for (size_t i = 1; i < N; i++)
        wrong += numbers[i - 1] > numbers[i];
    if (rc != 0 || wrong > 0 || sum_of_numbers() != sum) {
        fprintf(stderr, "sort: %s, %zu in the wrong place\n", weir_strerror(rc), wrong);
        return 1;
    }
    printf("sort: %u numbers in %.1f ms\n", N, (double)took_ns / 1e6);
    return 0;
}
