/* Threads that cannot be created, and threads that a task ends. */
#include <weir/group.h>
#include <weir/pool.h>

#include "test/fault.h"
#include "test/unit.h"

static struct weir_pool_options with_factory(struct thread_factory *factory) {
    struct weir_pool_options options = unit_options();

    *factory = (struct thread_factory){.failing = 0};
    options.hooks.arg = factory;
    options.hooks.thread_create = thread_factory_create;
    return options;
}

static void set_failing(struct thread_factory *factory, bool failing) {
    atomic_store_explicit(&factory->failing, failing, memory_order_release);
}

static uint64_t lost(struct weir_pool *pool) {
    return unit_stats(pool).lost;
}

/* ---- Threads that cannot be created ---- */

static void pool_without_threads_refuses_while_it_can_create_none(void **state) {
    struct thread_factory factory;
    struct weir_pool_options options = with_factory(&factory);
    struct counted counted;
    struct weir_task *list[1] = {counted_init(&counted)};
    struct weir_future *future = NULL;

    options.on_demand = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    set_failing(&factory, true);
    assert_int_equal(weir_pool_submit(pool, &counted.task), -EAGAIN);
    assert_int_equal(weir_pool_submit_until(pool, &counted.task, WEIR_FOREVER), -EAGAIN);
    assert_int_equal(weir_pool_submit_batch(pool, list, 1), -EAGAIN);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &future), -EAGAIN);
    assert_int_equal(weir_pool_prestart(pool), -EAGAIN);
    assert_int_equal(weir_pool_size(pool), 0);
    assert_int_equal(lost(pool), number_of(&factory.tries));
    assert_int_equal(unit_stats(pool).queued + unit_stats(pool).submitted, 0);
    set_failing(&factory, false);
    assert_int_equal(weir_pool_submit(pool, &counted.task), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&counted.runs), 1);
    unit_free(pool);
}

/* What to do with tasks that find a pool full is no answer to a pool without threads. */
static void no_full_policy_replaces_a_thread_that_cannot_be_created(void **state) {
    for (int full = WEIR_FULL_BLOCK; full <= WEIR_FULL_DISCARD_OLDEST; full++) {
        struct thread_factory factory;
        struct weir_pool_options options = with_factory(&factory);
        struct counted counted;

        options.on_demand = true;
        options.capacity = 2;
        options.full = (enum weir_full_policy)full;
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
        set_failing(&factory, true);
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), -EAGAIN);
        assert_int_equal(number_of(&counted.runs) + number_of(&counted.drops), 0);
        assert_int_equal(unit_stats(pool).discarded, 0);
        unit_free(pool);
    }
}

static void failed_growth_pauses_and_is_tried_again(void **state) {
    struct thread_factory factory;
    struct weir_pool_options options = with_factory(&factory);
    enum { TASKS = 64 };
    struct counted counted[TASKS];
    struct plug plug = PLUG;
    struct plug second = PLUG;

    options.max_threads = 2;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    set_failing(&factory, true);
    uint64_t start_ns = weir_now_ns();
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted[i])), 0);
    uint64_t pauses = (weir_now_ns() - start_ns) / 10000000;
    assert_in_range(number_of(&factory.tries), 2, 2 + pauses);
    assert_int_equal(weir_pool_size(pool), 1);
    set_failing(&factory, false);
    uint64_t again_ns = weir_after(20000000);
    UNTIL(weir_now_ns() > again_ns);
    assert_int_equal(weir_pool_execute(pool, plug_run, &second), 0);
    assert_int_equal(weir_pool_size(pool), 2);
    event_await(&second.begun, 1); /* and with it all that was queued before */
    for (int i = 0; i < TASKS; i++)
        UNTIL(number_of(&counted[i].runs) == 1);
    event_raise(&second.release);
    event_raise(&plug.release);
    unit_free(pool);
}

static void task_is_accepted_and_run_or_refused_whatever_thread_fails(void **state) {
    enum { TASKS = 4 };
    struct weir_pool_options options = unit_options();

    options.on_demand = true;
    options.max_threads = 4;
    for (unsigned n = 1; n < 12; n++) {
        struct counted counted[TASKS];
        bool accepted[TASKS];
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
        for (int i = 0; i < TASKS; i++) {
            counted_init(&counted[i]);
            if (i == 0)
                fault_fail_nth(n);
            int rc = weir_pool_submit(pool, &counted[i].task);
            assert_true(rc == 0 || rc == -EAGAIN);
            accepted[i] = rc == 0;
        }
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        fault_reset();
        for (int i = 0; i < TASKS; i++)
            assert_int_equal(number_of(&counted[i].runs), accepted[i]);
        unit_free(pool);
    }
}

/* A factory that fails only when it is let. */
struct slow_factory {
    struct event asked, answer;
    _Atomic unsigned good; /* so many succeed first, at once */
};

static int create_nothing_slowly(void *arg, pthread_t *thread, void *(*main)(void *),
                                 void *main_arg) {
    struct slow_factory *factory = arg;

    if (number_of(&factory->good) > 0) {
        atomic_fetch_sub_explicit(&factory->good, 1, memory_order_relaxed);
        return pthread_create(thread, NULL, main, main_arg);
    }
    event_raise(&factory->asked);
    event_await(&factory->answer, 1);
    return EAGAIN;
}

struct submitter {
    struct weir_pool *pool;
    struct weir_future future;
    struct event done;
    int rc;
};

static void *submit_future(void *arg) {
    struct submitter *submitter = arg;

    weir_future_init(&submitter->future);
    submitter->rc =
        weir_pool_submit(submitter->pool, weir_future_task(&submitter->future, call_echo, NULL, 0));
    event_raise(&submitter->done);
    return NULL;
}

static void expect_refused_or_ended(struct submitter *submitter) {
    assert_true(submitter->rc == -EAGAIN || submitter->rc == 0);
    if (submitter->rc == 0)
        assert_int_equal(weir_future_get(&submitter->future, NULL, WEIR_FOREVER), -EAGAIN);
    assert_int_equal(weir_future_fini(&submitter->future), 0);
}

/* The second submitter has seen a thread on its way, which then does not come. */
static void task_that_counted_on_a_thread_that_does_not_come_is_not_stranded(void **state) {
    struct slow_factory factory = {.asked = {0}};
    struct weir_pool_options options = unit_options();
    struct submitter first, second;

    options.hooks.arg = &factory;
    options.hooks.thread_create = create_nothing_slowly;
    options.max_threads = 1;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), WEIR_NO_CORE, &options);
    first = (struct submitter){.pool = pool};
    second = (struct submitter){.pool = pool};
    pthread_t thread = unit_thread(submit_future, &first);
    event_await(&factory.asked, 1);
    submit_future(&second); /* whose task is queued now */
    event_raise(&factory.answer);
    unit_join(thread);
    expect_refused_or_ended(&first);
    expect_refused_or_ended(&second);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).queued, 0);
    unit_free(pool);
}

/* Java's growth: the thread that was to begin with the task does not come. */
static void future_that_a_thread_was_to_begin_with_is_refused_and_as_before(void **state) {
    struct thread_factory factory;
    struct weir_pool_options options = with_factory(&factory);
    struct weir_future future;
    struct counted counted;
    struct plug plug = PLUG;

    options.max_threads = 2;
    options.capacity = 1;
    options.full = WEIR_FULL_REJECT;
    options.growth = WEIR_GROW_WHEN_FULL;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_future_init(&future);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    set_failing(&factory, true);
    struct weir_task *task = weir_future_task(&future, call_echo, NULL, 0);
    assert_int_equal(weir_pool_submit(pool, task), -EAGAIN);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_PENDING);
    assert_int_equal(unit_stats(pool).submitted, 2);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_submit(pool, task), 0);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_fini(&future), 0);
    unit_free(pool);
}

static void *prestart(void *pool) {
    return (void *)(intptr_t)weir_pool_prestart(pool);
}

/* Nobody is woken for a task while a thread is on its way that will look for it. */
static void sleeping_worker_is_woken_for_a_task_when_a_thread_does_not_come(void **state) {
    struct slow_factory factory = {.asked = {0}, .good = 1};
    struct weir_pool_options options = unit_options();
    struct counted first, second;
    void *rc;

    options.hooks.arg = &factory;
    options.hooks.thread_create = create_nothing_slowly;
    options.on_demand = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    assert_int_equal(weir_pool_submit(pool, counted_init(&first)), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    UNTIL(unit_stats(pool).parks > 0);
    pthread_t thread = unit_thread(prestart, pool);
    event_await(&factory.asked, 1);
    assert_int_equal(weir_pool_submit(pool, counted_init(&second)), 0);
    event_raise(&factory.answer);
    assert_int_equal(pthread_join(thread, &rc), 0);
    assert_int_equal((intptr_t)rc, -EAGAIN);
    UNTIL(number_of(&second.runs) == 1);
    unit_free(pool);
}

/* ---- Tasks that end their thread ---- */

static int call_exit(void *arg, void **value) {
    (void)arg;
    (void)value;
    pthread_exit(NULL);
}

static void exit_now(void *arg) {
    (void)arg;
    pthread_exit(NULL);
}

static int exit_task(struct weir_task *task) {
    (void)task;
    pthread_exit(NULL);
}

static void expect_alive(struct weir_pool *pool) {
    struct weir_future *future = NULL;
    int mark;
    void *value = NULL;

    assert_int_equal(weir_pool_async(pool, call_echo, &mark, &future), 0);
    assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, &mark);
    weir_future_unref(future);
}

static void future_whose_call_ends_its_thread_fails_and_another_thread_comes(void **state) {
    struct thread_factory factory;
    struct weir_pool_options options = with_factory(&factory);
    unsigned threads = unit_other_threads() + 1;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_future *future = NULL;

    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(weir_pool_async(pool, call_exit, NULL, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
        assert_int_equal(weir_future_state(future), WEIR_FUTURE_FAILED);
        weir_future_unref(future);
        expect_alive(pool);
        assert_int_equal(lost(pool), i);
        assert_int_equal(number_of(&factory.made), i + 1);
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).failed, 20);
    assert_int_equal(weir_pool_size(pool), 1);
    UNTIL(unit_threads() == threads);
    unit_free(pool);
}

static void plain_task_that_ends_its_thread_counts_as_failed(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_task tasks[6];

    for (int i = 0; i < 6; i++) {
        tasks[i] = (struct weir_task)WEIR_TASK_INIT(exit_task);
        assert_int_equal(weir_pool_submit(pool, &tasks[i]), 0);
        assert_int_equal(weir_pool_execute(pool, exit_now, NULL), 0);
    }
    expect_alive(pool);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).failed, 12);
    assert_int_equal(unit_stats(pool).active, 0);
    UNTIL(lost(pool) == 12);
    unit_free(pool);
}

/* What a worker has in its own queue is run by its successor, or by others. */
struct leaver {
    struct weir_pool *pool;
    struct counted counted[4];
};

static int submit_and_exit(void *arg, void **value) {
    struct leaver *leaver = arg;

    (void)value;
    for (int i = 0; i < 4; i++)
        weir_pool_submit(leaver->pool, counted_init(&leaver->counted[i]));
    pthread_exit(NULL);
}

static void what_a_lost_thread_had_queued_is_run_by_its_successor(void **state) {
    struct leaver leaver = {.pool = unit_pool(unit_scheduler(state), 1, NULL)};
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(leaver.pool, submit_and_exit, &leaver, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
    weir_future_unref(future);
    assert_int_equal(weir_pool_await_idle(leaver.pool, WEIR_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(number_of(&leaver.counted[i].runs), 1);
    unit_free(leaver.pool);
}

/* Waits for an inner call that ends the thread of both. */
struct nested {
    struct weir_pool *pool;
    struct weir_future inner;
    int rc;
};

static int wait_for_exit(void *arg, void **value) {
    struct nested *nested = arg;
    struct weir_task *task = weir_future_task(&nested->inner, call_exit, NULL, 0);

    (void)value;
    if ((nested->rc = weir_pool_submit(nested->pool, task)) == 0)
        weir_future_get(&nested->inner, NULL, WEIR_FOREVER); /* never comes back on one worker */
    return 0;
}

static void expect_both_lost(void **state, enum weir_wait_policy wait) {
    struct weir_pool_options options = unit_options();
    struct nested nested = {.rc = 1};
    struct weir_future *outer = NULL;

    options.wait = wait;
    nested.pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_future_init(&nested.inner);
    assert_int_equal(weir_pool_async(nested.pool, wait_for_exit, &nested, &outer), 0);
    assert_int_equal(weir_future_get(outer, NULL, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_future_get(&nested.inner, NULL, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(nested.rc, 0);
    weir_future_unref(outer);
    assert_int_equal(weir_future_fini(&nested.inner), 0);
    expect_alive(nested.pool);
    assert_int_equal(weir_pool_await_idle(nested.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(nested.pool).failed, 2);
    assert_int_equal(unit_stats(nested.pool).active, 0);
    unit_free(nested.pool);
}

static void claimed_call_that_ends_the_thread_ends_all_calls_on_it(void **state) {
    expect_both_lost(state, WEIR_WAIT_CLAIM);
}

/* The task that a waiter helps with is not the one that it waits for. */
struct helping {
    struct weir_pool *pool;
    struct weir_future promise, others[40];
    struct weir_future *list[41];
    bool many;
};

static int help_with_exit(void *arg, void **value) {
    struct helping *helping = arg;

    (void)value;
    weir_pool_execute(helping->pool, exit_now, NULL);
    if (helping->many)
        weir_wait(helping->list, 41, WEIR_ALL, WEIR_FOREVER);
    else
        weir_future_get(&helping->promise, NULL, WEIR_FOREVER);
    return 0;
}

static void expect_helper_lost(void **state, bool many) {
    struct weir_pool_options options = unit_options();
    struct helping helping = {.many = many};
    struct weir_future *outer = NULL;
    long blocks = fault_blocks();

    options.wait = WEIR_WAIT_HELP;
    helping.pool = unit_pool(unit_scheduler(state), 1, &options);
    for (int i = 0; i < 40; i++) {
        weir_future_init(&helping.others[i]);
        helping.list[i] = &helping.others[i];
    }
    weir_future_init(&helping.promise);
    helping.list[40] = &helping.promise;
    assert_int_equal(weir_pool_async(helping.pool, help_with_exit, &helping, &outer), 0);
    assert_int_equal(weir_future_get(outer, NULL, WEIR_FOREVER), -EOWNERDEAD);
    weir_future_unref(outer);
    expect_alive(helping.pool);
    /* Nothing of the waiter hangs on what it waited for any more. */
    assert_int_equal(weir_future_set(&helping.promise, NULL), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(weir_future_set(&helping.others[i], NULL), 0);
    unit_free(helping.pool);
    assert_int_equal(fault_blocks(), blocks);
}

static void call_that_ends_the_thread_of_a_helping_waiter_ends_the_wait_too(void **state) {
    expect_helper_lost(state, false);
    expect_helper_lost(state, true);
    expect_both_lost(state, WEIR_WAIT_HELP);
}

static void member_that_ends_its_thread_fails_its_group(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_group group;

    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, NULL), 0);
    assert_int_equal(weir_group_async(&group, call_exit, NULL, NULL), 0);
    assert_int_equal(weir_group_async(&group, call_echo, NULL, NULL), 0);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_group_fini(&group), 0);
    unit_free(pool);
}

static void thread_that_waits_for_all_returns_when_calls_end_their_threads(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_future *futures[8];

    for (int i = 0; i < 8; i++)
        assert_int_equal(weir_pool_async(pool, i % 2 ? call_exit : call_echo, NULL, &futures[i]),
                         0);
    assert_int_equal(weir_wait(futures, 8, WEIR_ALL, WEIR_FOREVER), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(weir_future_get(futures[i], NULL, WEIR_NOW), i % 2 ? -EOWNERDEAD : 0);
        weir_future_unref(futures[i]);
    }
    unit_free(pool);
}

static void *get_it(void *future) {
    weir_future_get(future, NULL, WEIR_FOREVER); /* claims, and does not come back */
    return future;
}

static void call_that_ends_an_outside_thread_fails_and_frees_the_pool(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future future;
    void *value = &future;

    weir_future_init(&future);
    assert_int_equal(weir_pool_pause(pool), 0);
    assert_int_equal(
        weir_pool_submit(pool, weir_future_task(&future, call_exit, NULL, WEIR_TASK_ANY_THREAD)),
        0);
    assert_int_equal(pthread_join(unit_thread(get_it, &future), &value), 0);
    assert_null(value);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_NOW), -EOWNERDEAD);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_pool_resume(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).failed, 1);
    assert_int_equal(lost(pool), 0); /* it was none of the pool's */
    unit_free(pool);
}

/* ---- Lost, and no successor ---- */

static void lost_thread_without_successor_leaves_its_work_to_the_others(void **state) {
    struct thread_factory factory;
    struct weir_pool_options options = with_factory(&factory);
    struct leaver leaver = {.pool = unit_pool(unit_scheduler(state), 2, &options)};
    struct weir_future *future = NULL;
    struct plug plug = PLUG;

    assert_int_equal(weir_pool_execute(leaver.pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    set_failing(&factory, true);
    assert_int_equal(weir_pool_async(leaver.pool, submit_and_exit, &leaver, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
    weir_future_unref(future);
    UNTIL(weir_pool_size(leaver.pool) == 1);
    assert_int_equal(weir_pool_phase(leaver.pool), WEIR_POOL_OPEN);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await_idle(leaver.pool, WEIR_FOREVER), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(number_of(&leaver.counted[i].runs), 1);
    set_failing(&factory, false);
    unit_free(leaver.pool);
}

static void lost_last_thread_without_successor_breaks_the_pool(void **state) {
    struct thread_factory factory;
    struct weir_pool_options options = with_factory(&factory);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_future *futures[3];
    struct plug plug = PLUG;
    struct counted counted;

    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &futures[0]), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_async(pool, call_exit, NULL, &futures[1]), 0);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &futures[2]), 0);
    set_failing(&factory, true);
    event_raise(&plug.release);
    assert_int_equal(weir_future_get(futures[0], NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_get(futures[1], NULL, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_future_get(futures[2], NULL, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_BROKEN);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), -EOWNERDEAD);
    assert_int_equal(weir_pool_size(pool), 0);
    for (int i = 0; i < 3; i++)
        weir_future_unref(futures[i]);
    unit_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(pool_without_threads_refuses_while_it_can_create_none),
        EACH(no_full_policy_replaces_a_thread_that_cannot_be_created),
        EACH(failed_growth_pauses_and_is_tried_again),
        EACH(task_is_accepted_and_run_or_refused_whatever_thread_fails),
        EACH(task_that_counted_on_a_thread_that_does_not_come_is_not_stranded),
        EACH(future_that_a_thread_was_to_begin_with_is_refused_and_as_before),
        EACH(sleeping_worker_is_woken_for_a_task_when_a_thread_does_not_come),
        EACH(future_whose_call_ends_its_thread_fails_and_another_thread_comes),
        EACH(plain_task_that_ends_its_thread_counts_as_failed),
        EACH(what_a_lost_thread_had_queued_is_run_by_its_successor),
        EACH(claimed_call_that_ends_the_thread_ends_all_calls_on_it),
        EACH(call_that_ends_the_thread_of_a_helping_waiter_ends_the_wait_too),
        EACH(member_that_ends_its_thread_fails_its_group),
        EACH(thread_that_waits_for_all_returns_when_calls_end_their_threads),
        EACH(call_that_ends_an_outside_thread_fails_and_frees_the_pool),
        EACH(lost_thread_without_successor_leaves_its_work_to_the_others),
        EACH(lost_last_thread_without_successor_breaks_the_pool),
    };
    return cmocka_run_group_tests_name("lost", tests, NULL, NULL);
}
