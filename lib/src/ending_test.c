/* How a pool ends: what running tasks are told, the hook terminated, and the phases. */
#include <weir/pool.h>
#include <weir/token.h>

#include "test/unit.h"

/* ---- Running tasks ---- */

struct runner {
    struct event begun, ask;
    bool cancelled;
};

static int run_until_cancelled(void *arg, void **value) {
    struct runner *runner = arg;

    (void)value;
    runner->cancelled = weir_cancelled();
    event_raise(&runner->begun);
    UNTIL(weir_cancelled());
    return -ECANCELED;
}

static int tell_whether_cancelled(void *arg, void **value) {
    struct runner *runner = arg;

    (void)value;
    event_raise(&runner->begun);
    event_await(&runner->ask, 1);
    runner->cancelled = weir_cancelled();
    return 0;
}

static void cancel_running_asks_running_tasks_to_end(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_future *futures[3];
    struct runner runners[3] = {{.cancelled = true}, {.cancelled = true}};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_pool_async(pool, run_until_cancelled, &runners[i], &futures[i]), 0);
        event_await(&runners[i].begun, 1);
    }
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &futures[2]), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_RUNNING), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weir_future_get(futures[i], NULL, WEIR_FOREVER), -ECANCELED);
        assert_int_equal(weir_future_state(futures[i]),
                         i < 2 ? WEIR_FUTURE_FAILED : WEIR_FUTURE_CANCELLED);
        assert_false(runners[i].cancelled); /* not before */
        weir_future_unref(futures[i]);
    }
    unit_free(pool);
}

static void cancel_pending_leaves_running_tasks_alone_until_it_escalates(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct runner runners[2] = {{.cancelled = true}, {.cancelled = false}};
    struct weir_future *futures[2];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_pool_async(pool, i ? run_until_cancelled : tell_whether_cancelled,
                                         &runners[i], &futures[i]),
                         0);
        event_await(&runners[i].begun, 1);
    }
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    event_raise(&runners[0].ask);
    assert_int_equal(weir_future_get(futures[0], NULL, WEIR_FOREVER), 0);
    assert_false(runners[0].cancelled);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_RUNNING), 0);
    assert_int_equal(weir_future_get(futures[1], NULL, WEIR_FOREVER), -ECANCELED);
    for (int i = 0; i < 2; i++)
        weir_future_unref(futures[i]);
    unit_free(pool);
}

static void shutdown_refuses_unknown_modes(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);

    assert_int_equal(weir_pool_shutdown(NULL, WEIR_DRAIN), -EINVAL);
    assert_int_equal(weir_pool_shutdown(pool, (enum weir_shutdown_mode)3), -EINVAL);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_OPEN);
    unit_free(pool);
}

/* ---- The hook ---- */

struct finale {
    struct weir_pool *pool;
    _Atomic unsigned told, stops;
    unsigned stops_before, threads;
    int idle, await, free;
};

static void on_stop(void *arg, uint32_t worker) {
    (void)worker;
    add_one(&((struct finale *)arg)->stops);
}

static void on_terminated(void *arg) {
    struct finale *finale = arg;

    finale->stops_before = number_of(&finale->stops);
    finale->idle = weir_pool_await_idle(finale->pool, WEIR_FOREVER);
    finale->await = weir_pool_await(finale->pool, WEIR_FOREVER);
    finale->free = weir_pool_free(finale->pool);
    add_one(&finale->told);
}

static struct weir_pool_options with_finale(struct finale *finale) {
    struct weir_pool_options options = unit_options();

    *finale = (struct finale){.idle = 1};
    options.hooks.arg = finale;
    options.hooks.terminated = on_terminated;
    options.hooks.thread_stop = on_stop;
    return options;
}

static void expect_told_once(struct finale *finale, unsigned stops) {
    assert_int_equal(weir_pool_await(finale->pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&finale->told), 1); /* before await has returned */
    assert_int_equal(finale->stops_before, stops);
    assert_int_equal(finale->idle, -EDEADLK);
    assert_int_equal(finale->await, -EDEADLK);
    assert_int_equal(finale->free, -EDEADLK);
    assert_int_equal(weir_pool_shutdown(finale->pool, WEIR_CANCEL_RUNNING), 0);
    assert_int_equal(weir_pool_phase(finale->pool), WEIR_POOL_ENDED);
    unit_free(finale->pool);
    assert_int_equal(number_of(&finale->told), 1);
}

static void end_is_told_once_after_every_thread_and_before_await_returns(void **state) {
    for (int mode = WEIR_DRAIN; mode <= WEIR_CANCEL_RUNNING; mode++) {
        struct finale finale;
        struct weir_pool_options options = with_finale(&finale);
        struct counted counted[8];

        finale.pool = unit_pool(unit_scheduler(state), 3, &options);
        for (int i = 0; i < 8; i++)
            assert_int_equal(weir_pool_submit(finale.pool, counted_init(&counted[i])), 0);
        assert_int_equal(number_of(&finale.told), 0);
        assert_int_equal(weir_pool_shutdown(finale.pool, (enum weir_shutdown_mode)mode), 0);
        expect_told_once(&finale, 3);
        for (int i = 0; i < 8; i++)
            assert_int_equal(number_of(&counted[i].runs) + number_of(&counted[i].drops), 1);
    }
}

static void end_of_a_pool_that_never_started_is_told(void **state) {
    struct finale finale;
    struct weir_pool_options options = with_finale(&finale);
    struct counted counted;

    options.deferred_start = true;
    finale.pool = unit_pool(unit_scheduler(state), 2, &options);
    assert_int_equal(weir_pool_submit(finale.pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_shutdown(finale.pool, WEIR_DRAIN), 0);
    assert_int_equal(number_of(&counted.drops), 1);
    assert_int_equal(weir_pool_start(finale.pool), -ESHUTDOWN);
    expect_told_once(&finale, 0);
}

static void end_of_a_pool_without_threads_is_told(void **state) {
    struct finale finale;
    struct weir_pool_options options = with_finale(&finale);

    options.max_threads = 1;
    options.keep_alive_ns = 0;
    finale.pool = unit_pool(unit_scheduler(state), WEIR_NO_CORE, &options);
    struct counted counted;
    assert_int_equal(weir_pool_submit(finale.pool, counted_init(&counted)), 0);
    UNTIL(number_of(&finale.stops) == 1);
    UNTIL(weir_pool_size(finale.pool) == 0);
    assert_int_equal(number_of(&finale.told), 0); /* it may have threads again */
    assert_int_equal(weir_pool_shutdown(finale.pool, WEIR_DRAIN), 0);
    expect_told_once(&finale, 1);
}

static void *shut_down(void *pool) {
    weir_pool_shutdown(pool, WEIR_CANCEL_PENDING);
    return NULL;
}

static void end_is_told_once_to_many_who_shut_down(void **state) {
    for (int turn = 0; turn < 100; turn++) {
        struct finale finale;
        struct weir_pool_options options = with_finale(&finale);
        pthread_t threads[2];

        options.deferred_start = turn % 2;
        finale.pool = unit_pool(unit_scheduler(state), 1, &options);
        for (int i = 0; i < 2; i++)
            threads[i] = unit_thread(shut_down, finale.pool);
        for (int i = 0; i < 2; i++)
            unit_join(threads[i]);
        expect_told_once(&finale, !options.deferred_start);
    }
}

/* A drop that lasts until the workers have left. */
struct slow_drop {
    struct weir_task task;
    struct plug plug; /* of the only worker */
    struct finale *finale;
    unsigned others, told;
};

static int run_nothing(struct weir_task *task) {
    (void)task;
    return 0;
}

static void drop_slowly(struct weir_task *task, int error) {
    struct slow_drop *slow = (struct slow_drop *)(void *)task;

    (void)error;
    event_raise(&slow->plug.release);
    UNTIL(number_of(&slow->finale->stops) == 1);
    UNTIL(unit_threads() == slow->others);
    slow->told = number_of(&slow->finale->told);
}

static void end_is_not_told_while_shutdown_still_drops(void **state) {
    struct finale finale;
    struct weir_pool_options options = with_finale(&finale);
    struct slow_drop slow = {.task = {.run = run_nothing, .drop = drop_slowly},
                             .finale = &finale,
                             .others = unit_other_threads(),
                             .told = 7};

    finale.pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_execute(finale.pool, plug_run, &slow.plug), 0);
    event_await(&slow.plug.begun, 1);
    assert_int_equal(weir_pool_submit(finale.pool, &slow.task), 0);
    assert_int_equal(weir_pool_shutdown(finale.pool, WEIR_CANCEL_PENDING), 0);
    assert_int_equal(slow.told, 0);
    expect_told_once(&finale, 1);
}

/* ---- Phases ---- */

static void phase_tells_where_the_pool_is(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct plug plug = PLUG;

    assert_int_equal(weir_pool_phase(NULL), WEIR_POOL_ENDED);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_OPEN);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_DRAINING);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_CANCELLING);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_CANCELLING);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_ENDED);
    assert_int_equal(weir_pool_size(pool), 0);
    unit_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(cancel_running_asks_running_tasks_to_end),
        EACH(cancel_pending_leaves_running_tasks_alone_until_it_escalates),
        EACH(shutdown_refuses_unknown_modes),
        EACH(end_is_told_once_after_every_thread_and_before_await_returns),
        EACH(end_of_a_pool_that_never_started_is_told),
        EACH(end_of_a_pool_without_threads_is_told),
        EACH(end_is_told_once_to_many_who_shut_down),
        EACH(end_is_not_told_while_shutdown_still_drops),
        EACH(phase_tells_where_the_pool_is),
    };
    return cmocka_run_group_tests_name("ending", tests, NULL, NULL);
}
