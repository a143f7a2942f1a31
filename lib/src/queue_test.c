#include <weir/queue.h>

#include "test/fault.h"
#include "test/unit.h"

static struct weir_queue *queue_of(size_t capacity) {
    struct weir_queue *queue = NULL;

    assert_int_equal(weir_queue_new(&queue, capacity), 0);
    return queue;
}

static void *item(uintptr_t n) {
    return (void *)n;
}

static void put(struct weir_queue *queue, uintptr_t n) {
    assert_int_equal(weir_queue_put(queue, item(n), WEIR_NOW), 0);
}

static void expect(struct weir_queue *queue, uintptr_t n) {
    void *got = NULL;

    assert_int_equal(weir_queue_get(queue, &got, WEIR_NOW), 0);
    assert_ptr_equal(got, item(n));
}

static void new_refuses_null_and_absurd_capacity(void **state) {
    struct weir_queue *queue = NULL;

    (void)state;
    assert_int_equal(weir_queue_new(NULL, 1), -EINVAL);
    assert_int_equal(weir_queue_new(&queue, SIZE_MAX), -EINVAL);
    assert_int_equal(weir_queue_new(&queue, SIZE_MAX / 8), -EINVAL);
    assert_null(queue);
}

static void calls_refuse_null(void **state) {
    struct weir_queue *queue = queue_of(0);
    void *got;

    (void)state;
    assert_int_equal(weir_queue_put(NULL, item(1), WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_put(queue, NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_get(NULL, &got, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_get(queue, NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_put_batch(queue, NULL, 1, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_put_batch(queue, &got, SIZE_MAX, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_get_batch(queue, NULL, 1, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_get_batch(queue, &got, SIZE_MAX, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_queue_size(NULL), 0);
    weir_queue_close(NULL);
    weir_queue_free(NULL);
    weir_queue_free(queue);
}

static void items_come_out_in_order_across_growth(void **state) {
    struct weir_queue *queue = queue_of(0);

    (void)state;
    for (uintptr_t i = 1; i <= 40; i++)
        put(queue, i);
    for (uintptr_t i = 1; i <= 40; i++)
        expect(queue, i); /* so that the ring has wrapped when it grows */
    for (uintptr_t i = 1; i <= 1000; i++)
        put(queue, i);
    assert_int_equal(weir_queue_size(queue), 1000);
    for (uintptr_t i = 1; i <= 1000; i++)
        expect(queue, i);
    assert_int_equal(weir_queue_size(queue), 0);
    weir_queue_free(queue);
}

static void capacity_that_is_no_power_of_two_is_kept_exactly(void **state) {
    struct weir_queue *queue = queue_of(3);

    (void)state;
    for (uintptr_t i = 1; i <= 3; i++)
        put(queue, i);
    assert_int_equal(weir_queue_put(queue, item(4), WEIR_NOW), -EAGAIN);
    expect(queue, 1);
    put(queue, 4);
    assert_int_equal(weir_queue_put(queue, item(5), WEIR_NOW), -EAGAIN);
    weir_queue_free(queue);
}

static void deadlines_now_past_and_near_are_told_apart(void **state) {
    struct weir_queue *queue = queue_of(1);
    void *got = item(7);

    (void)state;
    assert_int_equal(weir_queue_get(queue, &got, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_queue_get(queue, &got, 1), -ETIMEDOUT);
    uint64_t deadline_ns = weir_after(2000000);
    assert_int_equal(weir_queue_get(queue, &got, deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    assert_ptr_equal(got, item(7));
    put(queue, 1);
    assert_int_equal(weir_queue_put(queue, item(2), WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_queue_put(queue, item(2), 1), -ETIMEDOUT);
    deadline_ns = weir_after(2000000);
    assert_int_equal(weir_queue_put(queue, item(2), deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    assert_int_equal(weir_queue_size(queue), 1);
    weir_queue_free(queue);
}

static void get_on_closed_queue_drains_then_says_epipe(void **state) {
    struct weir_queue *queue = queue_of(0);
    void *got;

    (void)state;
    put(queue, 1);
    put(queue, 2);
    weir_queue_close(queue);
    weir_queue_close(queue);
    assert_int_equal(weir_queue_put(queue, item(3), WEIR_FOREVER), -EPIPE);
    expect(queue, 1);
    expect(queue, 2);
    assert_int_equal(weir_queue_get(queue, &got, WEIR_NOW), -EPIPE);
    assert_int_equal(weir_queue_get(queue, &got, WEIR_FOREVER), -EPIPE);
    weir_queue_free(queue);
}

static void batches_go_in_and_come_out_in_part(void **state) {
    struct weir_queue *queue = queue_of(4);
    void *in[6], *out[6];

    (void)state;
    for (uintptr_t i = 0; i < 6; i++)
        in[i] = item(i + 1);
    assert_int_equal(weir_queue_put_batch(queue, in, 0, WEIR_FOREVER), 0);
    assert_int_equal(weir_queue_get_batch(queue, out, 0, WEIR_FOREVER), 0);
    assert_int_equal(weir_queue_put_batch(queue, in, 6, WEIR_NOW), 4);
    assert_int_equal(weir_queue_put_batch(queue, in, 6, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_queue_put_batch(queue, in, 6, weir_after(1000)), -ETIMEDOUT);
    assert_int_equal(weir_queue_get_batch(queue, out, 3, WEIR_NOW), 3);
    assert_memory_equal(out, in, 3 * sizeof *in);
    assert_int_equal(weir_queue_get_batch(queue, out, 6, WEIR_FOREVER), 1);
    assert_ptr_equal(out[0], in[3]);
    assert_int_equal(weir_queue_get_batch(queue, out, 6, WEIR_NOW), -EAGAIN);
    in[1] = NULL; /* stops where an item is bad */
    assert_int_equal(weir_queue_put_batch(queue, in, 6, WEIR_NOW), 1);
    weir_queue_close(queue);
    assert_int_equal(weir_queue_put_batch(queue, in, 6, WEIR_FOREVER), -EPIPE);
    assert_int_equal(weir_queue_get_batch(queue, out, 6, WEIR_FOREVER), 1);
    assert_int_equal(weir_queue_get_batch(queue, out, 6, WEIR_FOREVER), -EPIPE);
    weir_queue_free(queue);
}

struct party {
    struct weir_queue *queue;
    struct event begun;
    int rc;
    void *got;
};

static void *get_forever(void *arg) {
    struct party *party = arg;

    event_raise(&party->begun);
    party->rc = weir_queue_get(party->queue, &party->got, WEIR_FOREVER);
    return NULL;
}

static void *put_forever(void *arg) {
    struct party *party = arg;

    event_raise(&party->begun);
    party->rc = weir_queue_put(party->queue, item(9), WEIR_FOREVER);
    return NULL;
}

static void close_releases_blocked_getters_and_putters(void **state) {
    struct weir_queue *full = queue_of(1), *empty = queue_of(1);
    struct party putters[2] = {{.queue = full}, {.queue = full}};
    struct party getters[2] = {{.queue = empty}, {.queue = empty}};
    pthread_t threads[4];

    (void)state;
    put(full, 1);
    for (int i = 0; i < 2; i++) {
        threads[i] = unit_thread(put_forever, &putters[i]);
        threads[2 + i] = unit_thread(get_forever, &getters[i]);
        event_await(&putters[i].begun, 1);
        event_await(&getters[i].begun, 1);
    }
    weir_queue_close(full);
    weir_queue_close(empty);
    for (int i = 0; i < 4; i++)
        unit_join(threads[i]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(putters[i].rc, -EPIPE);
        assert_int_equal(getters[i].rc, -EPIPE);
    }
    expect(full, 1);
    weir_queue_free(full);
    weir_queue_free(empty);
}

static void blocked_getter_gets_the_item_that_comes(void **state) {
    struct party party = {.queue = queue_of(0)};
    pthread_t thread = unit_thread(get_forever, &party);

    (void)state;
    event_await(&party.begun, 1);
    put(party.queue, 5);
    unit_join(thread);
    assert_int_equal(party.rc, 0);
    assert_ptr_equal(party.got, item(5));
    weir_queue_free(party.queue);
}

#define SOAK_THREADS 4
#define SOAK_ITEMS   5000u

struct soak {
    struct weir_queue *queue;
    _Atomic unsigned seen[SOAK_THREADS * SOAK_ITEMS + 1];
    _Atomic unsigned next;
};

static void *soak_put(void *arg) {
    struct soak *soak = arg;
    unsigned me = atomic_fetch_add_explicit(&soak->next, 1, memory_order_relaxed);

    for (uintptr_t i = 1; i <= SOAK_ITEMS; i++)
        if (weir_queue_put(soak->queue, item(me * SOAK_ITEMS + i), WEIR_FOREVER) != 0)
            return NULL;
    return NULL;
}

static void *soak_get(void *arg) {
    struct soak *soak = arg;
    void *got;

    while (weir_queue_get(soak->queue, &got, WEIR_FOREVER) == 0)
        add_one(&soak->seen[(uintptr_t)got]);
    return NULL;
}

/* Capacity 1: the shape in which a wake-up eaten by the wrong side hangs at once. */
static void every_item_is_got_once_through_capacity_one(void **state) {
    struct soak *soak = calloc(1, sizeof *soak);
    pthread_t putters[SOAK_THREADS], getters[SOAK_THREADS];

    (void)state;
    assert_non_null(soak);
    soak->queue = queue_of(1);
    for (int i = 0; i < SOAK_THREADS; i++) {
        putters[i] = unit_thread(soak_put, soak);
        getters[i] = unit_thread(soak_get, soak);
    }
    for (int i = 0; i < SOAK_THREADS; i++)
        unit_join(putters[i]);
    weir_queue_close(soak->queue);
    for (int i = 0; i < SOAK_THREADS; i++)
        unit_join(getters[i]);
    for (unsigned i = 1; i <= SOAK_THREADS * SOAK_ITEMS; i++)
        assert_int_equal(number_of(&soak->seen[i]), 1);
    weir_queue_free(soak->queue);
    free(soak);
}

static void new_without_memory_says_enomem_and_leaks_nothing(void **state) {
    struct weir_queue *queue = NULL;
    long before = fault_blocks();
    unsigned n = 1;
    int rc;

    (void)state;
    for (; fault_fail_nth(n), (rc = weir_queue_new(&queue, 8)) != 0; n++) {
        assert_int_equal(rc, -ENOMEM);
        assert_null(queue);
        assert_int_equal(fault_blocks(), before);
    }
    fault_reset();
    assert_int_equal(n, 3); /* the queue, its slots, and then none fails */
    weir_queue_free(queue);
    assert_int_equal(fault_blocks(), before);
}

static void put_that_cannot_grow_says_enomem_and_loses_nothing(void **state) {
    struct weir_queue *queue = queue_of(0);
    uintptr_t in = 0;
    void *more[2] = {item(1000), item(1001)};

    (void)state;
    fault_fail_nth(1);
    while (weir_queue_put(queue, item(in + 1), WEIR_FOREVER) == 0)
        in++;
    assert_true(fault_happened());
    fault_fail_nth(1);
    assert_int_equal(weir_queue_put(queue, item(in + 1), WEIR_NOW), -ENOMEM);
    fault_fail_nth(1);
    assert_int_equal(weir_queue_put_batch(queue, more, 2, WEIR_NOW), -ENOMEM);
    fault_reset();
    assert_int_equal(weir_queue_size(queue), in);
    put(queue, ++in);
    for (uintptr_t i = 1; i <= in; i++)
        expect(queue, i);
    weir_queue_free(queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(new_refuses_null_and_absurd_capacity),
        ONCE(calls_refuse_null),
        ONCE(items_come_out_in_order_across_growth),
        ONCE(capacity_that_is_no_power_of_two_is_kept_exactly),
        ONCE(deadlines_now_past_and_near_are_told_apart),
        ONCE(get_on_closed_queue_drains_then_says_epipe),
        ONCE(batches_go_in_and_come_out_in_part),
        ONCE(close_releases_blocked_getters_and_putters),
        ONCE(blocked_getter_gets_the_item_that_comes),
        ONCE(every_item_is_got_once_through_capacity_one),
        ONCE(new_without_memory_says_enomem_and_leaks_nothing),
        ONCE(put_that_cannot_grow_says_enomem_and_loses_nothing),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
