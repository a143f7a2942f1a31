#include <fcntl.h>
#include <poll.h>

#include "test/fault.h"
#include "test/unit.h"

static struct weir_completion *new_completion(void) {
    struct weir_completion *completion = NULL;

    assert_int_equal(weir_completion_new(&completion), 0);
    return completion;
}

/* Takes one at once, and checks which. */
static void expect_next(struct weir_completion *completion, struct weir_future *future,
                        void *user) {
    struct weir_future *got = NULL;
    void *got_user = NULL;

    assert_int_equal(weir_completion_next(completion, &got, &got_user, WEIR_NOW), 0);
    assert_ptr_equal(got, future);
    assert_ptr_equal(got_user, user);
}

static int next(struct weir_completion *completion, uint64_t deadline_ns) {
    return weir_completion_next(completion, NULL, NULL, deadline_ns);
}

/* ---- The descriptor ---- */

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    return poll(&poller, 1, timeout_ms) == 1 && (poller.revents & POLLIN);
}

static void descriptor_is_readable_exactly_while_something_can_be_taken(void **state) {
    struct weir_completion *completion = new_completion();
    struct weir_future futures[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        weir_future_init(&futures[i]);
        weir_completion_add(completion, &futures[i], NULL);
    }
    weir_future_set(&futures[0], NULL);
    int fd = weir_completion_fd(completion);
    assert_true(fd >= 0);
    assert_int_equal(weir_completion_fd(completion), fd);
    assert_true(is_readable(fd, 0)); /* made when something was there */
    weir_future_set(&futures[1], NULL);
    assert_true(is_readable(fd, 0));
    expect_next(completion, &futures[0], NULL);
    assert_true(is_readable(fd, 0));
    expect_next(completion, &futures[1], NULL);
    assert_false(is_readable(fd, 0));
    assert_int_equal(next(completion, WEIR_NOW), -EAGAIN);
    weir_future_set(&futures[2], NULL);
    assert_true(is_readable(fd, 0));
    expect_next(completion, &futures[2], NULL);
    weir_future_set(&futures[3], NULL);
    struct weir_completed completed[2];
    assert_int_equal(weir_completion_next_batch(completion, completed, 2, WEIR_NOW), 1);
    assert_false(is_readable(fd, 0));
    assert_int_equal(next(completion, WEIR_NOW), -ENOENT);
    weir_completion_free(completion);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void descriptor_that_cannot_be_made_may_be_asked_for_again(void **state) {
    struct weir_completion *completion = new_completion();

    (void)state;
    fault_fail_nth(1);
    assert_int_equal(weir_completion_fd(completion), -EMFILE);
    fault_reset();
    int fd = weir_completion_fd(completion);
    assert_true(fd >= 0);
    assert_false(is_readable(fd, 0));
    weir_completion_free(completion);
}

static void loop_on_the_descriptor_misses_nothing(void **state) {
    enum { CALLS = 3000 };
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_completion *completion = new_completion();
    int fd = weir_completion_fd(completion), taken = 0;
    int rc;

    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(weir_completion_async(completion, pool, call_echo, NULL, NULL), 0);
        if (i % 100)
            continue;
        while ((rc = next(completion, WEIR_NOW)) == 0)
            taken++;
    }
    do {
        assert_true(is_readable(fd, -1));
        while ((rc = next(completion, WEIR_NOW)) == 0)
            taken++;
    } while (rc == -EAGAIN);
    assert_int_equal(rc, -ENOENT);
    assert_int_equal(taken, CALLS);
    assert_false(is_readable(fd, 0));
    weir_completion_free(completion);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Freeing ---- */

static void queue_is_freed_with_futures_outstanding(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_completion *completion = new_completion();
    struct plug plug = PLUG;
    struct weir_future own, ready;
    int fd = weir_completion_fd(completion);
    long blocks = fault_blocks();

    weir_future_init(&own);
    weir_future_init(&ready);
    weir_completion_add(completion, &own, NULL);
    weir_completion_add(completion, &ready, NULL);
    weir_future_set(&ready, NULL);
    assert_int_equal(weir_completion_async(completion, pool, plug_call, &plug, NULL), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_completion_async(completion, pool, call_echo, NULL, NULL), 0);
    weir_completion_free(completion);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(weir_future_fini(&ready), 0);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).completed, 2);
    assert_int_equal(weir_future_set(&own, NULL), 0); /* gives the rest back */
    assert_int_equal(weir_future_fini(&own), 0);
    assert_int_equal(fault_blocks(), blocks - 1); /* the queue itself was one of them */
    assert_int_equal(weir_pool_free(pool), 0);
}

static void ready_calls_that_nobody_takes_are_let_go_by_the_free(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    long blocks = fault_blocks();
    struct weir_completion *completion = new_completion();

    for (int i = 0; i < 20; i++)
        assert_int_equal(weir_completion_async(completion, pool, call_echo, NULL, NULL), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_completion_pending(completion), 20);
    weir_completion_free(completion);
    assert_int_equal(fault_blocks(), blocks);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void *set_main(void *arg) {
    weir_future_set(arg, NULL);
    return NULL;
}

/* The taker frees queue and future while the setter is still on its way out of the callback. */
static void queue_may_be_freed_by_whoever_takes_the_last_one(void **state) {
    long blocks = fault_blocks();

    (void)state;
    for (int turn = 0; turn < 500; turn++) {
        struct weir_completion *completion = new_completion();
        struct weir_future future;
        weir_future_init(&future);
        weir_completion_add(completion, &future, NULL);
        pthread_t setter = unit_thread(set_main, &future);
        assert_int_equal(next(completion, WEIR_FOREVER), 0);
        weir_completion_free(completion);
        assert_int_equal(weir_future_fini(&future), 0);
        memset(&future, 0xA5, sizeof future);
        unit_join(setter);
    }
    assert_int_equal(fault_blocks(), blocks);
}

static void queue_may_be_freed_while_its_futures_end(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    long blocks = fault_blocks();

    for (int turn = 0; turn < 500; turn++) {
        struct weir_completion *completion = new_completion();
        if (turn % 2)
            assert_true(weir_completion_fd(completion) >= 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(weir_completion_async(completion, pool, call_echo, NULL, NULL), 0);
        for (int i = 0; i < turn % 4; i++)
            assert_int_equal(next(completion, WEIR_FOREVER), 0);
        weir_completion_free(completion);
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(fault_blocks(), blocks);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(descriptor_is_readable_exactly_while_something_can_be_taken),
        ONCE(descriptor_that_cannot_be_made_may_be_asked_for_again),
        EACH(loop_on_the_descriptor_misses_nothing),
        EACH(queue_is_freed_with_futures_outstanding),
        EACH(ready_calls_that_nobody_takes_are_let_go_by_the_free),
        ONCE(queue_may_be_freed_by_whoever_takes_the_last_one),
        EACH(queue_may_be_freed_while_its_futures_end),
    };
    return cmocka_run_group_tests_name("completion end", tests, NULL, NULL);
}
