/*
 * Tasks that end their thread where somebody else's stack, list or mark is in play: nobody who
 * waits is forgotten, and no memory of the thread is touched later.
 */
#include "test/unit.h"

#include "pool.h"
#include "test/fault.h"

#define TURNS 50

static int exit_call(void *arg, void **value) {
    (void)arg;
    (void)value;
    pthread_exit(NULL);
}

static struct weir_pool *pool_that(void **state, unsigned threads, enum weir_wait_policy wait) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.wait = wait;
    return unit_pool(unit_scheduler(state), threads, &options);
}

/* ---- A loop ---- */

static int exit_at_seven(void *arg, size_t low, size_t high) {
    (void)arg;
    if (low <= 7 && 7 < high)
        pthread_exit(NULL);
    return 0;
}

static void *loop_outside(void *arg) {
    int rc = weir_for(arg, 0, 1000, 1, exit_at_seven, NULL);
    return (void *)(intptr_t)rc; /* unless this very thread has ended */
}

static int loop_inside(void *arg, void **value) {
    *value = NULL;
    return weir_for(arg, 0, 1000, 1, exit_at_seven, NULL);
}

/* Either the caller's thread ends, or a helper's, and then the loop says so. */
static void loop_whose_body_ends_a_thread_says_so_and_leaves_nobody_in_its_frame(void **state) {
    struct weir_pool *pool = pool_that(state, 2, WEIR_WAIT_CLAIM);
    struct weir_future *future;

    for (int i = 0; i < TURNS; i++) {
        void *result = (void *)(intptr_t)-EOWNERDEAD;
        assert_int_equal(pthread_join(unit_thread(loop_outside, pool), &result), 0);
        assert_true(result == NULL || result == (void *)(intptr_t)-EOWNERDEAD);
        assert_int_equal(weir_pool_async(pool, loop_inside, pool, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
        weir_future_unref(future);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- A group ---- */

static int wait_for_group(void *arg, void **value) {
    *value = NULL;
    return weir_group_wait(arg, NULL, WEIR_FOREVER);
}

/* The waiter runs the member that ends its thread, by claiming it or by helping. */
static void group_whose_waiter_ends_is_waited_for_by_the_others(void **state) {
    static const enum weir_wait_policy policies[] = {WEIR_WAIT_CLAIM, WEIR_WAIT_HELP};

    for (int i = 0; i < TURNS; i++) {
        struct weir_pool *pool = pool_that(state, 1, policies[i % 2]);
        struct weir_future *waiter;
        struct weir_group group;
        struct plug plug = PLUG;
        assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, NULL), 0);
        assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
        event_await(&plug.begun, 1);
        assert_int_equal(weir_pool_async(pool, wait_for_group, &group, &waiter), 0);
        assert_int_equal(weir_group_async(&group, exit_call, NULL, NULL), 0);
        assert_int_equal(weir_group_async(&group, call_echo, NULL, NULL), 0);
        event_raise(&plug.release);
        assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EOWNERDEAD);
        weir_future_get(waiter, NULL, WEIR_FOREVER);
        weir_future_unref(waiter);
        assert_int_equal(weir_group_fini(&group), 0);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

/* ---- A completion queue ---- */

static int take_one(void *arg, void **value) {
    *value = NULL;
    return weir_completion_next(arg, NULL, NULL, WEIR_FOREVER);
}

static void completion_whose_taker_ends_in_the_call_is_taken_by_another(void **state) {
    struct weir_pool *pool = pool_that(state, 1, WEIR_WAIT_CLAIM);

    for (int i = 0; i < TURNS; i++) {
        struct weir_completion *completion;
        struct weir_future *taker;
        struct plug plug = PLUG;
        assert_int_equal(weir_completion_new(&completion), 0);
        assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
        event_await(&plug.begun, 1);
        assert_int_equal(weir_pool_async(pool, take_one, completion, &taker), 0);
        assert_int_equal(weir_completion_async(completion, pool, exit_call, NULL, NULL), 0);
        event_raise(&plug.release);
        assert_int_equal(weir_future_get(taker, NULL, WEIR_FOREVER), -EOWNERDEAD);
        assert_int_equal(weir_completion_next(completion, NULL, NULL, WEIR_FOREVER), 0);
        assert_int_equal(weir_completion_next(completion, NULL, NULL, WEIR_FOREVER), -ENOENT);
        weir_future_unref(taker);
        weir_completion_free(completion);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- A wait for many ---- */

#define MANY 40 /* more than a wait keeps on the stack */

struct many {
    struct weir_pool *pool;
    struct weir_future *futures[MANY];
};

static int wait_for_many(void *arg, void **value) {
    struct many *many = arg;

    *value = NULL;
    return (int)weir_wait(many->futures, MANY, WEIR_ALL, WEIR_FOREVER);
}

static void wait_for_many_that_helps_leaves_no_callback_and_no_memory_behind(void **state) {
    long before = fault_blocks();

    for (int i = 0; i < TURNS; i++) {
        struct many many = {.pool = pool_that(state, 1, WEIR_WAIT_HELP)};
        struct weir_future *waiter, *exits, promise;
        struct plug plug = PLUG;
        weir_future_init(&promise);
        assert_int_equal(weir_pool_execute(many.pool, plug_run, &plug), 0);
        event_await(&plug.begun, 1);
        for (int k = 0; k < MANY; k++)
            many.futures[k] = &promise;
        assert_int_equal(weir_pool_async(many.pool, wait_for_many, &many, &waiter), 0);
        assert_int_equal(weir_pool_async(many.pool, exit_call, NULL, &exits), 0);
        event_raise(&plug.release);
        assert_int_equal(weir_future_get(exits, NULL, WEIR_FOREVER), -EOWNERDEAD);
        assert_int_equal(weir_future_get(waiter, NULL, WEIR_FOREVER), -EOWNERDEAD);
        assert_int_equal(weir_future_set(&promise, NULL), 0); /* nobody's callback is there */
        assert_int_equal(weir_future_fini(&promise), 0);
        weir_future_unref(waiter);
        weir_future_unref(exits);
        assert_int_equal(weir_pool_free(many.pool), 0);
    }
    assert_int_equal(fault_blocks(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(loop_whose_body_ends_a_thread_says_so_and_leaves_nobody_in_its_frame),
        EACH(group_whose_waiter_ends_is_waited_for_by_the_others),
        EACH(completion_whose_taker_ends_in_the_call_is_taken_by_another),
        EACH(wait_for_many_that_helps_leaves_no_callback_and_no_memory_behind),
    };
    return cmocka_run_group_tests_name("exit", tests, NULL, NULL);
}
