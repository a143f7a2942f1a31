#include <weir/future.h>

#include "test/unit.h"

#include <sys/resource.h>

static void *const VALUE = (void *)(uintptr_t)42;

static void expect_cancelled(struct weir_future *future) {
    void *value = VALUE;

    assert_int_equal(weir_future_state(future), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), -ECANCELED);
    assert_ptr_equal(value, VALUE);
}

/* ---- Plain promises ---- */

static void promise_is_set_once(void **state) {
    struct weir_future future;
    void *value = NULL;

    (void)state;
    weir_future_init(&future);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_future_get(&future, &value, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_future_get(&future, &value, 1), -ETIMEDOUT);
    uint64_t deadline_ns = weir_after(1000000);
    assert_int_equal(weir_future_get(&future, &value, deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    assert_int_equal(weir_future_set(&future, VALUE), 0);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_DONE);
    assert_int_equal(weir_future_set(&future, NULL), -EALREADY);
    assert_int_equal(weir_future_fail(&future, -EIO), -EALREADY);
    assert_int_equal(weir_future_cancel(&future), -EALREADY);
    assert_int_equal(weir_future_get(&future, &value, WEIR_NOW), 0);
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_fini(&future), 0);
}

static void promise_fails_with_its_error(void **state) {
    struct weir_future future;
    void *value = VALUE;

    (void)state;
    weir_future_init(&future);
    assert_int_equal(weir_future_fail(&future, 0), -EINVAL);
    assert_int_equal(weir_future_fail(&future, EIO), -EINVAL);
    assert_int_equal(weir_future_fail(&future, -EIO), 0);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_FAILED);
    assert_int_equal(weir_future_get(&future, &value, WEIR_FOREVER), -EIO);
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_future_fini(&future), 0);
}

static void promise_is_cancelled(void **state) {
    struct weir_future future;

    (void)state;
    weir_future_init(&future);
    assert_int_equal(weir_future_cancel(&future), 0);
    expect_cancelled(&future);
    assert_int_equal(weir_future_cancel(&future), -EALREADY);
    assert_int_equal(weir_future_fini(&future), 0);
}

static void calls_refuse_null(void **state) {
    struct weir_future future;
    struct weir_callback no_fn = {.fn = NULL};

    (void)state;
    weir_future_init(&future);
    assert_int_equal(weir_future_get(NULL, NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_future_set(NULL, NULL), -EINVAL);
    assert_int_equal(weir_future_fail(NULL, -EIO), -EINVAL);
    assert_int_equal(weir_future_cancel(NULL), -EINVAL);
    assert_int_equal(weir_future_fini(NULL), -EINVAL);
    assert_int_equal(weir_future_on_done(NULL, &no_fn), -EINVAL);
    assert_int_equal(weir_future_on_done(&future, NULL), -EINVAL);
    assert_int_equal(weir_future_on_done(&future, &no_fn), -EINVAL);
    assert_null(weir_future_task(NULL, call_echo, NULL, 0));
    assert_null(weir_future_task(&future, NULL, NULL, 0));
    assert_int_equal(weir_future_fini(&future), 0);
}

static void *set_main(void *arg) {
    weir_future_set(arg, VALUE);
    return NULL;
}

static void blocked_getter_returns_when_the_promise_is_set(void **state) {
    struct weir_future future;
    void *value = NULL;

    (void)state;
    for (int i = 0; i < 200; i++) {
        weir_future_init(&future);
        pthread_t thread = unit_thread(set_main, &future);
        assert_int_equal(weir_future_get(&future, &value, WEIR_FOREVER), 0);
        assert_ptr_equal(value, VALUE);
        assert_int_equal(weir_future_fini(&future), 0);
        memset(&future, 0xA5, sizeof future); /* the setter must be through with it */
        unit_join(thread);
        for (size_t k = 0; k < sizeof future; k++)
            assert_int_equal(((unsigned char *)&future)[k], 0xA5);
    }
}

/* ---- Callbacks ---- */

struct order {
    unsigned next;
    unsigned at[3];
    pthread_t thread;
    enum weir_future_state seen;
};

struct mark {
    struct weir_callback callback;
    struct order *order;
    unsigned index;
};

static void mark_fn(struct weir_future *future, void *arg) {
    struct mark *mark = arg;

    mark->order->at[mark->index] = ++mark->order->next;
    mark->order->thread = pthread_self();
    mark->order->seen = weir_future_state(future);
    memset(&mark->callback, 0xFF, sizeof mark->callback); /* fn may reuse it */
}

static void callbacks_run_once_in_order_on_the_completing_thread(void **state) {
    struct weir_future future;
    struct order order = {0};
    struct mark marks[3];

    (void)state;
    weir_future_init(&future);
    for (unsigned i = 0; i < 3; i++) {
        marks[i] = (struct mark){.callback = {.fn = mark_fn, .arg = &marks[i]}};
        marks[i].order = &order;
        marks[i].index = i;
        assert_int_equal(weir_future_on_done(&future, &marks[i].callback), 0);
    }
    assert_int_equal(order.next, 0);
    pthread_t thread = unit_thread(set_main, &future);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_fini(&future), 0); /* waits for the callbacks */
    assert_int_equal(order.next, 3);
    assert_true(pthread_equal(order.thread, thread));
    unit_join(thread);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(order.at[i], i + 1);
    assert_int_equal(order.seen, WEIR_FUTURE_DONE);
}

static void late_callback_runs_at_once_on_the_adding_thread(void **state) {
    struct weir_future future;
    struct order order = {0};
    struct mark mark = {.callback = {.fn = mark_fn, .arg = &mark}, .order = &order};

    (void)state;
    weir_future_init(&future);
    assert_int_equal(weir_future_fail(&future, -EIO), 0);
    assert_int_equal(weir_future_on_done(&future, &mark.callback), 0);
    assert_int_equal(order.next, 1);
    assert_true(pthread_equal(order.thread, pthread_self()));
    assert_int_equal(order.seen, WEIR_FUTURE_FAILED);
    assert_int_equal(weir_future_fini(&future), 0);
}

struct slow {
    struct weir_callback callback;
    struct event begun, release;
    _Atomic unsigned ended;
};

static void slow_fn(struct weir_future *future, void *arg) {
    struct slow *slow = arg;

    (void)future;
    event_raise(&slow->begun);
    event_await(&slow->release, 1);
    add_one(&slow->ended);
}

struct fini {
    struct weir_future *future;
    struct slow *slow;
    unsigned ended_at_return;
};

static void *fini_main(void *arg) {
    struct fini *fini = arg;

    weir_future_fini(fini->future);
    fini->ended_at_return = number_of(&fini->slow->ended);
    return NULL;
}

static void fini_waits_for_a_callback_that_runs(void **state) {
    struct weir_future future;
    struct slow slow = {.callback = {.fn = slow_fn, .arg = &slow}};
    struct fini fini = {&future, &slow, 0};

    (void)state;
    weir_future_init(&future);
    weir_future_on_done(&future, &slow.callback);
    pthread_t setter = unit_thread(set_main, &future);
    event_await(&slow.begun, 1);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_NOW), 0); /* terminal meanwhile */
    pthread_t finisher = unit_thread(fini_main, &fini);
    event_raise(&slow.release);
    unit_join(finisher);
    unit_join(setter);
    assert_int_equal(fini.ended_at_return, 1);
}

/* ---- Calls on a pool ---- */

static void call_makes_the_value_or_the_error(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_future good, bad;
    void *value = NULL;

    weir_future_init(&good);
    weir_future_init(&bad);
    assert_int_equal(weir_pool_submit(pool, weir_future_task(&good, call_echo, VALUE, 0)), 0);
    assert_int_equal(
        weir_pool_submit(pool, weir_future_task(&bad, call_fail, (void *)(intptr_t)-EIO, 0)), 0);
    assert_int_equal(weir_future_get(&good, &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_future_get(&bad, &value, WEIR_FOREVER), -EIO);
    assert_int_equal(weir_future_state(&bad), WEIR_FUTURE_FAILED);
    assert_int_equal(weir_future_set(&good, NULL), -EALREADY);
    assert_int_equal(weir_future_fini(&good), 0);
    assert_int_equal(weir_future_fini(&bad), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void running_call_is_running_and_cannot_be_cancelled_set_or_finished_with(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future future;
    struct plug plug = PLUG;

    weir_future_init(&future);
    assert_int_equal(weir_pool_submit(pool, weir_future_task(&future, plug_call, &plug, 0)), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_RUNNING);
    assert_int_equal(weir_future_cancel(&future), -EINPROGRESS);
    assert_int_equal(weir_future_set(&future, NULL), -EBUSY);
    assert_int_equal(weir_future_fail(&future, -EIO), -EBUSY);
    assert_int_equal(weir_future_fini(&future), -EBUSY);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_future_get(&future, NULL, weir_after(1000)), -ETIMEDOUT);
    event_raise(&plug.release);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_cancel(&future), -EALREADY);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void queued_call_is_cancelled_and_never_runs(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future queued;
    struct plug plug = PLUG, never = PLUG;

    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    weir_future_init(&queued);
    assert_int_equal(weir_pool_submit(pool, weir_future_task(&queued, plug_call, &never, 0)), 0);
    assert_int_equal(weir_future_state(&queued), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_future_fini(&queued), -EBUSY);
    assert_int_equal(weir_future_cancel(&queued), 0);
    expect_cancelled(&queued);
    assert_int_equal(weir_future_cancel(&queued), -EALREADY);
    assert_int_equal(unit_stats(pool).queued, 0); /* taken out, not only marked */
    assert_int_equal(weir_future_fini(&queued), 0);
    memset(&queued, 0xA5, sizeof queued);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).cancelled, 1);
    assert_int_equal(unit_stats(pool).submitted, 2);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(atomic_load_explicit(&never.begun.count, memory_order_relaxed), 0);
}

static void call_cancelled_before_its_submission_is_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future bound, unbound;
    struct weir_task *tasks[3];
    struct counted counted;

    weir_future_init(&bound);
    weir_future_init(&unbound);
    tasks[0] = weir_future_task(&bound, call_echo, NULL, 0);
    assert_int_equal(weir_future_cancel(&bound), 0);
    assert_int_equal(weir_future_cancel(&unbound), 0);
    tasks[1] = weir_future_task(&unbound, call_echo, NULL, 0);
    tasks[2] = counted_init(&counted);
    assert_int_equal(weir_pool_submit(pool, tasks[0]), -ECANCELED);
    assert_int_equal(weir_pool_submit(pool, tasks[1]), -ECANCELED);
    assert_int_equal(weir_pool_submit_batch(pool, tasks, 3), 3); /* they have had their outcome */
    expect_cancelled(&bound);
    expect_cancelled(&unbound);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&counted.runs), 1);
    assert_int_equal(unit_stats(pool).submitted, 1);
    assert_int_equal(weir_future_fini(&bound), 0);
    assert_int_equal(weir_future_fini(&unbound), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void future_whose_submission_failed_may_be_submitted_again(void **state) {
    struct weir_pool *closed = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future future;

    assert_int_equal(weir_pool_shutdown(closed, WEIR_DRAIN), 0);
    weir_future_init(&future);
    struct weir_task *task = weir_future_task(&future, call_echo, VALUE, 0);
    assert_int_equal(weir_pool_submit(closed, task), -ESHUTDOWN);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_pool_submit(pool, task), 0);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_fini(&future), 0);
    weir_future_init(&future);
    weir_future_task(&future, call_echo, VALUE, 0);
    assert_int_equal(weir_future_fini(&future), 0); /* never submitted */
    assert_int_equal(weir_pool_free(closed), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct own {
    struct weir_future future;
    int get_rc, cancel_rc;
    ptrdiff_t wait_rc;
};

static int get_own(void *arg, void **value) {
    struct own *own = arg;
    struct weir_future *list[1] = {&own->future};

    own->get_rc = weir_future_get(&own->future, value, WEIR_FOREVER);
    own->cancel_rc = weir_future_cancel(&own->future);
    own->wait_rc = weir_wait(list, 1, WEIR_ANY, WEIR_FOREVER);
    return 0;
}

static void call_that_waits_for_itself_gets_edeadlk(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct own own = {.get_rc = 0};

    weir_future_init(&own.future);
    weir_pool_submit(pool, weir_future_task(&own.future, get_own, &own, 0));
    assert_int_equal(weir_future_get(&own.future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(own.get_rc, -EDEADLK);
    assert_int_equal(own.cancel_rc, -EINPROGRESS);
    assert_int_equal(own.wait_rc, -EDEADLK);
    assert_int_equal(weir_future_fini(&own.future), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* A plain task's memory is its own as soon as it runs: it may become a future. */
struct reborn {
    union {
        struct weir_task task;
        struct weir_future future;
    } memory;
    struct weir_pool *pool;
    int rc;
    struct event ended;
};

static int rebirth(struct weir_task *task) {
    struct reborn *reborn = (struct reborn *)(void *)task;
    struct weir_future *future = &reborn->memory.future;

    weir_future_init(future);
    weir_pool_submit(reborn->pool, weir_future_task(future, call_echo, VALUE, 0));
    reborn->rc = weir_future_get(future, NULL, WEIR_FOREVER);
    weir_future_fini(future);
    event_raise(&reborn->ended);
    return 0;
}

static void future_in_the_memory_of_the_running_task_is_not_taken_for_it(void **state) {
    struct reborn reborn = {.pool = unit_pool(unit_scheduler(state), 1, NULL), .rc = 1};

    reborn.memory.task = (struct weir_task)WEIR_TASK_INIT(rebirth);
    assert_int_equal(weir_pool_submit(reborn.pool, &reborn.memory.task), 0);
    event_await(&reborn.ended, 1);
    assert_int_equal(reborn.rc, 0);
    assert_int_equal(weir_pool_free(reborn.pool), 0);
}

static void library_owned_future_outlives_its_pool_and_any_unref(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future *kept = NULL, *let_go = NULL, *running = NULL;
    struct plug plug = PLUG;
    void *value = NULL;

    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &running), 0);
    assert_int_equal(weir_pool_async(pool, call_echo, VALUE, &kept), 0);
    assert_int_equal(weir_pool_async(pool, call_echo, VALUE, &let_go), 0);
    weir_future_unref(let_go); /* while it is queued */
    event_await(&plug.begun, 1);
    weir_future_unref(running); /* while it runs */
    event_raise(&plug.release);
    weir_future_ref(kept);
    weir_future_unref(kept);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(weir_future_get(kept, &value, WEIR_NOW), 0);
    assert_ptr_equal(value, VALUE);
    weir_future_unref(kept);
}

static struct weir_pool *spinning_pool(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.idle_spin_ns = WEIR_FOREVER;
    return unit_pool(unit_scheduler(state), 1, &options);
}

static void get_that_spins_keeps_its_deadline(void **state) {
    struct weir_pool *pool = spinning_pool(state);
    struct weir_future *running = NULL, *queued = NULL;
    struct plug plug = PLUG;
    void *value = NULL;

    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &running), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_async(pool, call_echo, &plug, &queued), 0);
    uint64_t begun_ns = weir_now_ns();
    assert_int_equal(weir_future_get(queued, NULL, weir_after(1000000)), -ETIMEDOUT);
    assert_true(weir_now_ns() - begun_ns < UINT64_C(2000000000)); /* the spin alone: 4.3 s */
    event_raise(&plug.release);
    assert_int_equal(weir_future_get(queued, &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, &plug);
    weir_future_unref(running);
    weir_future_unref(queued);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void get_that_spins_does_not_sleep(void **state) {
    enum { ROUND_TRIPS = 200 };
    struct weir_pool *pool = spinning_pool(state);
    struct rusage before, after;

    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < ROUND_TRIPS; i++) {
        struct weir_future *future = NULL;
        assert_int_equal(weir_pool_async(pool, call_echo, NULL, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        weir_future_unref(future);
    }
    getrusage(RUSAGE_THREAD, &after);
    /* Now and then the two meet at the queue's mutex. */
    if (!unit_is_slow())
        assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 0, ROUND_TRIPS / 4);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(promise_is_set_once),
        ONCE(promise_fails_with_its_error),
        ONCE(promise_is_cancelled),
        ONCE(calls_refuse_null),
        ONCE(blocked_getter_returns_when_the_promise_is_set),
        ONCE(callbacks_run_once_in_order_on_the_completing_thread),
        ONCE(late_callback_runs_at_once_on_the_adding_thread),
        ONCE(fini_waits_for_a_callback_that_runs),
        EACH(call_makes_the_value_or_the_error),
        EACH(get_that_spins_keeps_its_deadline),
        EACH(get_that_spins_does_not_sleep),
        EACH(running_call_is_running_and_cannot_be_cancelled_set_or_finished_with),
        EACH(queued_call_is_cancelled_and_never_runs),
        EACH(call_cancelled_before_its_submission_is_refused),
        EACH(future_whose_submission_failed_may_be_submitted_again),
        EACH(call_that_waits_for_itself_gets_edeadlk),
        EACH(future_in_the_memory_of_the_running_task_is_not_taken_for_it),
        EACH(library_owned_future_outlives_its_pool_and_any_unref),
    };
    return cmocka_run_group_tests_name("future", tests, NULL, NULL);
}
