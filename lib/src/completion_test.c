#include "platform/futex.h"
#include "test/fault.h"
#include "test/unit.h"

static struct weir_completion *new_completion(void) {
    struct weir_completion *completion = NULL;

    assert_int_equal(weir_completion_new(&completion), 0);
    return completion;
}

/* Takes one at once, and checks which. */
static void expect_next(struct weir_completion *completion, struct weir_future *future,
                        void *user) {
    struct weir_future *got = NULL;
    void *got_user = NULL;

    assert_int_equal(weir_completion_next(completion, &got, &got_user, WEIR_NOW), 0);
    assert_ptr_equal(got, future);
    assert_ptr_equal(got_user, user);
}

static int next(struct weir_completion *completion, uint64_t deadline_ns) {
    return weir_completion_next(completion, NULL, NULL, deadline_ns);
}

/* ---- Arguments and memory ---- */

static void bad_arguments_are_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_completion *completion = new_completion();
    struct weir_future future;

    weir_future_init(&future);
    assert_int_equal(weir_completion_new(NULL), -EINVAL);
    assert_int_equal(weir_completion_add(NULL, &future, NULL), -EINVAL);
    assert_int_equal(weir_completion_add(completion, NULL, NULL), -EINVAL);
    assert_int_equal(weir_completion_async(NULL, pool, call_echo, NULL, NULL), -EINVAL);
    assert_int_equal(weir_completion_async(completion, NULL, call_echo, NULL, NULL), -EINVAL);
    assert_int_equal(weir_completion_async(completion, pool, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(next(NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_completion_next_batch(NULL, NULL, 0, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_completion_next_batch(completion, NULL, 1, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_completion_next_batch(completion, NULL, 0, WEIR_FOREVER), 0);
    assert_int_equal(weir_completion_fd(NULL), -EINVAL);
    assert_int_equal(weir_completion_pending(NULL), 0);
    assert_int_equal(weir_completion_pending(completion), 0);
    weir_completion_free(completion);
    weir_completion_free(NULL);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void without_memory_nothing_is_made_or_added(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_completion *completion = NULL;
    struct weir_future future;
    long blocks = fault_blocks();
    int rc;

    fault_fail_nth(1);
    assert_int_equal(weir_completion_new(&completion), -ENOMEM);
    fault_reset();
    assert_null(completion);
    completion = new_completion();
    weir_future_init(&future);
    fault_fail_nth(1);
    assert_int_equal(weir_completion_add(completion, &future, NULL), -ENOMEM);
    fault_reset();
    assert_int_equal(weir_completion_pending(completion), 0);
    for (unsigned n = 1; fault_fail_nth(n),
                  (rc = weir_completion_async(completion, pool, call_echo, NULL, NULL)) != 0;
         n++) {
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(fault_blocks(), blocks + 1);
        assert_int_equal(next(completion, WEIR_FOREVER), -ENOENT);
    }
    fault_reset();
    fault_fail_nth(1);
    assert_int_equal(next(completion, WEIR_FOREVER), 0); /* needs none */
    assert_false(fault_happened());
    fault_reset();
    weir_completion_free(completion);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(fault_blocks(), blocks);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Order, ends, waiting ---- */

#define MANY 64

static void futures_arrive_in_the_order_of_their_ends_however_they_end(void **state) {
    struct weir_completion *completion = new_completion();
    struct weir_future futures[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        weir_future_init(&futures[i]);
        assert_int_equal(weir_completion_add(completion, &futures[i], &futures[MANY - i - 1]), 0);
    }
    assert_int_equal(next(completion, WEIR_NOW), -EAGAIN);
    assert_int_equal(next(completion, 1), -ETIMEDOUT);
    uint64_t deadline_ns = weir_after(1000000);
    assert_int_equal(next(completion, deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    for (int i = 0; i < MANY; i++) {
        struct weir_future *future = &futures[i * 37 % MANY];
        assert_int_equal(i % 3 == 0   ? weir_future_set(future, NULL)
                         : i % 3 == 1 ? weir_future_fail(future, -EIO)
                                      : weir_future_cancel(future),
                         0);
    }
    for (int i = 0; i < MANY; i++) {
        int k = i * 37 % MANY;
        assert_int_equal(weir_completion_pending(completion), MANY - i);
        expect_next(completion, &futures[k], &futures[MANY - k - 1]);
    }
    assert_int_equal(next(completion, WEIR_FOREVER), -ENOENT);
    weir_completion_free(completion);
}

static void future_that_is_terminal_or_added_twice_arrives_as_often_as_added(void **state) {
    struct weir_completion *completion = new_completion();
    struct weir_future future;
    int a, b, c;

    (void)state;
    weir_future_init(&future);
    assert_int_equal(weir_completion_add(completion, &future, &a), 0);
    assert_int_equal(weir_completion_add(completion, &future, &b), 0);
    weir_future_set(&future, NULL);
    assert_int_equal(weir_completion_add(completion, &future, &c), 0);
    expect_next(completion, &future, &a);
    expect_next(completion, &future, &b);
    expect_next(completion, &future, &c);
    assert_int_equal(next(completion, WEIR_FOREVER), -ENOENT);
    weir_completion_free(completion);
    assert_int_equal(weir_future_fini(&future), 0);
}

static void batch_takes_what_is_there_and_no_more_than_asked_for(void **state) {
    struct weir_completion *completion = new_completion();
    struct weir_completed completed[8];
    struct weir_future futures[5];

    (void)state;
    assert_int_equal(weir_completion_next_batch(completion, completed, 8, WEIR_FOREVER), -ENOENT);
    for (int i = 0; i < 5; i++) {
        weir_future_init(&futures[i]);
        weir_completion_add(completion, &futures[i], &futures[i]);
    }
    assert_int_equal(weir_completion_next_batch(completion, completed, 8, WEIR_NOW), -EAGAIN);
    for (int i = 0; i < 4; i++)
        weir_future_set(&futures[i], NULL);
    assert_int_equal(weir_completion_next_batch(completion, completed, 3, WEIR_FOREVER), 3);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(completed[i].future, &futures[i]);
        assert_ptr_equal(completed[i].user, &futures[i]);
    }
    assert_int_equal(weir_completion_next_batch(completion, completed, 8, WEIR_FOREVER), 1);
    assert_ptr_equal(completed[0].future, &futures[3]);
    assert_int_equal(weir_completion_pending(completion), 1);
    weir_future_set(&futures[4], NULL);
    assert_int_equal(weir_completion_next_batch(completion, completed, 8, WEIR_FOREVER), 1);
    weir_completion_free(completion);
}

static void async_futures_are_their_takers(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_completion *completion = new_completion();
    struct weir_completed completed[3];
    long blocks = fault_blocks();

    for (uintptr_t i = 1; i <= 100; i++)
        assert_int_equal(weir_completion_async(completion, pool, call_echo, (void *)i, (void *)i),
                         0);
    for (int left = 100; left > 0;) {
        struct weir_future *future = NULL;
        void *user = NULL, *value = NULL;
        assert_int_equal(weir_completion_next(completion, &future, &user, WEIR_FOREVER), 0);
        assert_int_equal(weir_future_get(future, &value, WEIR_NOW), 0);
        assert_ptr_equal(value, user);
        weir_future_unref(future);
        left--;
        if (left > 50)
            left -= next(completion, WEIR_NOW) == 0; /* unreferenced there */
        if (left >= 3 && left < 50) {
            ptrdiff_t n = weir_completion_next_batch(completion, completed, 3, WEIR_FOREVER);
            assert_in_range(n, 1, 3);
            for (ptrdiff_t k = 0; k < n; k++, left--)
                weir_future_unref(completed[k].future);
        }
    }
    assert_int_equal(next(completion, WEIR_FOREVER), -ENOENT);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(fault_blocks(), blocks);
    weir_completion_free(completion);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void refused_submission_adds_nothing(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_completion *completion = new_completion();
    long blocks = fault_blocks();

    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_completion_async(completion, pool, call_echo, NULL, NULL), -ESHUTDOWN);
    assert_int_equal(next(completion, WEIR_FOREVER), -ENOENT);
    assert_int_equal(fault_blocks(), blocks);
    weir_completion_free(completion);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void calls_that_a_shutdown_drops_arrive_cancelled(void **state) {
    struct weir_pool_options options;
    struct weir_completion *completion = new_completion();

    weir_pool_options_init(&options);
    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_completion_async(completion, pool, call_echo, NULL, NULL), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    for (int i = 0; i < 3; i++) {
        struct weir_future *future = NULL;
        assert_int_equal(weir_completion_next(completion, &future, NULL, WEIR_FOREVER), 0);
        assert_int_equal(weir_future_state(future), WEIR_FUTURE_CANCELLED);
        weir_future_unref(future);
    }
    assert_int_equal(next(completion, WEIR_FOREVER), -ENOENT);
    weir_completion_free(completion);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Several takers ---- */

struct takers {
    struct weir_completion *completion;
    struct event waiting;
    _Atomic unsigned taken, over;
};

static void *take_main(void *arg) {
    struct takers *takers = arg;
    void *user;
    int rc;

    event_raise(&takers->waiting);
    while ((rc = weir_completion_next(takers->completion, NULL, &user, WEIR_FOREVER)) == 0) {
        if (user) /* plain: ordered by taking alone */
            ++*(unsigned *)user;
        add_one(&takers->taken);
    }
    if (rc == -ENOENT)
        add_one(&takers->over);
    return NULL;
}

static void all_takers_return_when_the_last_one_is_taken(void **state) {
    enum { TAKERS = 4 };

    (void)state;
    for (int turn = 0; turn < 200; turn++) {
        struct takers takers = {.completion = new_completion()};
        struct weir_future future;
        pthread_t threads[TAKERS];
        weir_future_init(&future);
        weir_completion_add(takers.completion, &future, NULL);
        for (int i = 0; i < TAKERS; i++)
            threads[i] = unit_thread(take_main, &takers);
        event_await(&takers.waiting, TAKERS);
        for (int i = 0; i < turn; i++)
            weir__relax(64); /* until most of them sleep */
        weir_future_set(&future, NULL);
        for (int i = 0; i < TAKERS; i++)
            unit_join(threads[i]);
        assert_int_equal(number_of(&takers.taken), 1);
        assert_int_equal(number_of(&takers.over), TAKERS);
        weir_completion_free(takers.completion);
        assert_int_equal(weir_future_fini(&future), 0);
    }
}

static int write_one(void *arg, void **value) {
    *(unsigned *)arg = 1;
    *value = NULL;
    return 0;
}

/* A promise keeps the takers while calls are still being added. */
static void each_is_taken_once_by_several_takers_and_none_is_forgotten(void **state) {
    enum { TAKERS = 3, CALLS = 3000 };
    static unsigned written[CALLS];

    for (unsigned workers = 1; workers <= 3; workers++) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), workers, NULL);
        struct takers takers = {.completion = new_completion()};
        struct weir_future more;
        pthread_t threads[TAKERS];
        memset(written, 0, sizeof written);
        weir_future_init(&more);
        weir_completion_add(takers.completion, &more, NULL);
        for (int i = 0; i < TAKERS; i++)
            threads[i] = unit_thread(take_main, &takers);
        for (int i = 0; i < CALLS; i++)
            assert_int_equal(
                weir_completion_async(takers.completion, pool, write_one, &written[i], &written[i]),
                0);
        weir_future_set(&more, NULL);
        for (int i = 0; i < TAKERS; i++)
            unit_join(threads[i]);
        assert_int_equal(number_of(&takers.taken), CALLS + 1);
        assert_int_equal(number_of(&takers.over), TAKERS);
        for (int i = 0; i < CALLS; i++)
            assert_int_equal(written[i], 2);
        weir_completion_free(takers.completion);
        assert_int_equal(weir_future_fini(&more), 0);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(bad_arguments_are_refused),
        EACH(without_memory_nothing_is_made_or_added),
        ONCE(futures_arrive_in_the_order_of_their_ends_however_they_end),
        ONCE(future_that_is_terminal_or_added_twice_arrives_as_often_as_added),
        ONCE(batch_takes_what_is_there_and_no_more_than_asked_for),
        EACH(async_futures_are_their_takers),
        EACH(refused_submission_adds_nothing),
        EACH(calls_that_a_shutdown_drops_arrive_cancelled),
        ONCE(all_takers_return_when_the_last_one_is_taken),
        EACH(each_is_taken_once_by_several_takers_and_none_is_forgotten),
    };
    return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
