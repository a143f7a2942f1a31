#include <weir/token.h>

#include "test/unit.h"

#define LATER UINT64_C(3600000000000) /* an hour: never in a test */

struct watcher {
    struct event begun;
    _Atomic bool release;
    bool at_first, at_last;
};

static int watch_token(void *arg, void **value) {
    struct watcher *watcher = arg;

    (void)value;
    watcher->at_first = weir_cancelled();
    event_raise(&watcher->begun);
    UNTIL(weir_cancelled() || atomic_load_explicit(&watcher->release, memory_order_acquire));
    watcher->at_last = weir_cancelled();
    return watcher->at_last ? -ECANCELED : 0;
}

static void running_call_sees_its_token_cancelled(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct watcher watcher = {.at_first = true};
    struct weir_token token;
    struct weir_future future;

    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir_future_init(&future);
    assert_int_equal(weir_future_set_token(&future, &token), 0);
    weir_pool_submit(pool, weir_future_task(&future, watch_token, &watcher, 0));
    event_await(&watcher.begun, 1);
    assert_int_equal(weir_future_set_token(&future, NULL), -EBUSY);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_RUNNING);
    weir_token_cancel(&token);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_FAILED); /* it has run */
    assert_false(watcher.at_first);
    assert_int_equal(weir_future_set_token(&future, NULL), -EALREADY);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&token), 0);
    assert_false(weir_cancelled()); /* outside of any task */
    assert_int_equal(weir_pool_free(pool), 0);
}

/* False: the time passed before the call looked at it. */
static bool sees_the_time_pass(struct weir_pool *pool, uint64_t time_ns) {
    struct watcher watcher = {.at_first = true};
    struct weir_token timed;
    struct weir_future future;

    weir_token_init(&timed, NULL, weir_after(time_ns));
    weir_future_init(&future);
    assert_int_equal(weir_future_set_token(&future, &timed), 0);
    weir_pool_submit(pool, weir_future_task(&future, watch_token, &watcher, 0));
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), -ECANCELED);
    if (!watcher.at_first)
        assert_int_equal(weir_future_state(&future), WEIR_FUTURE_FAILED); /* it has run */
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&timed), 0);
    return !watcher.at_first;
}

static void running_call_sees_its_token_s_time_pass(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    uint64_t time_ns = 1000000;

    while (!sees_the_time_pass(pool, time_ns))
        time_ns *= 2;
    assert_int_equal(weir_pool_free(pool), 0);
}

static void other_calls_do_not_see_it(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_token cancelled, other;
    struct weir_token *tokens[2] = {NULL, &other};
    struct weir_future future;

    weir_token_init(&cancelled, NULL, WEIR_FOREVER);
    weir_token_init(&other, NULL, weir_after(LATER));
    weir_token_cancel(&cancelled);
    for (int i = 0; i < 2; i++) {
        struct watcher watcher = {.at_first = true};
        weir_future_init(&future);
        weir_future_set_token(&future, tokens[i]);
        weir_pool_submit(pool, weir_future_task(&future, watch_token, &watcher, 0));
        event_await(&watcher.begun, 1);
        atomic_store_explicit(&watcher.release, true, memory_order_release);
        assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
        assert_false(watcher.at_first || watcher.at_last);
        assert_int_equal(weir_future_fini(&future), 0);
    }
    assert_int_equal(weir_token_fini(&cancelled), 0);
    assert_int_equal(weir_token_fini(&other), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void queued_call_of_a_cancelled_token_is_dropped(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_token token;
    struct weir_future before, after;
    struct plug plug = PLUG, never = PLUG;

    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir_future_init(&before);
    weir_future_init(&after);
    weir_future_set_token(&before, &token);
    weir_future_set_token(&after, &token);
    weir_pool_submit(pool, weir_future_task(&before, plug_call, &never, 0));
    weir_token_cancel(&token);
    weir_pool_submit(pool, weir_future_task(&after, plug_call, &never, 0)); /* accepted, too */
    event_raise(&plug.release);
    assert_int_equal(weir_future_get(&before, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_get(&after, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_state(&before), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_fini(&before), 0);
    assert_int_equal(weir_future_fini(&after), 0);
    assert_int_equal(weir_token_fini(&token), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).cancelled, 2);
    assert_int_equal(atomic_load_explicit(&never.begun.count, memory_order_relaxed), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void claimer_drops_a_call_whose_token_is_cancelled(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_token token;
    struct weir_future future;
    struct plug plug = PLUG, never = PLUG;

    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir_future_init(&future);
    weir_future_set_token(&future, &token);
    weir_pool_submit(pool, weir_future_task(&future, plug_call, &never, WEIR_TASK_ANY_THREAD));
    weir_token_cancel(&token);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&token), 0);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(atomic_load_explicit(&never.begun.count, memory_order_relaxed), 0);
}

static void submitter_that_would_run_it_drops_it_as_well(void **state) {
    struct weir_pool_options options;
    struct weir_token token;
    struct weir_future future;
    struct plug plug = PLUG, queued = PLUG, never = PLUG;

    weir_pool_options_init(&options);
    options.capacity = 1;
    options.full = WEIR_FULL_CALLER_RUNS;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    weir_pool_execute(pool, plug_run, &queued);
    weir_token_init(&token, NULL, WEIR_NOW);
    weir_future_init(&future);
    weir_future_set_token(&future, &token);
    assert_int_equal(weir_pool_submit(pool, weir_future_task(&future, plug_call, &never, 0)), 0);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_CANCELLED);
    event_raise(&plug.release);
    event_raise(&queued.release);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&token), 0);
}

struct follower {
    struct weir_token *token;
    bool cancelled;
};

/* By now whoever waited for the future may have freed its token. */
static void free_token_and_look(struct weir_future *future, void *arg) {
    struct follower *follower = arg;

    (void)future;
    weir_token_fini(follower->token);
    memset(follower->token, 0xFF, sizeof *follower->token);
    follower->cancelled = weir_cancelled();
}

static void token_is_not_looked_at_once_the_future_is_terminal(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_token token;
    struct follower follower = {.token = &token, .cancelled = true};
    struct weir_callback callback = {.fn = free_token_and_look, .arg = &follower};
    struct weir_future future;

    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir_future_init(&future);
    weir_future_set_token(&future, &token);
    struct weir_task *task = weir_future_task(&future, call_echo, NULL, 0);
    weir_future_on_done(&future, &callback);
    weir_pool_submit(pool, task);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_fini(&future), 0); /* waits for the callback */
    assert_false(follower.cancelled);
    assert_int_equal(weir_pool_free(pool), 0);
}

#define SOAK_TURNS 2000

/* Callers of cancel, workers and claimers race; the token goes as soon as the future is done. */
static void token_lives_as_long_as_its_future_and_no_longer(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    for (int turn = 0; turn < SOAK_TURNS; turn++) {
        struct weir_token *token = malloc(sizeof *token);
        struct weir_future *future = malloc(sizeof *future);
        uint32_t flags = turn & 1 ? WEIR_TASK_ANY_THREAD : 0;
        weir_token_init(token, NULL, turn & 2 ? WEIR_FOREVER : weir_after(10000));
        weir_future_init(future);
        weir_future_set_token(future, token);
        weir_pool_submit(pool, weir_future_task(future, call_echo, token, flags));
        if (turn & 4)
            weir_token_cancel(token);
        void *value = NULL;
        int rc = weir_future_get(future, &value, WEIR_FOREVER);
        weir_token_fini(token);
        free(token);
        assert_true(rc == -ECANCELED ? !value : rc == 0 && value == token);
        weir_future_fini(future);
        free(future);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(running_call_sees_its_token_cancelled),
        EACH(running_call_sees_its_token_s_time_pass),
        EACH(other_calls_do_not_see_it),
        EACH(queued_call_of_a_cancelled_token_is_dropped),
        EACH(claimer_drops_a_call_whose_token_is_cancelled),
        EACH(submitter_that_would_run_it_drops_it_as_well),
        EACH(token_is_not_looked_at_once_the_future_is_terminal),
        EACH(token_lives_as_long_as_its_future_and_no_longer),
    };
    return cmocka_run_group_tests_name("token_task", tests, NULL, NULL);
}
