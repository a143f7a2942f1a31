/* What Python's ThreadPoolExecutor and Future promise, and where they hang. PARITY.md names each.
 */
#include <weir.h>

#include "test/occupied.h"

#define MANY 6

/* ---- Growth ---- */

static void thread_starts_with_each_submit_while_none_is_idle(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct plug plugs[4] = {PLUG};
    struct weir_pool *pool = NULL;

    options.threads = 3;
    options.on_demand = true;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    assert_int_equal(unit_stats(pool).workers, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[i]), 0);
        event_await(&plugs[i].begun, 1);
        assert_int_equal(unit_stats(pool).workers, i + 1);
    }
    assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[3]), 0);
    assert_int_equal(unit_stats(pool).workers, 3);
    assert_int_equal(unit_stats(pool).queued, 1);
    for (unsigned i = 0; i < 4; i++)
        event_raise(&plugs[i].release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).workers, 3); /* core threads stay */
    assert_int_equal(unit_stats(pool).largest, 3);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void idle_thread_takes_the_next_task_and_no_other_starts(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct plug plugs[50] = {PLUG};
    struct weir_pool *pool = NULL;

    options.threads = 3;
    options.on_demand = true;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[i]), 0);
        event_await(&plugs[i].begun, 1);
        uint64_t parks = unit_stats(pool).parks; /* of a thread that is inside the task */
        event_raise(&plugs[i].release);
        UNTIL(unit_stats(pool).parks > parks);
    }
    assert_int_equal(unit_stats(pool).largest, 1);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- initializer ---- */

static _Thread_local unsigned initialized;

struct starts {
    _Atomic unsigned threads;
    unsigned fails_from; /* the how-manieth thread fails; 0: none */
};

static int thread_start(void *arg, uint32_t worker) {
    struct starts *starts = arg;

    (void)worker;
    initialized = 1 + atomic_fetch_add_explicit(&starts->threads, 1, memory_order_acq_rel);
    return starts->fails_from && initialized >= starts->fails_from ? -EIO : 0;
}

static int call_initialized(void *arg, void **value) {
    plug_call(arg, value);
    *value = (void *)(uintptr_t)initialized;
    return 0;
}

static void initializer_has_run_in_each_thread_before_its_first_task(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct starts starts = {.fails_from = 0};
    struct plug plugs[3] = {PLUG};
    struct weir_future *futures[3];
    struct weir_pool *pool = NULL;
    unsigned seen = 0;

    options.threads = 3;
    options.hooks.arg = &starts;
    options.hooks.thread_start = thread_start;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(weir_pool_async(pool, call_initialized, &plugs[i], &futures[i]), 0);
    for (unsigned i = 0; i < 3; i++)
        event_await(&plugs[i].begun, 1); /* three tasks at once: three threads */
    for (unsigned i = 0; i < 3; i++) {
        void *value = NULL;
        event_raise(&plugs[i].release);
        assert_int_equal(weir_future_get(futures[i], &value, WEIR_FOREVER), 0);
        assert_in_range((uintptr_t)value, 1, 3);
        seen |= 1u << (uintptr_t)value;
        weir_future_unref(futures[i]);
    }
    assert_int_equal(seen, 2 | 4 | 8);
    assert_int_equal(number_of(&starts.threads), 3);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Python fails what is queued with BrokenThreadPool; its waiters, and ours, return. */
static void failed_initializer_breaks_the_pool_and_every_waiter_returns(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct starts starts = {.fails_from = 1};
    struct weir_future *futures[MANY];
    struct weir_future *refused = NULL;
    struct weir_pool *pool = NULL;

    options.threads = 2;
    options.deferred_start = true;
    options.hooks.arg = &starts;
    options.hooks.thread_start = thread_start;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    for (unsigned i = 0; i < MANY; i++)
        futures[i] = queue_echo(pool, NULL);
    weir_pool_start(pool);
    assert_int_equal(weir_wait(futures, MANY, WEIR_ALL, WEIR_FOREVER), 0);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(weir_future_state(futures[i]), WEIR_FUTURE_FAILED);
        assert_int_equal(get_and_unref(futures[i]), -EOWNERDEAD);
    }
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_BROKEN);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &refused), -EOWNERDEAD);
    assert_int_equal(weir_pool_execute(pool, plug_run, NULL), -EOWNERDEAD);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void task_that_runs_when_the_pool_breaks_ends_with_its_value(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct starts starts = {.fails_from = 2};
    struct occupied occupied;

    options.threads = 2;
    options.on_demand = true;
    options.hooks.arg = &starts;
    options.hooks.thread_start = thread_start;
    occupied_make(&occupied, &options);
    struct weir_future *doomed = queue_echo(occupied.pool, NULL); /* starts the second thread */
    assert_int_equal(get_and_unref(doomed), -EOWNERDEAD);
    assert_int_equal(weir_pool_phase(occupied.pool), WEIR_POOL_BROKEN);
    assert_int_equal(unit_stats(occupied.pool).active, 1);
    event_raise(&occupied.plug.release);
    assert_int_equal(weir_pool_await(occupied.pool, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(unit_stats(occupied.pool).completed, 1);
    assert_int_equal(weir_pool_free(occupied.pool), 0);
}

/* ---- cancel ---- */

static void cancel_tells_queued_running_and_done_apart(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;
    struct plug plug = PLUG;
    struct weir_future *running = NULL;

    occupied_make(&occupied, &options);
    struct weir_future *queued = queue_echo(occupied.pool, NULL);
    assert_int_equal(weir_pool_async(occupied.pool, plug_call, &plug, &running), 0);
    struct weir_future *done = queue_echo(occupied.pool, NULL);

    assert_int_equal(weir_future_state(queued), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_future_cancel(queued), 0);
    assert_int_equal(weir_future_state(queued), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_cancel(queued), -EALREADY);

    event_raise(&occupied.plug.release);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_future_state(running), WEIR_FUTURE_RUNNING);
    assert_int_equal(weir_future_cancel(running), -EINPROGRESS);
    assert_int_equal(weir_future_state(running), WEIR_FUTURE_RUNNING);
    event_raise(&plug.release);
    assert_int_equal(get_and_unref(running), 0);

    assert_int_equal(weir_future_get(done, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_state(done), WEIR_FUTURE_DONE);
    assert_int_equal(weir_future_cancel(done), -EALREADY);
    assert_int_equal(get_and_unref(done), 0);
    assert_int_equal(get_and_unref(queued), -ECANCELED);
    assert_int_equal(weir_pool_free(occupied.pool), 0);
}

struct noted {
    struct weir_callback callback;
    _Atomic unsigned calls;
    pthread_t thread;
    int error;
};

static void note(struct weir_future *future, void *arg) {
    struct noted *noted = arg;

    noted->thread = pthread_self();
    noted->error = weir_future_get(future, NULL, WEIR_NOW);
    add_one(&noted->calls);
}

static void callback_of_a_cancelled_future_runs_on_the_cancelling_thread(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;
    struct noted before = {.callback = {.fn = note, .arg = &before}};
    struct noted after = {.callback = {.fn = note, .arg = &after}};

    occupied_make(&occupied, &options);
    struct weir_future *future = queue_echo(occupied.pool, NULL);
    assert_int_equal(weir_future_on_done(future, &before.callback), 0);
    assert_int_equal(number_of(&before.calls), 0);
    assert_int_equal(weir_future_cancel(future), 0);
    assert_int_equal(number_of(&before.calls), 1);
    assert_int_equal(weir_future_on_done(future, &after.callback), 0); /* already done: at once */
    assert_int_equal(number_of(&after.calls), 1);
    assert_true(pthread_equal(before.thread, pthread_self()));
    assert_int_equal(before.error, -ECANCELED);
    assert_int_equal(get_and_unref(future), -ECANCELED);
    occupied_end(&occupied);
    assert_int_equal(number_of(&before.calls), 1);
}

/* What a call works on: freed by the owner as soon as the future is terminal. */
struct argument {
    _Atomic unsigned inside;
    unsigned result;
    _Atomic unsigned *wrong;
};

static int call_use(void *arg, void **value) {
    struct argument *argument = arg;

    (void)value;
    atomic_store_explicit(&argument->inside, 1, memory_order_release);
    for (unsigned i = 0; i < 200; i++)
        argument->result += i;
    atomic_store_explicit(&argument->inside, 0, memory_order_release);
    return 0;
}

/* The owner frees the argument whatever cancel said, as soon as the future is terminal. */
static void free_argument(struct weir_future *future, void *arg) {
    struct argument *argument = arg;
    unsigned expected = weir_future_get(future, NULL, WEIR_NOW) == 0 ? 199 * 200 / 2 : 0;

    if (number_of(&argument->inside) != 0 || argument->result != expected)
        add_one(argument->wrong);
    free(argument);
}

static void cancel_of_a_running_call_never_frees_its_argument_under_it(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    _Atomic unsigned wrong = 0;
    unsigned cancelled = 0;

    for (unsigned i = 0; i < 2000; i++) {
        struct argument *argument = calloc(1, sizeof *argument);
        struct weir_future future;
        struct weir_callback callback = {.fn = free_argument, .arg = argument};

        assert_non_null(argument);
        argument->wrong = &wrong;
        weir_future_init(&future);
        weir_future_on_done(&future, &callback);
        assert_int_equal(weir_pool_submit(pool, weir_future_task(&future, call_use, argument, 0)),
                         0);
        if (i % 3 == 0) /* let it come to run, now and then */
            unit_yield();
        int rc = weir_future_cancel(&future);
        assert_true(rc == 0 || rc == -EINPROGRESS || rc == -EALREADY);
        cancelled += rc == 0;
        assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), rc == 0 ? -ECANCELED : 0);
        assert_int_equal(weir_future_fini(&future), 0);
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).cancelled, cancelled);
    assert_int_equal(number_of(&wrong), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- shutdown ---- */

struct outside_wait {
    struct weir_future **futures;
    ptrdiff_t rc;
};

static void *wait_for_all(void *arg) {
    struct outside_wait *wait = arg;

    wait->rc = weir_wait(wait->futures, MANY, WEIR_ALL, WEIR_FOREVER);
    return NULL;
}

/* Python tells waiters of a cancelled future when a worker comes across it, and after
 * shutdown(cancel_futures=True) none does: wait and as_completed hang. */
static void waiters_of_futures_cancelled_by_shutdown_return(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;
    struct weir_future *futures[MANY];
    struct outside_wait sleeping = {.futures = futures, .rc = -1};

    occupied_make(&occupied, &options);
    for (unsigned i = 0; i < MANY; i++)
        futures[i] = queue_echo(occupied.pool, NULL);
    pthread_t thread = unit_thread(wait_for_all, &sleeping);
    assert_int_equal(weir_pool_shutdown(occupied.pool, WEIR_CANCEL_PENDING), 0);
    /* The worker is still inside its task. */
    unit_join(thread);
    assert_int_equal(sleeping.rc, 0);
    assert_int_equal(weir_wait(futures, MANY, WEIR_ALL, WEIR_NOW), 0);
    assert_int_equal(weir_wait(futures, MANY, WEIR_ANY, WEIR_NOW), 0);
    assert_int_equal(unit_stats(occupied.pool).active, 1);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(get_and_unref(futures[i]), -ECANCELED);
    occupied_end(&occupied);
}

/* The same without a shutdown: Python's wait returns only when the worker has come so far. */
static void waiter_of_a_cancelled_future_returns_before_a_worker_passes_it(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;
    struct weir_future *futures[MANY];
    struct outside_wait sleeping = {.futures = futures, .rc = -1};

    occupied_make(&occupied, &options);
    for (unsigned i = 0; i < MANY; i++)
        futures[i] = queue_echo(occupied.pool, NULL);
    pthread_t thread = unit_thread(wait_for_all, &sleeping);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(weir_future_cancel(futures[i]), 0);
    unit_join(thread);
    assert_int_equal(sleeping.rc, 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(get_and_unref(futures[i]), -ECANCELED);
    occupied_end(&occupied);
}

struct late_submit {
    struct occupied occupied;
    struct plug plug;
    int rc[3];
};

static void submit_late(void *arg) {
    struct late_submit *late = arg;
    struct counted counted;
    struct weir_future *future = NULL;

    plug_run(&late->plug);
    late->rc[0] = weir_pool_submit(late->occupied.pool, counted_init(&counted));
    late->rc[1] = weir_pool_execute(late->occupied.pool, plug_run, NULL);
    late->rc[2] = weir_pool_async(late->occupied.pool, call_echo, NULL, &future);
}

static void task_that_submits_after_shutdown_is_refused(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct late_submit late = {.plug = PLUG};

    assert_int_equal(weir_pool_new(&late.occupied.pool, &options), 0);
    assert_int_equal(weir_pool_execute(late.occupied.pool, submit_late, &late), 0);
    event_await(&late.plug.begun, 1);
    assert_int_equal(weir_pool_shutdown(late.occupied.pool, WEIR_DRAIN), 0);
    event_raise(&late.plug.release);
    assert_int_equal(weir_pool_free(late.occupied.pool), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(late.rc[i], -ESHUTDOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(thread_starts_with_each_submit_while_none_is_idle),
        EACH(idle_thread_takes_the_next_task_and_no_other_starts),
        EACH(initializer_has_run_in_each_thread_before_its_first_task),
        EACH(failed_initializer_breaks_the_pool_and_every_waiter_returns),
        EACH(task_that_runs_when_the_pool_breaks_ends_with_its_value),
        EACH(cancel_tells_queued_running_and_done_apart),
        EACH(callback_of_a_cancelled_future_runs_on_the_cancelling_thread),
        EACH(cancel_of_a_running_call_never_frees_its_argument_under_it),
        EACH(waiters_of_futures_cancelled_by_shutdown_return),
        EACH(waiter_of_a_cancelled_future_returns_before_a_worker_passes_it),
        EACH(task_that_submits_after_shutdown_is_refused),
    };
    return cmocka_run_group_tests_name("parity with Python", tests, NULL, NULL);
}
