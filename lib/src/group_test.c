#include <weir/group.h>

#include "test/fault.h"
#include "test/group.h"

/* A member that runs until it is told to end. */
struct runner {
    struct event begun;
    _Atomic bool release;
    bool was_cancelled;
};

static int run_until_cancelled(void *arg, void **value) {
    struct runner *runner = arg;

    (void)value;
    event_raise(&runner->begun);
    UNTIL(weir_cancelled() || atomic_load_explicit(&runner->release, memory_order_acquire));
    runner->was_cancelled = weir_cancelled();
    return runner->was_cancelled ? -ECANCELED : 0;
}

static void bad_arguments_are_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_group group;

    assert_int_equal(weir_group_init(NULL, pool, WEIR_GROUP_ALL, NULL), -EINVAL);
    assert_int_equal(weir_group_init(&group, NULL, WEIR_GROUP_ALL, NULL), -EINVAL);
    assert_int_equal(weir_group_init(&group, pool, (enum weir_group_policy)3, NULL), -EINVAL);
    open_group(&group, pool, WEIR_GROUP_ALL);
    assert_int_equal(weir_group_async(NULL, call_echo, NULL, NULL), -EINVAL);
    assert_int_equal(weir_group_async(&group, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(weir_group_wait(NULL, NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_group_cancel(NULL), -EINVAL);
    assert_int_equal(weir_group_fini(NULL), -EINVAL);
    assert_null(weir_group_token(NULL));
    assert_int_equal(weir_group_pending(NULL), 0);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void empty_group_has_nothing_to_wait_for(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    const int results[] = {0, -EINVAL, 0}; /* nobody can be the first to succeed */
    struct weir_group group;

    for (unsigned policy = 0; policy < 3; policy++) {
        open_group(&group, pool, (enum weir_group_policy)policy);
        assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), results[policy]);
        assert_int_equal(weir_group_fini(&group), 0);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Policies ---- */

static void all_waits_for_every_member_and_tells_the_first_error(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_group group;
    struct weir_future *future = NULL;
    _Atomic unsigned runs = 0;
    void *value = VALUE;

    open_group(&group, pool, WEIR_GROUP_ALL);
    for (int i = 0; i < 20; i++)
        add(&group, count_run, (void *)&runs);
    assert_int_equal(weir_group_wait(&group, &value, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&runs), 20);
    assert_int_equal(weir_group_pending(&group), 0);
    assert_ptr_equal(value, VALUE); /* untouched */
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, &future), 0);
    add(&group, call_fail, (void *)(intptr_t)-EIO);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EIO);
    add(&group, call_fail, (void *)(intptr_t)-EPERM); /* a later one changes nothing */
    add(&group, count_run, (void *)&runs);            /* nor is anyone cancelled */
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EIO);
    assert_int_equal(number_of(&runs), 21);
    assert_int_equal(weir_group_fini(&group), 0);
    memset(&group, 0xA5, sizeof group);
    assert_int_equal(weir_future_get(future, &value, WEIR_NOW), 0); /* outlives the group */
    weir_future_unref(future);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void any_gives_the_first_success_and_cancels_the_rest(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, NULL);
    struct weir_group group;
    struct runner runners[2] = {{.was_cancelled = false}, {.was_cancelled = false}};
    void *value = NULL;

    open_group(&group, pool, WEIR_GROUP_ANY);
    for (int i = 0; i < 2; i++) {
        add(&group, run_until_cancelled, &runners[i]);
        event_await(&runners[i].begun, 1);
    }
    add(&group, call_fail, (void *)(intptr_t)-EIO);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_NOW), -EAGAIN);
    add(&group, call_echo, VALUE);
    assert_int_equal(weir_group_wait(&group, &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_NOW), 0);
    assert_int_equal(weir_group_async(&group, call_echo, NULL, NULL), -ECANCELED);
    assert_int_equal(weir_group_fini(&group), 0);
    for (int i = 0; i < 2; i++)
        assert_true(runners[i].was_cancelled);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void any_tells_the_first_failure_when_nobody_succeeds(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_group group;
    void *value = VALUE;

    open_group(&group, pool, WEIR_GROUP_ANY);
    for (int i = 1; i < 4; i++) {
        add(&group, call_fail, (void *)(intptr_t)-i);
        assert_int_equal(weir_group_wait(&group, &value, WEIR_FOREVER), -1);
    }
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void first_error_is_told_at_once_and_cancels_the_rest(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_group group;
    struct runner runner = {.was_cancelled = false};
    struct weir_future *queued[50];

    open_group(&group, pool, WEIR_GROUP_FIRST_ERROR);
    add(&group, call_echo, NULL);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), 0); /* all succeeded so far */
    add(&group, run_until_cancelled, &runner);
    event_await(&runner.begun, 1);
    struct plug plug = PLUG;
    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    add(&group, call_fail, (void *)(intptr_t)-EIO);
    for (int i = 0; i < 50; i++)
        assert_int_equal(weir_group_async(&group, call_echo, VALUE, &queued[i]), 0);
    assert_int_equal(weir_group_pending(&group), 52);
    event_raise(&plug.release);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EIO);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_true(runner.was_cancelled);
    for (int i = 0; i < 50; i++) {
        enum weir_future_state end = weir_future_state(queued[i]);
        assert_true(end == WEIR_FUTURE_DONE || end == WEIR_FUTURE_CANCELLED);
        weir_future_unref(queued[i]);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void member_that_gives_up_is_no_failure(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_group group;
    _Atomic unsigned runs = 0;

    open_group(&group, pool, WEIR_GROUP_FIRST_ERROR);
    add(&group, call_fail, (void *)(intptr_t)-ECANCELED);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -ECANCELED);
    add(&group, count_run, (void *)&runs); /* the others go on */
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(number_of(&runs), 1);
    add(&group, call_fail, (void *)(intptr_t)-EIO); /* a failure says more */
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EIO);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Cancelling ---- */

static void cancelled_group_ends_before_its_members_turn(void **state) {
    struct hold hold;
    struct weir_group group;
    struct weir_future *future = NULL;
    struct plug never = PLUG;

    hold_worker(&hold, state);
    open_group(&group, hold.pool, WEIR_GROUP_ALL);
    assert_int_equal(weir_group_async(&group, plug_call, &never, &future), 0);
    for (int i = 0; i < 10; i++)
        add(&group, plug_call, &never);
    assert_int_equal(weir_group_wait(&group, NULL, weir_after(1000)), -ETIMEDOUT);
    assert_int_equal(weir_group_pending(&group), 11); /* a time-out cancels nothing */
    assert_int_equal(weir_group_cancel(&group), 0);
    assert_int_equal(weir_group_pending(&group), 0); /* the worker is still busy */
    assert_int_equal(weir_group_cancel(&group), -EALREADY);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_group_async(&group, plug_call, &never, NULL), -ECANCELED);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_future_state(future), WEIR_FUTURE_CANCELLED);
    weir_future_unref(future);
    let_go(&hold);
    assert_int_equal(atomic_load_explicit(&never.begun.count, memory_order_relaxed), 0);
}

static void parent_cancels_the_members_at_once(void **state) {
    struct hold hold;
    struct weir_group group, late;
    struct weir_token parent, child;
    struct plug never = PLUG;

    hold_worker(&hold, state);
    weir_token_init(&parent, NULL, WEIR_FOREVER);
    assert_int_equal(weir_group_init(&group, hold.pool, WEIR_GROUP_ALL, &parent), 0);
    weir_token_init(&child, weir_group_token(&group), WEIR_FOREVER);
    add(&group, plug_call, &never);
    assert_int_equal(weir_token_cancel(&parent), 0);
    assert_int_equal(weir_group_pending(&group), 0);
    assert_true(weir_token_is_cancelled(&child));
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_group_fini(&group), -EBUSY); /* the child is left */
    assert_int_equal(weir_token_fini(&child), 0);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_group_init(&late, hold.pool, WEIR_GROUP_ALL, &parent), 0);
    assert_int_equal(weir_group_async(&late, plug_call, &never, NULL), -ECANCELED);
    assert_int_equal(weir_group_fini(&late), 0);
    assert_int_equal(weir_token_fini(&parent), 0);
    let_go(&hold);
}

static void deadline_of_the_parent_ends_running_and_queued_members(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_group group;
    struct weir_token parent;
    struct runner runner = {.was_cancelled = false};
    struct plug never = PLUG;

    weir_token_init(&parent, NULL, unit_soon());
    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, &parent), 0);
    add(&group, run_until_cancelled, &runner);
    int rc = weir_group_async(&group, plug_call, &never, NULL);
    assert_true(rc == 0 || rc == -ECANCELED);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_token_fini(&parent), 0);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(atomic_load_explicit(&never.begun.count, memory_order_relaxed), 0);
}

static void member_may_be_cancelled_alone(void **state) {
    struct hold hold;
    struct weir_group group;
    struct weir_future *future = NULL;
    struct plug never = PLUG;
    _Atomic unsigned runs = 0;

    hold_worker(&hold, state);
    open_group(&group, hold.pool, WEIR_GROUP_ALL);
    add(&group, count_run, (void *)&runs);
    assert_int_equal(weir_group_async(&group, plug_call, &never, &future), 0);
    add(&group, count_run, (void *)&runs);
    assert_int_equal(weir_future_cancel(future), 0);
    assert_int_equal(weir_group_pending(&group), 2);
    weir_future_unref(future);
    event_raise(&hold.plug.release);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(number_of(&runs), 2);
    assert_int_equal(weir_group_fini(&group), 0);
    let_go(&hold);
}

/* ---- Failing submissions ---- */

static void refused_member_leaves_no_trace(void **state) {
    struct weir_pool_options options;
    struct weir_group group;
    struct plug plug = PLUG;
    struct weir_future *future = NULL;

    weir_pool_options_init(&options);
    options.capacity = 1;
    options.full = WEIR_FULL_REJECT;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    open_group(&group, pool, WEIR_GROUP_FIRST_ERROR);
    long before = fault_blocks();
    fault_fail_nth(1);
    assert_int_equal(weir_group_async(&group, call_echo, NULL, &future), -ENOMEM);
    fault_reset();
    add(&group, plug_call, &plug);
    event_await(&plug.begun, 1);
    add(&group, call_echo, NULL);
    assert_int_equal(weir_group_async(&group, call_echo, NULL, &future), -EAGAIN);
    assert_null(future);
    assert_int_equal(weir_group_pending(&group), 2);
    event_raise(&plug.release);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_group_async(&group, call_echo, NULL, &future), -ESHUTDOWN);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), 0);
    assert_int_equal(fault_blocks(), before);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct late {
    struct weir_group *group;
    struct event begun;
    int rc;
};

static void *add_late(void *arg) {
    struct late *late = arg;

    event_raise(&late->begun);
    late->rc = weir_group_async(late->group, call_echo, NULL, NULL);
    return NULL;
}

static void member_on_its_way_into_a_full_pool_is_cancelled_with_the_group(void **state) {
    struct weir_pool_options options;
    struct weir_group group;
    struct late late = {.group = &group, .rc = 1};
    struct plug plug = PLUG;
    struct weir_future *queued = NULL;

    weir_pool_options_init(&options);
    options.capacity = 1;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &queued), 0);
    open_group(&group, pool, WEIR_GROUP_ALL);
    pthread_t thread = unit_thread(add_late, &late);
    UNTIL(weir_group_pending(&group) == 1);
    assert_int_equal(weir_group_cancel(&group), 0);
    assert_int_equal(weir_group_pending(&group), 1); /* still waits for room */
    assert_int_equal(weir_future_cancel(queued), 0);
    unit_join(thread);
    assert_int_equal(late.rc, 0);
    assert_int_equal(weir_group_pending(&group), 0); /* though the worker is busy */
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_NOW), -ECANCELED);
    assert_int_equal(weir_group_fini(&group), 0);
    weir_future_unref(queued);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void caller_that_runs_a_member_ends_it(void **state) {
    struct weir_pool_options options;
    struct weir_group group;
    struct plug plug = PLUG;
    _Atomic unsigned runs = 0;

    weir_pool_options_init(&options);
    options.capacity = 1;
    options.full = WEIR_FULL_CALLER_RUNS;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    open_group(&group, pool, WEIR_GROUP_ALL);
    add(&group, plug_call, &plug);
    event_await(&plug.begun, 1);
    for (int i = 0; i < 5; i++)
        add(&group, count_run, (void *)&runs);
    assert_int_equal(number_of(&runs), 4);
    event_raise(&plug.release);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(number_of(&runs), 5);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(bad_arguments_are_refused),
        ONCE(empty_group_has_nothing_to_wait_for),
        EACH(all_waits_for_every_member_and_tells_the_first_error),
        EACH(any_gives_the_first_success_and_cancels_the_rest),
        EACH(any_tells_the_first_failure_when_nobody_succeeds),
        EACH(first_error_is_told_at_once_and_cancels_the_rest),
        EACH(member_that_gives_up_is_no_failure),
        EACH(cancelled_group_ends_before_its_members_turn),
        EACH(parent_cancels_the_members_at_once),
        EACH(deadline_of_the_parent_ends_running_and_queued_members),
        EACH(member_may_be_cancelled_alone),
        EACH(refused_member_leaves_no_trace),
        EACH(member_on_its_way_into_a_full_pool_is_cancelled_with_the_group),
        EACH(caller_that_runs_a_member_ends_it),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
