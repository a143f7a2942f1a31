/* What stands for Thread.interrupt: tokens, and shutdown that cancels what runs. PARITY.md names
 * each test. */
#include <weir.h>

#include <poll.h>
#include <unistd.h>

#include "test/occupied.h"

/* A call that ends when it is asked to, as a loop over small steps would. */
static int call_until_asked(void *arg, void **value) {
    event_raise(arg);
    *value = NULL;
    UNTIL(weir_cancelled());
    return -ECANCELED;
}

/* shutdownNow: what is queued is dropped, what runs is asked. */
static void cancel_running_is_seen_by_running_tasks_that_ask(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct event begun = {0};
    struct weir_future *running[2], *queued;

    for (int i = 0; i < 2; i++)
        assert_int_equal(weir_pool_async(pool, call_until_asked, &begun, &running[i]), 0);
    event_await(&begun, 2);
    queued = queue_echo(pool, NULL);
    assert_false(weir_cancelled());
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_RUNNING), 0);
    assert_int_equal(get_and_unref(queued), -ECANCELED);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_future_get(running[i], NULL, WEIR_FOREVER), -ECANCELED);
        assert_int_equal(weir_future_state(running[i]), WEIR_FUTURE_FAILED); /* it did run */
        weir_future_unref(running[i]);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Java's interrupt does not stop a task that does not look, and nothing here does. */
static void task_that_does_not_ask_runs_to_its_end(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future *future = NULL;
    struct plug plug = PLUG;

    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &future), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_RUNNING), 0);
    assert_int_equal(weir_future_state(future), WEIR_FUTURE_RUNNING);
    event_raise(&plug.release);
    assert_int_equal(get_and_unref(future), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* cancel(true) of one call: its neighbours hear nothing. */
static void token_asks_a_running_call_which_answers(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct event begun = {0};
    struct plug plug = PLUG;
    struct weir_token token;
    struct weir_future future;
    struct weir_future *neighbour = NULL;

    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir_future_init(&future);
    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &neighbour), 0);
    struct weir_task *task = weir_future_task(&future, call_until_asked, &begun, 0);
    assert_int_equal(weir_future_set_token(&future, &token), 0);
    assert_int_equal(weir_pool_submit(pool, task), 0);
    event_await(&begun, 1);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_future_cancel(&future), -EINPROGRESS); /* cancel alone does not ask */
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_RUNNING);
    assert_int_equal(weir_token_cancel(&token), 0);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_FAILED);
    assert_int_equal(weir_future_state(neighbour), WEIR_FUTURE_RUNNING);
    event_raise(&plug.release);
    assert_int_equal(get_and_unref(neighbour), 0);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&token), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct reading {
    struct event begun;
    struct weir_token token;
    int pipe[2];
};

/* Sleeps in the kernel until there is something to read, or until it is asked. */
static int call_read(void *arg, void **value) {
    struct reading *reading = arg;
    struct pollfd fds[2] = {
        {.fd = reading->pipe[0], .events = POLLIN},
        {.fd = weir_token_fd(&reading->token), .events = POLLIN},
    };

    *value = NULL;
    event_raise(&reading->begun);
    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return -errno;
    return fds[1].revents & POLLIN ? -ECANCELED : 0;
}

/* What interrupt does for a thread that sleeps in a blocking call. */
static void token_ends_a_poll_as_interrupt_ends_a_blocking_call(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct reading reading = {.begun = {0}};
    struct weir_future *future = NULL;

    assert_int_equal(pipe(reading.pipe), 0);
    weir_token_init(&reading.token, NULL, WEIR_FOREVER);
    assert_int_equal(weir_pool_async(pool, call_read, &reading, &future), 0);
    event_await(&reading.begun, 1);
    assert_int_equal(weir_token_cancel(&reading.token), 0);
    assert_int_equal(get_and_unref(future), -ECANCELED);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(weir_token_fini(&reading.token), 0);
    close(reading.pipe[0]);
    close(reading.pipe[1]);
}

/* A call whose token was cancelled while it was queued never runs. */
static void token_cancelled_before_its_turn_drops_the_queued_call(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;
    struct weir_token token;
    struct weir_future future;
    struct event begun = {0};

    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir_future_init(&future);
    occupied_make(&occupied, &options);
    struct weir_task *task = weir_future_task(&future, call_until_asked, &begun, 0);
    assert_int_equal(weir_future_set_token(&future, &token), 0);
    assert_int_equal(weir_pool_submit(occupied.pool, task), 0);
    assert_int_equal(weir_token_cancel(&token), 0);
    event_raise(&occupied.plug.release);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), -ECANCELED);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_CANCELLED);
    assert_int_equal(begun.count, 0);
    occupied_end(&occupied);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&token), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(cancel_running_is_seen_by_running_tasks_that_ask),
        EACH(task_that_does_not_ask_runs_to_its_end),
        EACH(token_asks_a_running_call_which_answers),
        EACH(token_ends_a_poll_as_interrupt_ends_a_blocking_call),
        EACH(token_cancelled_before_its_turn_drops_the_queued_call),
    };
    return cmocka_run_group_tests_name("parity: interrupt", tests, NULL, NULL);
}
