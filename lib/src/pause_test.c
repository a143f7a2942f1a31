/* From pause to resume no worker takes a task. */
#include <weir/pool.h>

#include "test/unit.h"

#define QUEUED 5u

struct paused {
    struct weir_pool *pool;
    struct counted counted[QUEUED];
};

static void queue_all(struct paused *paused) {
    for (unsigned i = 0; i < QUEUED; i++)
        assert_int_equal(weir_pool_submit(paused->pool, counted_init(&paused->counted[i])), 0);
}

static void open_paused(struct paused *paused, void **state, unsigned threads,
                        const struct weir_pool_options *options) {
    paused->pool = unit_pool(unit_scheduler(state), threads, options);
    assert_int_equal(weir_pool_pause(paused->pool), 0);
    queue_all(paused);
}

static void expect_ends(struct paused *paused, unsigned runs, unsigned drops) {
    for (unsigned i = 0; i < QUEUED; i++) {
        assert_int_equal(number_of(&paused->counted[i].runs), runs);
        assert_int_equal(number_of(&paused->counted[i].drops), drops);
    }
}

/* Waits, for as long as a pool that is not paused needs for its tasks many times over. */
static void expect_standstill(struct paused *paused) {
    assert_int_equal(weir_pool_await_idle(paused->pool, weir_after(3000000)), -ETIMEDOUT);
    expect_ends(paused, 0, 0);
}

static void resume_and_expect_runs(struct paused *paused) {
    assert_int_equal(weir_pool_resume(paused->pool), 0);
    assert_int_equal(weir_pool_await_idle(paused->pool, WEIR_FOREVER), 0);
    expect_ends(paused, 1, 0);
}

static void paused_pool_accepts_tasks_and_runs_them_after_resume(void **state) {
    static const uint64_t spins_ns[] = {0, 1000000};

    for (int i = 0; i < 2; i++) {
        struct weir_pool_options options = unit_options();
        struct paused paused;
        options.idle_spin_ns = spins_ns[i];
        open_paused(&paused, state, 2, &options);
        assert_int_equal(unit_stats(paused.pool).queued, QUEUED);
        expect_standstill(&paused);
        resume_and_expect_runs(&paused);
        assert_int_equal(weir_pool_resume(paused.pool), 0); /* is nothing */
        assert_int_equal(weir_pool_pause(paused.pool), 0);
        assert_int_equal(weir_pool_pause(paused.pool), 0);
        queue_all(&paused);
        expect_standstill(&paused);
        resume_and_expect_runs(&paused); /* one resume for two pauses */
        unit_free(paused.pool);
    }
}

static void paused_pool_finishes_what_runs_and_begins_nothing(void **state) {
    struct paused paused = {.pool = unit_pool(unit_scheduler(state), 1, NULL)};
    struct weir_future *future = NULL;
    struct plug plug = PLUG;

    assert_int_equal(weir_pool_async(paused.pool, plug_call, &plug, &future), 0);
    event_await(&plug.begun, 1);
    queue_all(&paused);
    assert_int_equal(weir_pool_pause(paused.pool), 0);
    event_raise(&plug.release);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    expect_standstill(&paused);
    resume_and_expect_runs(&paused);
    weir_future_unref(future);
    unit_free(paused.pool);
}

static void pause_refuses_null_and_a_pool_that_was_shut_down(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);

    assert_int_equal(weir_pool_pause(NULL), -EINVAL);
    assert_int_equal(weir_pool_resume(NULL), -EINVAL);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_pause(pool), -ESHUTDOWN);
    assert_int_equal(weir_pool_resume(pool), 0);
    unit_free(pool);
}

static void shutdown_ends_a_pause(void **state) {
    for (int mode = WEIR_DRAIN; mode <= WEIR_CANCEL_RUNNING; mode++) {
        struct paused paused;
        open_paused(&paused, state, 2, NULL);
        assert_int_equal(weir_pool_shutdown(paused.pool, (enum weir_shutdown_mode)mode), 0);
        assert_int_equal(weir_pool_await(paused.pool, WEIR_FOREVER), 0);
        for (unsigned i = 0; i < QUEUED; i++)
            assert_int_equal(
                number_of(&paused.counted[i].runs) + number_of(&paused.counted[i].drops), 1);
        if (mode == WEIR_DRAIN)
            expect_ends(&paused, 1, 0);
        unit_free(paused.pool);
    }
}

static void free_ends_a_pause(void **state) {
    struct paused paused;

    open_paused(&paused, state, 1, NULL);
    unit_free(paused.pool);
    expect_ends(&paused, 1, 0);
}

/* ---- Claims ---- */

static int tell_thread(void *arg, void **value) {
    *(pthread_t *)arg = pthread_self();
    *value = arg;
    return 0;
}

static void waiter_claims_what_any_thread_may_run_during_a_pause(void **state) {
    struct paused paused;
    struct weir_future future;
    pthread_t thread;

    open_paused(&paused, state, 1, NULL);
    weir_future_init(&future);
    assert_int_equal(weir_pool_submit(paused.pool, weir_future_task(&future, tell_thread, &thread,
                                                                    WEIR_TASK_ANY_THREAD)),
                     0);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_true(pthread_equal(thread, pthread_self()));
    expect_ends(&paused, 0, 0);
    assert_int_equal(weir_future_fini(&future), 0);
    resume_and_expect_runs(&paused);
    unit_free(paused.pool);
}

struct nested {
    struct weir_pool *pool;
    struct event begun, go;
    pthread_t outer, inner;
};

static int claim_inner(void *arg, void **value) {
    struct nested *nested = arg;
    struct weir_future *inner = NULL;

    nested->outer = pthread_self();
    event_raise(&nested->begun);
    event_await(&nested->go, 1);
    if (weir_pool_async(nested->pool, tell_thread, &nested->inner, &inner) != 0)
        return -1;
    int rc = weir_future_get(inner, value, WEIR_FOREVER);
    weir_future_unref(inner);
    return rc;
}

static void running_task_claims_its_nested_call_during_a_pause(void **state) {
    struct paused paused = {.pool = unit_pool(unit_scheduler(state), 2, NULL)};
    struct nested nested = {.pool = paused.pool};
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(paused.pool, claim_inner, &nested, &future), 0);
    event_await(&nested.begun, 1);
    assert_int_equal(weir_pool_pause(paused.pool), 0);
    queue_all(&paused);
    event_raise(&nested.go);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    assert_true(pthread_equal(nested.outer, nested.inner));
    expect_standstill(&paused);
    weir_future_unref(future);
    resume_and_expect_runs(&paused);
    unit_free(paused.pool);
}

static void queued_call_is_cancelled_and_queued_task_taken_back_during_a_pause(void **state) {
    struct paused paused;
    struct weir_future *future = NULL;
    struct weir_taken taken[QUEUED];

    open_paused(&paused, state, 1, NULL);
    assert_int_equal(weir_pool_async(paused.pool, call_echo, NULL, &future), 0);
    assert_int_equal(weir_future_cancel(future), 0);
    assert_int_equal(weir_pool_remove(paused.pool, &paused.counted[1].task), 0);
    assert_int_equal(weir_pool_take_back(paused.pool, taken, QUEUED), QUEUED - 1);
    expect_ends(&paused, 0, 1);
    assert_int_equal(weir_pool_await_idle(paused.pool, WEIR_FOREVER), 0);
    weir_future_unref(future);
    unit_free(paused.pool);
}

/* ---- Sizes ---- */

static void paused_pool_may_be_resized(void **state) {
    static const unsigned sizes[][2] = {{1, 3}, {3, 1}};

    for (int i = 0; i < 2; i++) {
        unsigned others = unit_other_threads();
        struct paused paused;
        open_paused(&paused, state, sizes[i][0], NULL);
        assert_int_equal(weir_pool_resize(paused.pool, sizes[i][1], sizes[i][1]), 0);
        UNTIL(weir_pool_size(paused.pool) <= sizes[i][1]);
        UNTIL(unit_threads() <= others + sizes[i][1]);
        assert_true(weir_pool_size(paused.pool) >= 1);
        expect_standstill(&paused);
        resume_and_expect_runs(&paused);
        unit_free(paused.pool);
    }
}

/* Whether or not a thread that has nothing to do for the time being leaves, the tasks are run. */
static void threads_that_come_and_go_lose_nothing_in_a_pause(void **state) {
    struct weir_pool_options options = unit_options();

    options.max_threads = 2;
    options.keep_alive_ns = 0;
    for (int turn = 0; turn < 50; turn++) {
        struct paused paused;
        open_paused(&paused, state, WEIR_NO_CORE, &options);
        if (turn == 0)
            expect_standstill(&paused);
        resume_and_expect_runs(&paused);
        assert_int_equal(weir_pool_pause(paused.pool), 0);
        queue_all(&paused);
        expect_ends(&paused, 0, 0);
        resume_and_expect_runs(&paused);
        UNTIL(weir_pool_size(paused.pool) == 0);
        unit_free(paused.pool);
    }
}

static void full_policy_holds_in_a_pause(void **state) {
    struct weir_pool_options options = unit_options();
    struct paused paused;
    struct counted more;

    options.capacity = QUEUED;
    options.full = WEIR_FULL_REJECT;
    open_paused(&paused, state, 2, &options);
    assert_int_equal(weir_pool_submit(paused.pool, counted_init(&more)), -EAGAIN);
    resume_and_expect_runs(&paused);
    unit_free(paused.pool);
}

/* Workers that look all the time, some of them since before the pause. */
static void task_submitted_in_a_pause_is_taken_by_nobody_who_was_looking_already(void **state) {
    struct weir_pool_options options = unit_options();
    unsigned early = 0;

    options.idle_spin_ns = 1000000000;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    for (int turn = 0; turn < 1500; turn++) {
        struct counted counted;
        assert_int_equal(weir_pool_pause(pool), 0);
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
        if (turn % 8 == 0)
            unit_yield();
        uint64_t end_ns = weir_after(2000);
        while (weir_now_ns() < end_ns)
            early += number_of(&counted.runs);
        assert_int_equal(weir_pool_resume(pool), 0);
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        assert_int_equal(number_of(&counted.runs), 1);
    }
    assert_int_equal(early, 0);
    unit_free(pool);
}

static void *toggle(void *arg) {
    struct weir_pool *pool = arg;

    for (int i = 0; i < 300; i++) {
        weir_pool_pause(pool);
        weir_pool_resume(pool);
    }
    return NULL;
}

static void no_task_is_lost_to_pauses_that_come_and_go(void **state) {
    enum { TASKS = 1500 };
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct counted *counted = calloc(TASKS, sizeof *counted);
    pthread_t thread = unit_thread(toggle, pool);

    assert_non_null(counted);
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted[i])), 0);
        if (i % 50 == 49)
            unit_yield();
    }
    unit_join(thread);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(number_of(&counted[i].runs), 1);
    unit_free(pool);
    free(counted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(paused_pool_accepts_tasks_and_runs_them_after_resume),
        EACH(paused_pool_finishes_what_runs_and_begins_nothing),
        EACH(pause_refuses_null_and_a_pool_that_was_shut_down),
        EACH(shutdown_ends_a_pause),
        EACH(free_ends_a_pause),
        EACH(waiter_claims_what_any_thread_may_run_during_a_pause),
        EACH(running_task_claims_its_nested_call_during_a_pause),
        EACH(queued_call_is_cancelled_and_queued_task_taken_back_during_a_pause),
        EACH(paused_pool_may_be_resized),
        EACH(threads_that_come_and_go_lose_nothing_in_a_pause),
        EACH(full_policy_holds_in_a_pause),
        EACH(task_submitted_in_a_pause_is_taken_by_nobody_who_was_looking_already),
        EACH(no_task_is_lost_to_pauses_that_come_and_go),
    };
    return cmocka_run_group_tests_name("pause", tests, NULL, NULL);
}
