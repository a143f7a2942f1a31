#include <weir/group.h>

#include "test/fault.h"
#include "test/unit.h"

#define VALUE ((void *)&value_itself)
static int value_itself;

static struct weir_group *open_group(struct weir_group *group, struct weir_pool *pool,
                                     enum weir_group_policy policy) {
    assert_int_equal(weir_group_init(group, pool, policy, NULL), 0);
    return group;
}

static void add(struct weir_group *group, weir_call call, void *arg) {
    assert_int_equal(weir_group_async(group, call, arg, NULL), 0);
}

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

static int count_run(void *arg, void **value) {
    (void)value;
    add_one((_Atomic unsigned *)arg);
    return 0;
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

struct hold {
    struct weir_pool *pool;
    struct plug plug;
};

/* One worker, busy: what is added stays queued. */
static void hold_worker(struct hold *hold, void **state) {
    *hold = (struct hold){.pool = unit_pool(unit_scheduler(state), 1, NULL)};
    weir_pool_execute(hold->pool, plug_run, &hold->plug);
    event_await(&hold->plug.begun, 1);
}

static void let_go(struct hold *hold) {
    event_raise(&hold->plug.release);
    assert_int_equal(weir_pool_free(hold->pool), 0);
}

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

    weir_token_init(&parent, NULL, weir_after(20000000));
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

/* ---- Waiting inside ---- */

struct tree {
    struct weir_pool *pool;
    unsigned depth;
    uintptr_t sum;
};

/* Each level opens a group on its stack: on one worker it ends only if the waiter runs it. */
static int grow(void *arg, void **value) {
    struct tree *tree = arg;
    struct tree below[2] = {{tree->pool, tree->depth - 1, 0}, {tree->pool, tree->depth - 1, 0}};
    struct weir_group group;
    int rc = 0;

    (void)value;
    tree->sum = 1;
    if (tree->depth == 0)
        return 0;
    weir_group_init(&group, tree->pool, WEIR_GROUP_FIRST_ERROR, NULL);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = weir_group_async(&group, grow, &below[i], NULL);
    if (rc == 0)
        rc = weir_group_wait(&group, NULL, WEIR_FOREVER);
    weir_group_fini(&group);
    tree->sum += below[0].sum + below[1].sum;
    return rc;
}

static void nested_groups_end_on_any_number_of_workers(void **state) {
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct tree tree = {unit_pool(unit_scheduler(state), threads, NULL), 9, 0};
        struct weir_group group;
        open_group(&group, tree.pool, WEIR_GROUP_ALL);
        add(&group, grow, &tree);
        assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), 0);
        assert_int_equal(weir_group_fini(&group), 0);
        assert_int_equal(tree.sum, (1u << 10) - 1);
        assert_int_equal(weir_pool_free(tree.pool), 0);
    }
}

struct own {
    struct weir_group *group;
    struct weir_pool *pool;
    struct event seen;
    int wait_rc, fini_rc, async_rc, cancel_rc;
    _Atomic unsigned runs;
};

static int wait_for_own_group(void *arg, void **value) {
    struct own *own = arg;

    (void)value;
    own->async_rc = weir_group_async(own->group, count_run, (void *)&own->runs, NULL);
    own->wait_rc = weir_group_wait(own->group, NULL, WEIR_FOREVER);
    own->fini_rc = weir_group_fini(own->group);
    return 0;
}

static void wait_in_callback(struct weir_future *future, void *arg) {
    void *value;

    (void)future;
    wait_for_own_group(arg, &value);
    event_raise(&((struct own *)arg)->seen);
}

static int claim_one_that_waits(void *arg, void **value) {
    struct own *own = arg;
    struct weir_future future;

    weir_future_init(&future);
    weir_pool_submit(own->pool, weir_future_task(&future, wait_for_own_group, own, 0));
    int rc = weir_future_get(&future, value, WEIR_FOREVER);
    weir_future_fini(&future);
    return rc;
}

static void member_that_waits_for_its_group_gets_edeadlk(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    const weir_call calls[2] = {wait_for_own_group, claim_one_that_waits};
    struct weir_group group;

    for (int i = 0; i < 2; i++) {
        struct own own = {.group = &group, .pool = pool};
        open_group(&group, pool, WEIR_GROUP_ALL);
        add(&group, calls[i], &own);
        assert_int_equal(weir_group_fini(&group), 0);
        assert_int_equal(own.wait_rc, -EDEADLK);
        assert_int_equal(own.fini_rc, -EDEADLK);
        assert_int_equal(own.async_rc, 0);
        assert_int_equal(number_of(&own.runs), 1); /* fini waits for what members add */
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void callback_of_a_member_that_waits_for_the_group_gets_edeadlk(void **state) {
    struct hold hold;
    struct weir_group group;

    hold_worker(&hold, state);
    struct own own = {.group = &group, .pool = hold.pool};
    struct own dropped = {.group = &group, .pool = hold.pool};
    struct weir_callback callbacks[2] = {{.fn = wait_in_callback, .arg = &own},
                                         {.fn = wait_in_callback, .arg = &dropped}};
    struct weir_future *futures[2];
    open_group(&group, hold.pool, WEIR_GROUP_ALL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_group_async(&group, call_echo, NULL, &futures[i]), 0);
        weir_future_on_done(futures[i], &callbacks[i]);
    }
    assert_int_equal(weir_future_cancel(futures[1]), 0);
    assert_int_equal(dropped.wait_rc, -EDEADLK);
    event_raise(&hold.plug.release);
    event_await(&own.seen, 1);
    assert_int_equal(own.wait_rc, -EDEADLK);
    assert_int_equal(own.fini_rc, -EDEADLK);
    assert_int_equal(weir_group_fini(&group), 0);
    for (int i = 0; i < 2; i++)
        weir_future_unref(futures[i]);
    let_go(&hold);
}

static void hold_in_callback(struct weir_future *future, void *plug) {
    (void)future;
    plug_run(plug);
}

static void group_waits_for_the_callbacks_of_its_members(void **state) {
    struct hold hold;
    struct weir_group group;
    struct weir_future *future = NULL;
    struct plug plug = PLUG;
    struct weir_callback callback = {.fn = hold_in_callback, .arg = &plug};

    hold_worker(&hold, state);
    open_group(&group, hold.pool, WEIR_GROUP_ANY);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, &future), 0);
    weir_future_on_done(future, &callback);
    event_raise(&hold.plug.release);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_future_get(future, NULL, WEIR_NOW), 0);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_NOW), 0); /* decided all the same */
    assert_int_equal(weir_group_pending(&group), 1);
    event_raise(&plug.release);
    assert_int_equal(weir_group_fini(&group), 0);
    weir_future_unref(future);
    let_go(&hold);
}

struct brief {
    struct weir_pool *pool;
    uint64_t deadline_ns;
    int rc;
    size_t pending;
};

static int wait_briefly(void *arg, void **value) {
    struct brief *brief = arg;
    struct weir_group group;

    (void)value;
    weir_group_init(&group, brief->pool, WEIR_GROUP_ALL, NULL);
    weir_group_async(&group, call_echo, NULL, NULL);
    brief->rc = weir_group_wait(&group, NULL, brief->deadline_ns);
    brief->pending = weir_group_pending(&group);
    weir_group_cancel(&group);
    weir_group_fini(&group);
    return 0;
}

static void worker_begins_no_member_after_the_deadline(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    const uint64_t deadlines[2] = {WEIR_NOW, 1};

    for (int i = 0; i < 2; i++) {
        struct brief brief = {.pool = pool, .deadline_ns = deadlines[i]};
        struct weir_future *future = NULL;
        assert_int_equal(weir_pool_async(pool, wait_briefly, &brief, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        weir_future_unref(future);
        assert_int_equal(brief.rc, i == 0 ? -EAGAIN : -ETIMEDOUT);
        assert_int_equal(brief.pending, 1);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void worker_runs_what_it_waits_for_even_if_that_was_tried_before(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.wait = WEIR_WAIT_BLOCK; /* tried, and not claimed: still to be cancelled */
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct brief brief = {.pool = pool, .deadline_ns = weir_after(2000000)};
    struct weir_future *future = NULL;
    assert_int_equal(weir_pool_async(pool, wait_briefly, &brief, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(brief.rc, -ETIMEDOUT);
    assert_int_equal(brief.pending, 1);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Shutdown ---- */

static void every_waiter_returns_when_the_pool_is_shut_down(void **state) {
    const enum weir_shutdown_mode modes[2] = {WEIR_DRAIN, WEIR_CANCEL_PENDING};

    for (int i = 0; i < 2; i++) {
        struct hold hold;
        struct weir_group group;
        hold_worker(&hold, state);
        open_group(&group, hold.pool, WEIR_GROUP_ALL);
        for (int k = 0; k < 5; k++)
            add(&group, call_echo, NULL);
        weir_pool_shutdown(hold.pool, modes[i]);
        event_raise(&hold.plug.release);
        assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), i == 0 ? 0 : -ECANCELED);
        assert_int_equal(weir_group_fini(&group), 0);
        let_go(&hold);
    }
}

/* ---- Everything at once ---- */

#define ROUNDS  500
#define MEMBERS 4

static int succeed_or_fail(void *arg, void **value) {
    *value = arg;
    return (uintptr_t)arg % 3 == 0 ? -EIO : 0;
}

/* A touch of the group after its fini is a bug that a sanitizer sees. */
static void group_may_be_freed_once_its_fini_returns(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct weir_group *group = malloc(sizeof *group);
        open_group(group, pool, (enum weir_group_policy)(round % 3));
        for (uintptr_t i = 1; i <= MEMBERS; i++) {
            int rc = weir_group_async(group, succeed_or_fail, (void *)(i + round), NULL);
            assert_true(rc == 0 || rc == -ECANCELED);
        }
        void *value = NULL;
        int rc = round & 8 ? weir_group_wait(group, &value, WEIR_FOREVER) : -EIO;
        if (rc == 0 && round % 3 == WEIR_GROUP_ANY)
            assert_true((uintptr_t)value % 3 != 0);
        else
            assert_int_equal(rc, -EIO);
        assert_int_equal(weir_group_fini(group), 0);
        memset(group, 0xA5, sizeof *group);
        free(group);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

struct race {
    struct weir_group *group;
    struct event go;
    struct weir_callback callbacks[2 * MEMBERS]; /* in use until the group's end */
    _Atomic unsigned accepted, ended;
};

static void count_end(struct weir_future *future, void *arg) {
    (void)future;
    add_one((_Atomic unsigned *)arg);
}

static void *adder_main(void *arg) {
    struct race *race = arg;
    struct weir_future *futures[MEMBERS];
    unsigned n = 0;

    event_await(&race->go, 1);
    for (int i = 0; i < MEMBERS; i++)
        if (weir_group_async(race->group, call_echo, NULL, &futures[n]) == 0) {
            struct weir_callback *callback = &race->callbacks[atomic_fetch_add_explicit(
                &race->accepted, 1, memory_order_relaxed)];
            *callback = (struct weir_callback){.fn = count_end, .arg = (void *)&race->ended};
            weir_future_on_done(futures[n++], callback);
        }
    weir_wait(futures, n, WEIR_ALL, WEIR_FOREVER);
    while (n-- > 0)
        weir_future_unref(futures[n]);
    return NULL;
}

static void *waiter_main(void *arg) {
    struct race *race = arg;

    event_await(&race->go, 1);
    for (uint64_t ns = 1000;; ns += 1000) { /* deadlines that race the end */
        int rc = weir_group_wait(race->group, NULL, weir_after(ns));
        if (rc != -ETIMEDOUT)
            return NULL;
    }
}

static void *canceller_main(void *arg) {
    struct race *race = arg;

    event_await(&race->go, 1);
    weir_group_cancel(race->group);
    return NULL;
}

static void members_are_added_cancelled_and_awaited_at_the_same_time(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    for (int round = 0; round < ROUNDS / 2; round++) {
        struct weir_group group;
        struct race race = {.group = open_group(&group, pool, WEIR_GROUP_ALL)};
        pthread_t threads[4] = {unit_thread(adder_main, &race), unit_thread(adder_main, &race),
                                unit_thread(waiter_main, &race),
                                unit_thread(canceller_main, &race)};
        event_raise(&race.go);
        for (int i = 0; i < 4; i++)
            unit_join(threads[i]);
        assert_int_equal(weir_group_fini(&group), 0);
        assert_int_equal(number_of(&race.ended), number_of(&race.accepted));
    }
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
        EACH(nested_groups_end_on_any_number_of_workers),
        EACH(member_that_waits_for_its_group_gets_edeadlk),
        EACH(callback_of_a_member_that_waits_for_the_group_gets_edeadlk),
        EACH(group_waits_for_the_callbacks_of_its_members),
        EACH(worker_begins_no_member_after_the_deadline),
        EACH(worker_runs_what_it_waits_for_even_if_that_was_tried_before),
        EACH(every_waiter_returns_when_the_pool_is_shut_down),
        EACH(group_may_be_freed_once_its_fini_returns),
        EACH(members_are_added_cancelled_and_awaited_at_the_same_time),
    };
    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
