/* Java's invokeAll and invokeAny, with and without a time-out. PARITY.md names each test. */
#include <weir.h>

#include "test/occupied.h"

#define MANY 6

static void *const VALUE = (void *)(uintptr_t)42;

/* A call that ends when its group does not want it any more. */
static int call_until_asked(void *arg, void **value) {
    event_raise(arg);
    *value = NULL;
    UNTIL(weir_cancelled());
    return -ECANCELED;
}

static void invoke_all_returns_when_all_have_ended_and_keeps_failures_apart(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_future *futures[MANY] = {NULL};
    struct weir_group group;

    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, NULL), 0);
    for (intptr_t i = 0; i < MANY; i++)
        assert_int_equal(weir_group_async(&group, i == 2 ? call_fail : call_echo,
                                          (void *)(i == 2 ? (intptr_t)-EIO : i), &futures[i]),
                         0);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EIO);
    for (intptr_t i = 0; i < MANY; i++) {
        void *value = NULL;
        assert_int_equal(weir_future_get(futures[i], &value, WEIR_NOW), i == 2 ? -EIO : 0);
        assert_int_equal((intptr_t)value, i == 2 ? 0 : i);
        weir_future_unref(futures[i]);
    }
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* A member runs, and others are queued behind it: at the deadline all of them are cancelled. */
static void invoke_all_past_its_deadline_cancels_what_is_left(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future *futures[MANY] = {NULL};
    struct event begun = {0};
    struct weir_group group;

    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, NULL), 0);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, &futures[0]), 0);
    assert_int_equal(weir_future_get(futures[0], NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_group_async(&group, call_until_asked, &begun, &futures[1]), 0);
    event_await(&begun, 1);
    for (int i = 2; i < MANY; i++)
        assert_int_equal(weir_group_async(&group, call_echo, VALUE, &futures[i]), 0);
    assert_int_equal(weir_group_wait(&group, NULL, weir_after(1000000)), -ETIMEDOUT);
    assert_int_equal(weir_group_cancel(&group), 0);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, NULL), -ECANCELED);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_future_state(futures[0]), WEIR_FUTURE_DONE);
    assert_int_equal(weir_future_state(futures[1]), WEIR_FUTURE_FAILED); /* it ran, and answered */
    for (int i = 2; i < MANY; i++)
        assert_int_equal(weir_future_state(futures[i]), WEIR_FUTURE_CANCELLED);
    for (int i = 0; i < MANY; i++)
        weir_future_unref(futures[i]);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void invoke_any_gives_the_first_value_and_cancels_the_rest(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_future *slow = NULL;
    struct event begun = {0};
    struct weir_group group;
    void *value = NULL;

    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ANY, NULL), 0);
    assert_int_equal(weir_group_async(&group, call_until_asked, &begun, &slow), 0);
    event_await(&begun, 1);
    assert_int_equal(weir_group_async(&group, call_fail, (void *)(intptr_t)-EIO, NULL), 0);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, NULL), 0);
    assert_int_equal(weir_group_wait(&group, &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_future_get(slow, NULL, WEIR_FOREVER), -ECANCELED);
    weir_future_unref(slow);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Java throws the last failure, weir gives the first one. */
static void invoke_any_of_failures_gives_a_failure(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_group group;
    void *value = VALUE;

    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ANY, NULL), 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_group_async(&group, call_fail, (void *)(intptr_t)-EIO, NULL), 0);
    assert_int_equal(weir_group_wait(&group, &value, WEIR_FOREVER), -EIO);
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void invoke_any_of_nothing_is_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_group group;

    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ANY, NULL), 0);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EINVAL);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, NULL), 0);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), 0); /* invokeAll of nothing */
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void invoke_any_past_its_deadline_cancels_all(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future *running = NULL, *queued = NULL;
    struct event begun = {0};
    struct weir_group group;

    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ANY, NULL), 0);
    assert_int_equal(weir_group_async(&group, call_until_asked, &begun, &running), 0);
    event_await(&begun, 1);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, &queued), 0);
    assert_int_equal(weir_group_wait(&group, NULL, weir_after(1000000)), -ETIMEDOUT);
    assert_int_equal(weir_group_cancel(&group), 0);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(get_and_unref(running), -ECANCELED);
    assert_int_equal(weir_future_state(queued), WEIR_FUTURE_CANCELLED);
    weir_future_unref(queued);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Java cancels the others when one submission is rejected; here the group is the caller's to end.
 */
static void invoke_all_whose_submission_is_refused_can_be_ended_whole(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct weir_future *first = NULL, *refused = NULL;
    struct occupied occupied;
    struct weir_group group;

    options.capacity = 1;
    options.full = WEIR_FULL_REJECT;
    occupied_make(&occupied, &options);
    assert_int_equal(weir_group_init(&group, occupied.pool, WEIR_GROUP_ALL, NULL), 0);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, &first), 0);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, &refused), -EAGAIN);
    assert_null(refused);
    assert_int_equal(weir_group_pending(&group), 1);
    assert_int_equal(weir_group_cancel(&group), 0);
    assert_int_equal(weir_group_fini(&group), 0); /* while the worker is still occupied */
    assert_int_equal(get_and_unref(first), -ECANCELED);
    occupied_end(&occupied);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(invoke_all_returns_when_all_have_ended_and_keeps_failures_apart),
        EACH(invoke_all_past_its_deadline_cancels_what_is_left),
        EACH(invoke_all_whose_submission_is_refused_can_be_ended_whole),
        EACH(invoke_any_gives_the_first_value_and_cancels_the_rest),
        EACH(invoke_any_of_failures_gives_a_failure),
        EACH(invoke_any_of_nothing_is_refused),
        EACH(invoke_any_past_its_deadline_cancels_all),
    };
    return cmocka_run_group_tests_name("parity: groups", tests, NULL, NULL);
}
