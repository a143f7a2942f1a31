/* What collects several results: wait, as_completed, ExecutorCompletionService, map, invokeAll and
 * invokeAny. PARITY.md names each test. */
#include <weir.h>

#include "test/occupied.h"

#define MANY 6

/* ---- wait(FIRST_EXCEPTION) ---- */

static void first_error_wait_returns_at_a_failure_while_others_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct plug plug = PLUG;
    struct weir_future *futures[3] = {NULL};

    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &futures[0]), 0);
    event_await(&plug.begun, 1);
    futures[1] = queue_echo(pool, NULL);
    assert_int_equal(weir_pool_async(pool, call_fail, (void *)(intptr_t)-EIO, &futures[2]), 0);
    assert_int_equal(weir_wait(futures, 3, WEIR_FIRST_ERROR, WEIR_FOREVER), 2);
    assert_int_equal(weir_future_state(futures[0]), WEIR_FUTURE_RUNNING);
    event_raise(&plug.release);
    assert_int_equal(get_and_unref(futures[0]), 0);
    assert_int_equal(get_and_unref(futures[1]), 0);
    assert_int_equal(get_and_unref(futures[2]), -EIO);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void first_error_wait_without_a_failure_waits_for_all(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_future *futures[MANY];

    for (int i = 0; i < MANY; i++)
        futures[i] = queue_echo(pool, NULL);
    assert_int_equal(weir_wait(futures, MANY, WEIR_FIRST_ERROR, WEIR_FOREVER), MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(weir_future_state(futures[i]), WEIR_FUTURE_DONE);
        weir_future_unref(futures[i]);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- as_completed and ExecutorCompletionService ---- */

static uintptr_t next_user(struct weir_completion *completion, uint64_t deadline_ns) {
    void *user = NULL;

    assert_int_equal(weir_completion_next(completion, NULL, &user, deadline_ns), 0);
    return (uintptr_t)user;
}

static void as_completed_gives_the_finished_first_then_each_as_it_ends(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, NULL);
    struct plug plugs[3] = {PLUG};
    struct weir_completion *completion = NULL;

    assert_int_equal(weir_completion_new(&completion), 0);
    struct weir_future *finished = queue_echo(pool, NULL);
    assert_int_equal(weir_future_get(finished, NULL, WEIR_FOREVER), 0);
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(
            weir_completion_async(completion, pool, plug_call, &plugs[i], (void *)(i + 1)), 0);
    assert_int_equal(weir_completion_add(completion, finished, (void *)(uintptr_t)9), 0);
    assert_int_equal(weir_completion_pending(completion), 4);
    assert_int_equal(next_user(completion, WEIR_NOW), 9);
    for (int i = 0; i < 3; i++)
        event_await(&plugs[i].begun, 1);
    static const uintptr_t order[3] = {2, 3, 1};
    for (int i = 0; i < 3; i++) {
        event_raise(&plugs[order[i] - 1].release);
        assert_int_equal(next_user(completion, WEIR_FOREVER), order[i]);
    }
    assert_int_equal(weir_completion_next(completion, NULL, NULL, WEIR_FOREVER), -ENOENT);
    weir_completion_free(completion);
    weir_future_unref(finished);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Python's as_completed, and Java's take after shutdownNow, never give them. */
static void as_completed_gives_futures_cancelled_by_shutdown(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct weir_completion *completion = NULL;
    struct occupied occupied;

    occupied_make(&occupied, &options);
    assert_int_equal(weir_completion_new(&completion), 0);
    for (uintptr_t i = 0; i < MANY; i++)
        assert_int_equal(
            weir_completion_async(completion, occupied.pool, call_echo, NULL, (void *)i), 0);
    assert_int_equal(weir_pool_shutdown(occupied.pool, WEIR_CANCEL_PENDING), 0);
    unsigned seen = 0;
    for (int i = 0; i < MANY; i++) {
        struct weir_future *future = NULL;
        void *user = NULL;
        assert_int_equal(weir_completion_next(completion, &future, &user, WEIR_FOREVER), 0);
        assert_int_equal(get_and_unref(future), -ECANCELED);
        seen |= 1u << (uintptr_t)user;
    }
    assert_int_equal(seen, (1u << MANY) - 1);
    assert_int_equal(unit_stats(occupied.pool).active, 1); /* the worker is still in its task */
    weir_completion_free(completion);
    occupied_end(&occupied);
}

/* In Java it appears when a worker has come past it. */
static void cancelled_call_comes_out_of_the_completion_queue_at_once(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct weir_completion *completion = NULL;
    struct weir_future *came = NULL;
    struct occupied occupied;

    occupied_make(&occupied, &options);
    assert_int_equal(weir_completion_new(&completion), 0);
    struct weir_future *first = queue_echo(occupied.pool, NULL);
    struct weir_future *second = queue_echo(occupied.pool, NULL);
    assert_int_equal(weir_completion_add(completion, first, NULL), 0);
    assert_int_equal(weir_completion_add(completion, second, NULL), 0);
    assert_int_equal(weir_completion_next(completion, &came, NULL, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_future_cancel(second), 0);
    assert_int_equal(weir_completion_next(completion, &came, NULL, WEIR_NOW), 0);
    assert_ptr_equal(came, second);
    event_raise(&occupied.plug.release);
    assert_int_equal(weir_completion_next(completion, &came, NULL, WEIR_FOREVER), 0);
    assert_ptr_equal(came, first);
    weir_completion_free(completion);
    occupied_end(&occupied);
    assert_int_equal(get_and_unref(first), 0);
    assert_int_equal(get_and_unref(second), -ECANCELED);
}

struct taker {
    struct weir_completion *completion;
    int rc;
    void *user;
};

static void *take(void *arg) {
    struct taker *taker = arg;

    taker->rc = weir_completion_next(taker->completion, NULL, &taker->user, WEIR_FOREVER);
    return NULL;
}

static void completion_is_taken_polled_and_timed_out(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;
    struct taker taker = {.rc = -1};

    occupied_make(&occupied, &options);
    assert_int_equal(weir_completion_new(&taker.completion), 0);
    assert_int_equal(weir_completion_async(taker.completion, occupied.pool, call_echo, NULL,
                                           (void *)(uintptr_t)7),
                     0);
    assert_int_equal(weir_completion_next(taker.completion, NULL, NULL, WEIR_NOW), -EAGAIN);
    uint64_t deadline_ns = weir_after(1000000);
    assert_int_equal(weir_completion_next(taker.completion, NULL, NULL, deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    pthread_t thread = unit_thread(take, &taker);
    event_raise(&occupied.plug.release);
    unit_join(thread);
    assert_int_equal(taker.rc, 0);
    assert_int_equal((uintptr_t)taker.user, 7);
    weir_completion_free(taker.completion);
    occupied_end(&occupied);
}

/* ---- map ---- */

#define ELEMENTS 1000

static int square(void *arg, const void *in, void *out) {
    uint64_t number = *(const uint64_t *)in;

    add_one(arg);
    *(uint64_t *)out = number * number;
    return 0;
}

static void map_gives_results_in_the_order_of_arguments(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    static const size_t grains[] = {0, 1, 7, ELEMENTS, 2 * ELEMENTS};
    uint64_t in[ELEMENTS], out[ELEMENTS];

    for (uint64_t i = 0; i < ELEMENTS; i++)
        in[i] = ELEMENTS - i;
    for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
        _Atomic unsigned calls = 0;
        memset(out, 0, sizeof out);
        assert_int_equal(weir_map(pool, ELEMENTS, square, (void *)&calls, in, sizeof *in, out,
                                  sizeof *out, grains[g]),
                         0);
        assert_int_equal(number_of(&calls), ELEMENTS);
        for (uint64_t i = 0; i < ELEMENTS; i++)
            assert_int_equal(out[i], (ELEMENTS - i) * (ELEMENTS - i));
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static int fail_at_ten(void *arg, const void *in, void *out) {
    (void)out;
    add_one(arg);
    return *(const uint64_t *)in == 10 ? -EIO : 0;
}

/* With the one worker occupied the caller does it all, in order, up to the failure. */
static void map_gives_the_failure_and_starts_nothing_after_it(void **state) {
    struct weir_pool_options options = occupied_options(state);
    uint64_t in[ELEMENTS];
    _Atomic unsigned calls = 0;
    struct occupied occupied;

    for (uint64_t i = 0; i < ELEMENTS; i++)
        in[i] = i;
    occupied_make(&occupied, &options);
    assert_int_equal(
        weir_map(occupied.pool, ELEMENTS, fail_at_ten, (void *)&calls, in, sizeof *in, NULL, 0, 1),
        -EIO);
    assert_int_equal(number_of(&calls), 11);
    occupied_end(&occupied);
    assert_int_equal(number_of(&calls), 11);
}

/* One deadline for all of map's values, as its timeout; the rest is cancelled. */
static void one_deadline_serves_a_row_of_gets(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct weir_future *futures[MANY];
    struct occupied occupied;

    occupied_make(&occupied, &options);
    for (int i = 0; i < MANY; i++)
        futures[i] = queue_echo(occupied.pool, NULL);
    uint64_t deadline_ns = weir_after(1000000);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_future_get(futures[i], NULL, deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_future_cancel(futures[i]), 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(get_and_unref(futures[i]), -ECANCELED);
    occupied_end(&occupied);
}

/* ---- buffersize ---- */

struct producer {
    struct occupied occupied;
    struct weir_future *futures[MANY];
    _Atomic unsigned taken; /* arguments taken from the endless list */
    struct event at_the_bound;
    size_t bound;
};

static void *produce(void *arg) {
    struct producer *producer = arg;

    for (size_t i = 0; i < MANY; i++) {
        add_one(&producer->taken);
        if (i == producer->bound)
            event_raise(&producer->at_the_bound);
        if (weir_pool_async(producer->occupied.pool, call_echo, (void *)i, &producer->futures[i]) !=
            0)
            return NULL;
    }
    return NULL;
}

static void producer_is_held_by_the_bound_and_takes_its_arguments_lazily(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct producer producer = {.bound = 2};

    options.capacity = producer.bound;
    options.full = WEIR_FULL_BLOCK;
    occupied_make(&producer.occupied, &options);
    pthread_t thread = unit_thread(produce, &producer);
    event_await(&producer.at_the_bound, 1);
    /* It has taken one argument more than there is room, and waits with it. */
    assert_int_equal(unit_stats(producer.occupied.pool).queued, producer.bound);
    assert_int_equal(number_of(&producer.taken), producer.bound + 1);
    event_raise(&producer.occupied.plug.release);
    unit_join(thread);
    for (size_t i = 0; i < MANY; i++) {
        void *value = NULL;
        assert_int_equal(weir_future_get(producer.futures[i], &value, WEIR_FOREVER), 0);
        assert_int_equal((uintptr_t)value, i);
        weir_future_unref(producer.futures[i]);
    }
    occupied_end(&producer.occupied);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(first_error_wait_returns_at_a_failure_while_others_run),
        EACH(first_error_wait_without_a_failure_waits_for_all),
        EACH(as_completed_gives_the_finished_first_then_each_as_it_ends),
        EACH(as_completed_gives_futures_cancelled_by_shutdown),
        EACH(cancelled_call_comes_out_of_the_completion_queue_at_once),
        EACH(completion_is_taken_polled_and_timed_out),
        EACH(map_gives_results_in_the_order_of_arguments),
        EACH(map_gives_the_failure_and_starts_nothing_after_it),
        EACH(one_deadline_serves_a_row_of_gets),
        EACH(producer_is_held_by_the_bound_and_takes_its_arguments_lazily),
    };
    return cmocka_run_group_tests_name("parity: several results", tests, NULL, NULL);
}
