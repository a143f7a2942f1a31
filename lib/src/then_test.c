#include <weir/token.h>

#include "test/fault.h"
#include "test/unit.h"

static void *const VALUE = (void *)(uintptr_t)42;

/* What a continuation was given, and where. */
struct seen {
    _Atomic unsigned calls;
    int error;
    void *value;
    pthread_t thread;
    struct event begun, *wait_for;
    int rc; /* to return */
};

static int see(void *arg, int error, void *value, void **result) {
    struct seen *seen = arg;

    seen->error = error;
    seen->value = value;
    seen->thread = pthread_self();
    add_one(&seen->calls);
    event_raise(&seen->begun);
    if (seen->wait_for)
        event_await(seen->wait_for, 1);
    *result = seen;
    return seen->rc;
}

static struct weir_future *then(struct weir_future *source, struct weir_pool *pool,
                                struct seen *seen, uint32_t flags) {
    struct weir_future *next = NULL;

    assert_int_equal(weir_future_then(source, pool, see, seen, flags, &next), 0);
    assert_non_null(next);
    return next;
}

static void expect(struct weir_future *future, int rc, enum weir_future_state state) {
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), rc);
    assert_int_equal(weir_future_state(future), state);
    weir_future_unref(future);
}

static void bad_arguments_and_no_memory_make_nothing(void **state) {
    struct weir_future source;
    struct weir_future *next = NULL;
    struct seen seen = {0};
    long blocks = fault_blocks();

    (void)state;
    weir_future_init(&source);
    assert_int_equal(weir_future_then(NULL, NULL, see, &seen, 0, &next), -EINVAL);
    assert_int_equal(weir_future_then(&source, NULL, NULL, &seen, 0, &next), -EINVAL);
    assert_int_equal(weir_future_then(&source, NULL, see, &seen, 0, NULL), -EINVAL);
    assert_int_equal(weir_future_then(&source, NULL, see, &seen, 2, &next), -EINVAL);
    fault_fail_nth(1);
    assert_int_equal(weir_future_then(&source, NULL, see, &seen, 0, &next), -ENOMEM);
    fault_reset();
    assert_null(next);
    assert_int_equal(weir_future_set(&source, NULL), 0);
    assert_int_equal(number_of(&seen.calls), 0);
    assert_int_equal(weir_future_fini(&source), 0);
    assert_int_equal(fault_blocks(), blocks);
}

/* ---- On the completing thread ---- */

static void *set_main(void *arg) {
    weir_future_set(arg, VALUE);
    return NULL;
}

static void call_without_a_pool_runs_on_the_thread_that_ends_the_source(void **state) {
    struct weir_future source;
    struct seen seen = {0};
    void *value = NULL;

    (void)state;
    weir_future_init(&source);
    struct weir_future *next = then(&source, NULL, &seen, 0);
    assert_int_equal(weir_future_state(next), WEIR_FUTURE_PENDING);
    pthread_t setter = unit_thread(set_main, &source);
    assert_int_equal(weir_future_get(next, &value, WEIR_FOREVER), 0);
    unit_join(setter);
    assert_ptr_equal(value, &seen);
    assert_ptr_equal(seen.value, VALUE);
    assert_int_equal(seen.error, 0);
    assert_true(pthread_equal(seen.thread, setter));
    weir_future_unref(next);
    assert_int_equal(weir_future_fini(&source), 0);
}

static void dependent_that_runs_on_another_thread_is_running(void **state) {
    struct weir_future source;
    struct event release = {0};
    struct seen seen = {.wait_for = &release};

    (void)state;
    weir_future_init(&source);
    struct weir_future *next = then(&source, NULL, &seen, 0);
    pthread_t setter = unit_thread(set_main, &source);
    event_await(&seen.begun, 1);
    assert_int_equal(weir_future_state(next), WEIR_FUTURE_RUNNING);
    assert_int_equal(weir_future_cancel(next), -EINPROGRESS);
    assert_int_equal(weir_future_get(next, NULL, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_wait(&next, 1, WEIR_ALL, 1), -ETIMEDOUT);
    event_raise(&release);
    expect(next, 0, WEIR_FUTURE_DONE);
    unit_join(setter);
    assert_int_equal(weir_future_fini(&source), 0);
}

static void call_on_a_terminal_source_runs_at_once(void **state) {
    struct weir_future source;
    struct seen seen = {.rc = -EIO};

    (void)state;
    weir_future_init(&source);
    weir_future_set(&source, VALUE);
    struct weir_future *next = then(&source, NULL, &seen, 0);
    assert_int_equal(number_of(&seen.calls), 1);
    assert_true(pthread_equal(seen.thread, pthread_self()));
    expect(next, -EIO, WEIR_FUTURE_FAILED);
    assert_int_equal(weir_future_fini(&source), 0);
}

struct late {
    struct weir_callback callback;
    struct seen seen;
    unsigned calls_at_return;
};

static void add_in_callback(struct weir_future *future, void *arg) {
    struct late *late = arg;

    weir_future_unref(then(future, NULL, &late->seen, 0));
    late->calls_at_return = number_of(&late->seen.calls);
}

static void call_added_in_a_callback_of_its_source_runs_at_once(void **state) {
    struct weir_future source;
    struct seen first = {0};
    struct late late = {.callback = {.fn = add_in_callback, .arg = &late}};

    (void)state;
    weir_future_init(&source);
    struct weir_future *next = then(&source, NULL, &first, 0);
    weir_future_on_done(next, &late.callback);
    weir_future_set(&source, NULL);
    assert_int_equal(late.calls_at_return, 1);
    assert_ptr_equal(late.seen.value, &first);
    expect(next, 0, WEIR_FUTURE_DONE);
    assert_int_equal(weir_future_fini(&source), 0);
}

static int set_and_wait(void *arg, int error, void *value, void **result) {
    struct weir_future *promise = arg;
    struct seen seen = {0};
    struct weir_future *next = then(promise, NULL, &seen, 0);

    (void)error;
    weir_future_set(promise, value);
    int rc = weir_future_get(next, result, WEIR_NOW);
    weir_future_unref(next);
    return rc;
}

static void call_may_wait_for_what_hangs_on_a_promise_that_it_sets(void **state) {
    struct weir_future source, promise;
    struct weir_future *next = NULL;

    (void)state;
    weir_future_init(&source);
    weir_future_init(&promise);
    assert_int_equal(weir_future_then(&source, NULL, set_and_wait, &promise, 0, &next), 0);
    weir_future_set(&source, NULL);
    expect(next, 0, WEIR_FUTURE_DONE);
    assert_int_equal(weir_future_fini(&promise), 0);
    assert_int_equal(weir_future_fini(&source), 0);
}

static int wait_for_self(void *arg, int error, void *value, void **result) {
    struct weir_future **self = arg;

    (void)error;
    (void)value;
    (void)result;
    return weir_future_get(*self, NULL, WEIR_FOREVER);
}

static void call_that_waits_for_itself_gets_edeadlk(void **state) {
    struct weir_future source;
    struct weir_future *next = NULL;

    (void)state;
    weir_future_init(&source);
    weir_future_set(&source, NULL);
    assert_int_equal(weir_future_then(&source, NULL, wait_for_self, &next, 0, &next), 0);
    expect(next, -EDEADLK, WEIR_FUTURE_FAILED);
    assert_int_equal(weir_future_fini(&source), 0);
}

static int add_one_more(void *arg, int error, void *value, void **result) {
    (void)arg;
    (void)error;
    *result = (void *)((uintptr_t)value + 1);
    return 0;
}

/* One inside the other, the calls of these chains would need 60 MB of stack. */
static void chain_of_any_length_needs_little_stack(void **state) {
    enum { LENGTH = 100000 };
    const int errors[] = {0, -EIO};
    long blocks = fault_blocks();

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct weir_future source;
        struct weir_future *last = &source, *next = NULL;
        void *value = NULL;
        weir_future_init(&source);
        for (int k = 0; k < LENGTH; k++) {
            assert_int_equal(weir_future_then(last, NULL, add_one_more, NULL, 0, &next), 0);
            if (k > 0)
                weir_future_unref(last);
            last = next;
        }
        if (errors[i])
            weir_future_fail(&source, errors[i]);
        else
            weir_future_set(&source, NULL);
        assert_int_equal(weir_future_get(last, &value, WEIR_NOW), errors[i]);
        assert_int_equal((uintptr_t)value, errors[i] ? 0 : LENGTH);
        weir_future_unref(last);
        assert_int_equal(weir_future_fini(&source), 0);
    }
    assert_int_equal(fault_blocks(), blocks);
}

static void many_dependents_of_one_source_each_have_its_value(void **state) {
    enum { MANY = 100 };
    struct weir_future source;
    struct weir_future *nexts[MANY];
    struct seen seen[MANY] = {0};

    (void)state;
    weir_future_init(&source);
    for (int i = 0; i < MANY; i++)
        nexts[i] = then(&source, NULL, &seen[i], 0);
    weir_future_set(&source, VALUE);
    for (int i = 0; i < MANY; i++) {
        expect(nexts[i], 0, WEIR_FUTURE_DONE);
        assert_ptr_equal(seen[i].value, VALUE);
        assert_int_equal(number_of(&seen[i].calls), 1);
    }
    assert_int_equal(weir_future_fini(&source), 0);
}

/* ---- Errors and cancellation ---- */

static void error_and_cancellation_pass_without_a_call_unless_asked_for(void **state) {
    const struct {
        int error;
        enum weir_future_state end;
    } cases[] = {{-EIO, WEIR_FUTURE_FAILED}, {-ECANCELED, WEIR_FUTURE_CANCELLED}};
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);

    for (unsigned i = 0; i < 4; i++) {
        struct weir_pool *on = i < 2 ? pool : NULL;
        struct weir_future source;
        struct seen passed = {0}, always = {0};
        weir_future_init(&source);
        struct weir_future *next = then(&source, on, &passed, 0);
        struct weir_future *asked = then(&source, on, &always, WEIR_THEN_ALWAYS);
        if (cases[i % 2].end == WEIR_FUTURE_FAILED)
            weir_future_fail(&source, cases[i % 2].error);
        else
            weir_future_cancel(&source);
        expect(next, cases[i % 2].error, cases[i % 2].end);
        expect(asked, 0, WEIR_FUTURE_DONE);
        assert_int_equal(number_of(&passed.calls), 0);
        assert_int_equal(number_of(&always.calls), 1);
        assert_int_equal(always.error, cases[i % 2].error);
        assert_null(always.value);
        assert_int_equal(weir_future_fini(&source), 0);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void cancelled_dependent_ends_at_once_and_leaves_its_source_alone(void **state) {
    struct weir_future source;
    struct seen seen = {0};
    long blocks = fault_blocks();

    (void)state;
    weir_future_init(&source);
    struct weir_future *next = then(&source, NULL, &seen, WEIR_THEN_ALWAYS);
    assert_int_equal(weir_future_set(next, NULL), -EBUSY);
    assert_int_equal(weir_future_cancel(next), 0);
    assert_int_equal(weir_future_cancel(next), -EALREADY);
    expect(next, -ECANCELED, WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_state(&source), WEIR_FUTURE_PENDING);
    assert_int_equal(fault_blocks(), blocks + 1);
    assert_int_equal(weir_future_set(&source, NULL), 0);
    assert_int_equal(fault_blocks(), blocks);
    assert_int_equal(number_of(&seen.calls), 0);
    assert_int_equal(weir_future_fini(&source), 0);
}

static void cancelled_dependent_stays_so_when_its_source_fails(void **state) {
    struct weir_future source;
    struct seen seen = {0};

    (void)state;
    weir_future_init(&source);
    struct weir_future *next = then(&source, NULL, &seen, 0);
    assert_int_equal(weir_future_cancel(next), 0);
    assert_int_equal(weir_future_fail(&source, -EIO), 0);
    expect(next, -ECANCELED, WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_fini(&source), 0);
}

static void dependent_whose_token_is_cancelled_is_not_called(void **state) {
    struct weir_future source;
    struct weir_token token;
    struct seen seen = {0};

    (void)state;
    weir_future_init(&source);
    weir_token_init(&token, NULL, WEIR_FOREVER);
    struct weir_future *next = then(&source, NULL, &seen, WEIR_THEN_ALWAYS);
    assert_int_equal(weir_future_set_token(next, &token), 0);
    assert_int_equal(weir_token_cancel(&token), 0);
    assert_int_equal(weir_future_set(&source, NULL), 0);
    expect(next, -ECANCELED, WEIR_FUTURE_CANCELLED);
    assert_int_equal(number_of(&seen.calls), 0);
    assert_int_equal(weir_token_fini(&token), 0);
    assert_int_equal(weir_future_fini(&source), 0);
}

static void source_that_is_given_up_cancels_its_dependents(void **state) {
    struct weir_future source;
    struct seen seen = {0};

    (void)state;
    weir_future_init(&source);
    struct weir_future *next = then(&source, NULL, &seen, 0);
    assert_int_equal(weir_future_fini(&source), 0);
    expect(next, -ECANCELED, WEIR_FUTURE_CANCELLED);
    assert_int_equal(number_of(&seen.calls), 0);
}

/* ---- On a pool ---- */

static void call_runs_on_the_pool_after_its_source_is_gone(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future source;
    struct plug plug = PLUG;
    struct seen seen = {0};

    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    weir_future_init(&source);
    struct weir_future *next = then(&source, pool, &seen, 0);
    assert_int_equal(weir_future_set(&source, VALUE), 0);
    assert_int_equal(weir_future_fini(&source), 0);
    memset(&source, 0xA5, sizeof source);
    assert_int_equal(weir_future_state(next), WEIR_FUTURE_PENDING);
    event_raise(&plug.release);
    expect(next, 0, WEIR_FUTURE_DONE);
    assert_ptr_equal(seen.value, VALUE);
    assert_false(pthread_equal(seen.thread, pthread_self()));
    assert_int_equal(weir_pool_free(pool), 0);
}

static void dependent_of_a_pools_future_needs_no_reference_to_it(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    for (int i = 0; i < 500; i++) {
        struct weir_future *source = NULL;
        struct seen seen = {0};
        assert_int_equal(weir_pool_async(pool, call_echo, VALUE, &source), 0);
        struct weir_future *next = then(source, i % 2 ? pool : NULL, &seen, 0);
        weir_future_unref(source);
        expect(next, 0, WEIR_FUTURE_DONE);
        assert_ptr_equal(seen.value, VALUE);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void dependent_is_cancelled_while_queued_but_not_while_it_runs(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future source;
    struct event release = {0};
    struct seen runs = {.wait_for = &release}, never = {0};

    weir_future_init(&source);
    weir_future_set(&source, NULL);
    struct weir_future *running = then(&source, pool, &runs, 0);
    event_await(&runs.begun, 1);
    struct weir_future *queued = then(&source, pool, &never, 0);
    assert_int_equal(weir_future_cancel(queued), 0);
    expect(queued, -ECANCELED, WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_cancel(running), -EINPROGRESS);
    event_raise(&release);
    expect(running, 0, WEIR_FUTURE_DONE);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(number_of(&never.calls), 0);
    assert_int_equal(weir_future_fini(&source), 0);
}

/* A pool of one worker that is busy and whose one place is taken. */
static struct weir_pool *full_pool(enum weir_scheduler scheduler, enum weir_full_policy full,
                                   struct plug *plug, struct counted *counted) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.capacity = 1;
    options.full = full;
    struct weir_pool *pool = unit_pool(scheduler, 1, &options);
    assert_int_equal(weir_pool_execute(pool, plug_run, plug), 0);
    event_await(&plug->begun, 1);
    assert_int_equal(weir_pool_submit(pool, counted_init(counted)), 0);
    return pool;
}

static void pool_that_is_full_by_then_fails_the_dependent_and_blocks_nobody(void **state) {
    const enum weir_full_policy policies[] = {WEIR_FULL_BLOCK, WEIR_FULL_REJECT};

    for (int i = 0; i < 2; i++) {
        struct plug plug = PLUG;
        struct counted counted;
        struct weir_future source;
        struct seen seen = {0};
        struct weir_pool *pool = full_pool(unit_scheduler(state), policies[i], &plug, &counted);
        weir_future_init(&source);
        struct weir_future *next = then(&source, pool, &seen, WEIR_THEN_ALWAYS);
        assert_int_equal(weir_future_set(&source, NULL), 0);
        expect(next, -EAGAIN, WEIR_FUTURE_FAILED);
        event_raise(&plug.release);
        assert_int_equal(weir_pool_free(pool), 0);
        assert_int_equal(number_of(&seen.calls), 0);
        assert_int_equal(number_of(&counted.runs), 1);
        assert_int_equal(weir_future_fini(&source), 0);
    }
}

static void pool_of_caller_runs_has_the_ending_thread_run_the_call(void **state) {
    struct plug plug = PLUG;
    struct counted counted;
    struct weir_future source;
    struct seen seen = {0};
    struct weir_pool *pool =
        full_pool(unit_scheduler(state), WEIR_FULL_CALLER_RUNS, &plug, &counted);

    weir_future_init(&source);
    struct weir_future *next = then(&source, pool, &seen, 0);
    assert_int_equal(weir_future_set(&source, NULL), 0);
    assert_true(pthread_equal(seen.thread, pthread_self()));
    expect(next, 0, WEIR_FUTURE_DONE);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(weir_future_fini(&source), 0);
}

static void pool_that_is_shut_down_by_then_fails_the_dependent(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future source;
    struct seen seen = {0};

    weir_future_init(&source);
    struct weir_future *next = then(&source, pool, &seen, 0);
    struct weir_future *after = then(next, NULL, &seen, 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_future_set(&source, NULL), 0);
    expect(next, -ESHUTDOWN, WEIR_FUTURE_FAILED);
    expect(after, -ESHUTDOWN, WEIR_FUTURE_FAILED);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(number_of(&seen.calls), 0);
    assert_int_equal(weir_future_fini(&source), 0);
}

static void dependent_that_is_dropped_is_cancelled(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_future source;
    struct seen seen = {0};
    weir_future_init(&source);
    struct weir_future *next = then(&source, pool, &seen, WEIR_THEN_ALWAYS);
    assert_int_equal(weir_future_set(&source, NULL), 0);
    assert_int_equal(weir_future_state(next), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    expect(next, -ECANCELED, WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(weir_future_fini(&source), 0);
}

/* ---- Races ---- */

struct race {
    struct weir_future source;
    struct weir_future *next;
    struct event start;
    int rc;
};

static void *race_set(void *arg) {
    struct race *race = arg;

    event_await(&race->start, 1);
    weir_future_set(&race->source, VALUE);
    return NULL;
}

static void *race_cancel(void *arg) {
    struct race *race = arg;

    event_await(&race->start, 1);
    race->rc = weir_future_cancel(race->next);
    weir_future_unref(race->next);
    return NULL;
}

/* Exactly one of cancel and call, whoever comes first, and nothing left behind. */
static void cancel_of_the_dependent_races_the_end_of_its_source(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    long blocks = fault_blocks();

    for (int i = 0; i < 400; i++) {
        struct race race = {.rc = 1};
        struct seen seen = {0};
        weir_future_init(&race.source);
        race.next = then(&race.source, i % 2 ? pool : NULL, &seen, 0);
        weir_future_ref(race.next);
        pthread_t setter = unit_thread(race_set, &race);
        pthread_t canceller = unit_thread(race_cancel, &race);
        event_raise(&race.start);
        int rc = weir_future_get(race.next, NULL, WEIR_FOREVER);
        unit_join(setter);
        unit_join(canceller);
        assert_int_equal(rc, race.rc == 0 ? -ECANCELED : 0);
        assert_int_equal(number_of(&seen.calls), race.rc != 0);
        weir_future_unref(race.next);
        assert_int_equal(weir_future_fini(&race.source), 0);
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(fault_blocks(), blocks);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(bad_arguments_and_no_memory_make_nothing),
        ONCE(call_without_a_pool_runs_on_the_thread_that_ends_the_source),
        ONCE(dependent_that_runs_on_another_thread_is_running),
        ONCE(call_on_a_terminal_source_runs_at_once),
        ONCE(call_added_in_a_callback_of_its_source_runs_at_once),
        ONCE(call_may_wait_for_what_hangs_on_a_promise_that_it_sets),
        ONCE(call_that_waits_for_itself_gets_edeadlk),
        ONCE(chain_of_any_length_needs_little_stack),
        ONCE(many_dependents_of_one_source_each_have_its_value),
        EACH(error_and_cancellation_pass_without_a_call_unless_asked_for),
        ONCE(cancelled_dependent_ends_at_once_and_leaves_its_source_alone),
        ONCE(cancelled_dependent_stays_so_when_its_source_fails),
        ONCE(dependent_whose_token_is_cancelled_is_not_called),
        ONCE(source_that_is_given_up_cancels_its_dependents),
        EACH(call_runs_on_the_pool_after_its_source_is_gone),
        EACH(dependent_of_a_pools_future_needs_no_reference_to_it),
        EACH(dependent_is_cancelled_while_queued_but_not_while_it_runs),
        EACH(pool_that_is_full_by_then_fails_the_dependent_and_blocks_nobody),
        EACH(pool_of_caller_runs_has_the_ending_thread_run_the_call),
        EACH(pool_that_is_shut_down_by_then_fails_the_dependent),
        EACH(dependent_that_is_dropped_is_cancelled),
        EACH(cancel_of_the_dependent_races_the_end_of_its_source),
    };
    return cmocka_run_group_tests_name("then", tests, NULL, NULL);
}
