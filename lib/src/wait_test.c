#include "test/fault.h"
#include "test/unit.h"

#define MANY 100

static void bad_arguments_are_refused(void **state) {
    struct weir_future future;
    struct weir_future *list[2] = {&future, NULL};

    (void)state;
    weir_future_init(&future);
    assert_int_equal(weir_wait(NULL, 1, WEIR_ALL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_wait(list, 2, WEIR_ALL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_wait(list, SIZE_MAX, WEIR_ALL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_wait(list, 1, (enum weir_wait_mode)7, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_wait(list, 0, WEIR_ANY, WEIR_FOREVER), -EINVAL);
    assert_int_equal(weir_wait(list, 0, WEIR_ALL, WEIR_FOREVER), 0);
    assert_int_equal(weir_wait(NULL, 0, WEIR_ALL, WEIR_FOREVER), 0);
}

struct promises {
    struct weir_future futures[MANY];
    struct weir_future *list[MANY];
};

static struct promises *make_promises(void) {
    struct promises *promises = calloc(1, sizeof *promises);

    assert_non_null(promises);
    for (int i = 0; i < MANY; i++) {
        weir_future_init(&promises->futures[i]);
        promises->list[i] = &promises->futures[i];
    }
    return promises;
}

static void any_gives_the_index_of_a_terminal_one_whatever_its_end(void **state) {
    struct promises *promises = make_promises();

    (void)state;
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ANY, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ANY, 1), -ETIMEDOUT);
    weir_future_fail(&promises->futures[77], -EIO);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ANY, WEIR_NOW), 77);
    weir_future_cancel(&promises->futures[5]);
    assert_int_equal(weir_wait(promises->list, 6, WEIR_ANY, WEIR_FOREVER), 5);
    free(promises);
}

static void all_times_out_while_one_is_pending(void **state) {
    struct promises *promises = make_promises();

    (void)state;
    for (int i = 1; i < MANY; i++)
        weir_future_set(&promises->futures[i], NULL);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ALL, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ALL, 1), -ETIMEDOUT);
    uint64_t deadline_ns = weir_after(1000000);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ALL, deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    weir_future_set(&promises->futures[0], NULL);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ALL, WEIR_NOW), 0);
    free(promises);
}

static void first_error_gives_the_index_of_one_that_did_not_end_well_or_n(void **state) {
    struct promises *promises = make_promises();

    (void)state;
    assert_int_equal(weir_wait(NULL, 0, WEIR_FIRST_ERROR, WEIR_FOREVER), 0);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_FIRST_ERROR, WEIR_NOW), -EAGAIN);
    weir_future_set(&promises->futures[0], NULL);
    assert_int_equal(weir_wait(promises->list, 2, WEIR_FIRST_ERROR, 1), -ETIMEDOUT);
    weir_future_fail(&promises->futures[77], -EIO);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_FIRST_ERROR, WEIR_FOREVER), 77);
    weir_future_cancel(&promises->futures[5]);
    assert_int_equal(weir_wait(promises->list, 6, WEIR_FIRST_ERROR, WEIR_NOW), 5);
    for (int i = 0; i < 5; i++)
        weir_future_set(&promises->futures[i], NULL);
    assert_int_equal(weir_wait(promises->list, 5, WEIR_FIRST_ERROR, WEIR_NOW), 5);
    free(promises);
}

struct wait {
    struct weir_future **list;
    size_t n;
    enum weir_wait_mode mode;
    ptrdiff_t rc;
    unsigned terminal; /* at the return */
};

static void *wait_main(void *arg) {
    struct wait *wait = arg;

    wait->rc = weir_wait(wait->list, wait->n, wait->mode, WEIR_FOREVER);
    for (size_t i = 0; i < wait->n; i++)
        wait->terminal += weir_future_state(wait->list[i]) >= WEIR_FUTURE_DONE;
    return NULL;
}

static void sleeping_waiters_return_at_the_first_or_at_the_last(void **state) {
    (void)state;
    for (int turn = 0; turn < 100; turn++) {
        struct promises *promises = make_promises();
        struct wait any = {promises->list, MANY, WEIR_ANY, -1, 0};
        struct wait all = {promises->list, MANY, WEIR_ALL, -1, 0};
        pthread_t any_thread = unit_thread(wait_main, &any);
        pthread_t all_thread = unit_thread(wait_main, &all);
        for (int i = MANY - 1; i >= 0; i--)
            weir_future_set(&promises->futures[i], NULL);
        unit_join(any_thread);
        unit_join(all_thread);
        assert_in_range(any.rc, 0, MANY - 1);
        assert_true(any.terminal >= 1);
        assert_int_equal(all.rc, 0);
        assert_int_equal(all.terminal, MANY);
        free(promises);
    }
}

/* Whether the waiter, which begins with the first future, hangs on the last of them. */
static bool hangs_on_all(struct promises *promises) {
    return atomic_load_explicit(&promises->futures[MANY - 1].weir__state, memory_order_relaxed) !=
           0;
}

/* Each way to end badly wakes the waiter while the others stay pending; then all end well. */
static void sleeping_waiter_for_the_first_error_returns_at_it_or_at_the_last(void **state) {
    (void)state;
    for (int turn = 0; turn < 150; turn++) {
        struct promises *promises = make_promises();
        struct wait wait = {promises->list, MANY, WEIR_FIRST_ERROR, -1, 0};
        pthread_t thread = unit_thread(wait_main, &wait);
        UNTIL(hangs_on_all(promises));
        for (int i = 0; i < MANY / 2; i++)
            weir_future_set(&promises->futures[i], NULL);
        if (turn % 3 == 0)
            weir_future_fail(&promises->futures[60], -EIO);
        else if (turn % 3 == 1)
            weir_future_cancel(&promises->futures[60]);
        else
            for (int i = MANY / 2; i < MANY; i++)
                weir_future_set(&promises->futures[i], NULL);
        unit_join(thread);
        assert_int_equal(wait.rc, turn % 3 == 2 ? MANY : 60);
        assert_int_equal(wait.terminal, turn % 3 == 2 ? MANY : MANY / 2 + 1);
        for (int i = 0; i < MANY; i++)
            weir_future_cancel(&promises->futures[i]); /* no stale callback is called */
        free(promises);
    }
}

static void same_future_may_stand_in_the_list_many_times(void **state) {
    struct weir_future future;
    struct weir_future *list[MANY];
    struct wait all = {list, MANY, WEIR_ALL, -1, 0};
    struct wait first_error = {list, MANY, WEIR_FIRST_ERROR, -1, 0};

    (void)state;
    weir_future_init(&future);
    for (int i = 0; i < MANY; i++)
        list[i] = &future;
    assert_int_equal(weir_wait(list, MANY, WEIR_ALL, 1), -ETIMEDOUT);
    assert_int_equal(weir_wait(list, MANY, WEIR_ANY, 1), -ETIMEDOUT);
    assert_int_equal(weir_wait(list, MANY, WEIR_FIRST_ERROR, 1), -ETIMEDOUT);
    pthread_t thread = unit_thread(wait_main, &all);
    pthread_t error_thread = unit_thread(wait_main, &first_error);
    weir_future_fail(&future, -EIO);
    unit_join(thread);
    unit_join(error_thread);
    assert_int_equal(all.rc, 0);
    assert_in_range(first_error.rc, 0, MANY - 1);
    assert_int_equal(weir_future_fini(&future), 0);
}

static void note_call(struct weir_future *future, void *arg) {
    (void)future;
    add_one(arg);
}

/* A wait takes its callbacks back, and only its own. */
static void other_callbacks_survive_a_wait_that_times_out(void **state) {
    struct weir_future future;
    struct weir_future *list[1] = {&future};
    _Atomic unsigned calls = 0;
    struct weir_callback before = {.fn = note_call, .arg = (void *)&calls};
    struct weir_callback after = {.fn = note_call, .arg = (void *)&calls};

    (void)state;
    weir_future_init(&future);
    weir_future_on_done(&future, &before);
    assert_int_equal(weir_wait(list, 1, WEIR_ALL, 1), -ETIMEDOUT);
    weir_future_on_done(&future, &after);
    assert_int_equal(weir_wait(list, 1, WEIR_ANY, 1), -ETIMEDOUT);
    weir_future_set(&future, NULL);
    assert_int_equal(number_of(&calls), 2);
}

static void long_wait_without_memory_says_enomem_and_leaves_nothing_behind(void **state) {
    struct promises *promises = make_promises();
    long before = fault_blocks();

    (void)state;
    fault_fail_nth(1);
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ALL, WEIR_FOREVER), -ENOMEM);
    fault_fail_nth(1);
    assert_int_equal(weir_wait(promises->list, 32, WEIR_ALL, 1), -ETIMEDOUT); /* needs none */
    assert_false(fault_happened());
    fault_reset();
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ALL, 1), -ETIMEDOUT);
    assert_int_equal(fault_blocks(), before);
    for (int i = 0; i < MANY; i++)
        weir_future_set(&promises->futures[i], NULL); /* no stale callback is called */
    assert_int_equal(weir_wait(promises->list, MANY, WEIR_ALL, WEIR_NOW), 0);
    free(promises);
}

/* ---- Claiming ---- */

struct nest {
    struct weir_pool *pool;
    unsigned depth;
    bool by_wait; /* weir_wait instead of get */
};

/* Each level waits for the two below it: on one worker it ends only if the waiter runs them. */
static int nest_call(void *arg, void **value) {
    struct nest *nest = arg;
    struct nest below = {nest->pool, nest->depth - 1, nest->by_wait};
    struct weir_future *children[2];
    uintptr_t sum = 1;

    for (int i = 0; nest->depth > 0 && i < 2; i++) {
        int rc = weir_pool_async(nest->pool, nest_call, &below, &children[i]);
        if (rc)
            return rc;
    }
    if (nest->depth > 0 && nest->by_wait && weir_wait(children, 2, WEIR_ALL, WEIR_FOREVER) != 0)
        return -EPROTO;
    for (int i = 0; nest->depth > 0 && i < 2; i++) {
        void *part = NULL;
        int rc = weir_future_get(children[i], &part, WEIR_FOREVER);
        if (rc)
            return rc;
        sum += (uintptr_t)part;
        weir_future_unref(children[i]);
    }
    *value = (void *)sum;
    return 0;
}

static void run_nest(enum weir_scheduler scheduler, unsigned threads, bool by_wait) {
    struct nest nest = {.pool = unit_pool(scheduler, threads, NULL), .depth = 10};
    struct weir_future *future = NULL;
    void *value = NULL;

    nest.by_wait = by_wait;
    assert_int_equal(weir_pool_async(nest.pool, nest_call, &nest, &future), 0);
    assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), 0);
    assert_int_equal((uintptr_t)value, (1u << 11) - 1);
    weir_future_unref(future);
    assert_int_equal(weir_pool_await_idle(nest.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(nest.pool).submitted, (1u << 11) - 1);
    assert_int_equal(unit_stats(nest.pool).completed, (1u << 11) - 1);
    assert_int_equal(weir_pool_free(nest.pool), 0);
}

static void nested_gets_end_on_one_worker(void **state) {
    run_nest(unit_scheduler(state), 1, false);
}

static void nested_waits_end_on_one_worker(void **state) {
    run_nest(unit_scheduler(state), 1, true);
}

static void nested_gets_and_waits_end_on_several_workers(void **state) {
    run_nest(unit_scheduler(state), 3, false);
    run_nest(unit_scheduler(state), 3, true);
}

static int note_and_return(void *arg, void **value) {
    *value = NULL;
    add_one((void *)((void **)arg)[0]);
    return (int)(intptr_t)((void **)arg)[1];
}

struct claims {
    struct weir_pool *pool;
    _Atomic unsigned runs[3];
    ptrdiff_t rc;
};

static int claim_until_error(void *arg, void **value) {
    struct claims *claims = arg;
    struct weir_future futures[3];
    struct weir_future *list[3];
    void *args[3][2];

    (void)value;
    for (int i = 0; i < 3; i++) {
        args[i][0] = (void *)&claims->runs[i];
        args[i][1] = (void *)(intptr_t)(i == 1 ? -EIO : 0);
        list[i] = &futures[i];
        weir_future_init(&futures[i]);
        weir_pool_submit(claims->pool, weir_future_task(&futures[i], note_and_return, args[i], 0));
    }
    claims->rc = weir_wait(list, 3, WEIR_FIRST_ERROR, WEIR_FOREVER);
    for (int i = 0; i < 3; i++) {
        weir_future_cancel(&futures[i]);
        weir_future_fini(&futures[i]);
    }
    return 0;
}

static void claiming_for_the_first_error_stops_there(void **state) {
    struct claims claims = {.pool = unit_pool(unit_scheduler(state), 1, NULL)};
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(claims.pool, claim_until_error, &claims, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(claims.rc, 1);
    assert_int_equal(number_of(&claims.runs[0]), 1);
    assert_int_equal(number_of(&claims.runs[1]), 1);
    assert_int_equal(number_of(&claims.runs[2]), 0);
    weir_future_unref(future);
    assert_int_equal(weir_pool_free(claims.pool), 0);
}

static int get_thread(void *arg, void **value) {
    (void)arg;
    *value = (void *)(uintptr_t)pthread_self();
    return 0;
}

static void outside_thread_claims_only_what_any_thread_may_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future any, own;
    struct weir_future *list[2] = {&own, &any};
    struct plug plug = PLUG;
    void *value = NULL;

    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    weir_future_init(&any);
    weir_future_init(&own);
    weir_pool_submit(pool, weir_future_task(&own, get_thread, NULL, 0));
    weir_pool_submit(pool, weir_future_task(&any, get_thread, NULL, WEIR_TASK_ANY_THREAD));
    assert_int_equal(weir_future_get(&own, NULL, weir_after(1000)), -ETIMEDOUT);
    assert_int_equal(weir_wait(list, 2, WEIR_ANY, WEIR_FOREVER), 1);
    assert_int_equal(weir_future_get(&any, &value, WEIR_FOREVER), 0);
    assert_true(pthread_equal((pthread_t)(uintptr_t)value, pthread_self()));
    assert_int_equal(unit_stats(pool).caller_ran, 1);
    event_raise(&plug.release);
    assert_int_equal(weir_future_get(&own, &value, WEIR_FOREVER), 0);
    assert_false(pthread_equal((pthread_t)(uintptr_t)value, pthread_self()));
    weir_future_fini(&any);
    weir_future_fini(&own);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct blocker {
    struct weir_pool *pool;
    uint32_t flags;
    int rc;
};

static int wait_in_vain(void *arg, void **value) {
    struct blocker *blocker = arg;
    struct weir_future below;

    (void)value;
    weir_future_init(&below);
    weir_pool_submit(blocker->pool, weir_future_task(&below, call_echo, NULL, blocker->flags));
    blocker->rc = weir_future_get(&below, NULL, weir_after(2000000));
    weir_future_cancel(&below);
    weir_future_fini(&below);
    return 0;
}

static void policy_block_does_not_claim_on_a_worker(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.wait = WEIR_WAIT_BLOCK;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct blocker blockers[2] = {{pool, 0, 0}, {pool, WEIR_TASK_ANY_THREAD, 0}};
    for (int i = 0; i < 2; i++) {
        struct weir_future *future = NULL;
        assert_int_equal(weir_pool_async(pool, wait_in_vain, &blockers[i], &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        assert_int_equal(blockers[i].rc, -ETIMEDOUT);
        weir_future_unref(future);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

struct inner {
    struct weir_future outer, inner;
    int rc;
    ptrdiff_t all_rc, first_error_rc;
};

static int wait_for_outer(void *arg, void **value) {
    struct inner *nested = arg;
    struct weir_future *list[2] = {&nested->outer, &nested->inner};

    (void)value;
    nested->rc = weir_future_get(&nested->outer, NULL, WEIR_FOREVER);
    nested->all_rc = weir_wait(list, 2, WEIR_ALL, WEIR_FOREVER);
    nested->first_error_rc = weir_wait(list, 2, WEIR_FIRST_ERROR, WEIR_FOREVER);
    return 0;
}

struct outer {
    struct weir_pool *pool;
    struct inner nested;
};

static int claim_inner(void *arg, void **value) {
    struct outer *outer = arg;
    int rc = weir_pool_submit(
        outer->pool, weir_future_task(&outer->nested.inner, wait_for_outer, &outer->nested, 0));

    return rc ? rc : weir_future_get(&outer->nested.inner, value, WEIR_FOREVER);
}

static void claimed_call_that_waits_for_its_claimer_gets_edeadlk(void **state) {
    struct outer outer = {.pool = unit_pool(unit_scheduler(state), 1, NULL)};

    weir_future_init(&outer.nested.outer);
    weir_future_init(&outer.nested.inner);
    weir_pool_submit(outer.pool, weir_future_task(&outer.nested.outer, claim_inner, &outer, 0));
    assert_int_equal(weir_future_get(&outer.nested.outer, NULL, WEIR_FOREVER), 0);
    assert_int_equal(outer.nested.rc, -EDEADLK);
    assert_int_equal(outer.nested.all_rc, -EDEADLK);
    assert_int_equal(outer.nested.first_error_rc, -EDEADLK);
    weir_future_fini(&outer.nested.outer);
    weir_future_fini(&outer.nested.inner);
    assert_int_equal(weir_pool_free(outer.pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(bad_arguments_are_refused),
        ONCE(any_gives_the_index_of_a_terminal_one_whatever_its_end),
        ONCE(all_times_out_while_one_is_pending),
        ONCE(first_error_gives_the_index_of_one_that_did_not_end_well_or_n),
        ONCE(sleeping_waiter_for_the_first_error_returns_at_it_or_at_the_last),
        ONCE(sleeping_waiters_return_at_the_first_or_at_the_last),
        ONCE(same_future_may_stand_in_the_list_many_times),
        ONCE(other_callbacks_survive_a_wait_that_times_out),
        ONCE(long_wait_without_memory_says_enomem_and_leaves_nothing_behind),
        EACH(nested_gets_end_on_one_worker),
        EACH(nested_waits_end_on_one_worker),
        EACH(nested_gets_and_waits_end_on_several_workers),
        EACH(claiming_for_the_first_error_stops_there),
        EACH(outside_thread_claims_only_what_any_thread_may_run),
        EACH(policy_block_does_not_claim_on_a_worker),
        EACH(claimed_call_that_waits_for_its_claimer_gets_edeadlk),
    };
    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
