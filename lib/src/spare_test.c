/* Threads that stand in for workers that block: weir_blocking_begin, and WEIR_WAIT_SPARE. */
#include <weir/pool.h>

#include "test/unit.h"

#define BLOCKERS 4u

/* A task that blocks for as long as it is told, then goes on until it is released. */
struct blocker {
    struct event begun, block, blocked, wake, awake, release;
    unsigned depth;
};

static void block(void *arg) {
    struct blocker *blocker = arg;

    event_raise(&blocker->begun);
    event_await(&blocker->block, 1);
    for (unsigned i = 0; i <= blocker->depth; i++)
        weir_blocking_begin();
    event_raise(&blocker->blocked);
    event_await(&blocker->wake, 1);
    for (unsigned i = 0; i <= blocker->depth; i++)
        weir_blocking_end();
    event_raise(&blocker->awake);
    event_await(&blocker->release, 1);
}

static struct weir_pool *open_pool(void **state, uint32_t spares, enum weir_wait_policy wait) {
    struct weir_pool_options options = unit_options();

    options.max_spares = spares;
    options.wait = wait;
    return unit_pool(unit_scheduler(state), 1, &options);
}

static void begin_to_block(struct weir_pool *pool, struct blocker *blocker) {
    assert_int_equal(weir_pool_execute(pool, block, blocker), 0);
    event_await(&blocker->begun, 1);
    event_raise(&blocker->block);
    event_await(&blocker->blocked, 1);
}

static void end_blocking(struct blocker *blocker) {
    event_raise(&blocker->wake);
    event_await(&blocker->awake, 1);
    event_raise(&blocker->release);
}

static void spare_comes_for_a_task_while_a_worker_blocks_and_one_leaves_after(void **state) {
    unsigned others = unit_other_threads();
    struct weir_pool *pool = open_pool(state, 4, WEIR_WAIT_CLAIM);
    struct blocker blocker = {.depth = 0};
    struct plug plug = PLUG;

    begin_to_block(pool, &blocker);
    assert_int_equal(unit_stats(pool).blocked, 1);
    assert_int_equal(weir_pool_size(pool), 1); /* nothing is queued, so none has come */
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_pool_size(pool), 2);
    assert_int_equal(unit_threads(), others + 2);
    end_blocking(&blocker);
    assert_int_equal(unit_stats(pool).blocked, 0);
    UNTIL(weir_pool_size(pool) == 1);
    UNTIL(unit_threads() == others + 1);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).largest, 2);
    unit_free(pool);
}

static void idle_spare_leaves_when_the_worker_is_back(void **state) {
    struct weir_pool *pool = open_pool(state, 4, WEIR_WAIT_CLAIM);
    struct blocker blocker = {.depth = 0};
    struct counted counted;

    begin_to_block(pool, &blocker);
    uint64_t parks = unit_stats(pool).parks;
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    UNTIL(unit_stats(pool).parks > parks);
    assert_int_equal(number_of(&counted.runs), 1);
    assert_int_equal(weir_pool_size(pool), 2);
    event_raise(&blocker.wake);
    UNTIL(weir_pool_size(pool) == 1);
    event_raise(&blocker.release);
    unit_free(pool);
}

static void spare_comes_for_what_was_queued_before(void **state) {
    struct weir_pool *pool = open_pool(state, 1, WEIR_WAIT_CLAIM);
    struct blocker blocker = {.depth = 0};
    struct plug plug = PLUG;

    assert_int_equal(weir_pool_execute(pool, block, &blocker), 0);
    event_await(&blocker.begun, 1);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    assert_int_equal(weir_pool_size(pool), 1);
    event_raise(&blocker.block);
    event_await(&plug.begun, 1);
    event_raise(&plug.release);
    end_blocking(&blocker);
    unit_free(pool);
}

static void no_more_spares_come_than_are_allowed(void **state) {
    struct weir_pool *pool = open_pool(state, 2, WEIR_WAIT_CLAIM);
    struct blocker blockers[3] = {{.depth = 0}, {.depth = 0}, {.depth = 0}};
    struct counted counted;

    for (int i = 0; i < 3; i++)
        begin_to_block(pool, &blockers[i]);
    assert_int_equal(unit_stats(pool).blocked, 3);
    assert_int_equal(weir_pool_size(pool), 3);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_size(pool), 3);
    assert_int_equal(unit_stats(pool).queued, 1);
    for (int i = 0; i < 3; i++)
        event_raise(&blockers[i].wake);
    for (int i = 0; i < 3; i++)
        event_raise(&blockers[i].release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&counted.runs), 1);
    assert_int_equal(unit_stats(pool).largest, 3);
    UNTIL(weir_pool_size(pool) == 1);
    unit_free(pool);
}

static void without_spares_nobody_stands_in(void **state) {
    struct weir_pool *pool = open_pool(state, 0, WEIR_WAIT_CLAIM);
    struct blocker blocker = {.depth = 0};
    struct counted counted;

    begin_to_block(pool, &blocker);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_size(pool), 1);
    assert_int_equal(unit_stats(pool).blocked, 1);
    end_blocking(&blocker);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&counted.runs), 1);
    assert_int_equal(unit_stats(pool).largest, 1);
    unit_free(pool);
}

static void nested_blocking_counts_its_worker_once_until_the_outermost_end(void **state) {
    struct weir_pool *pool = open_pool(state, 4, WEIR_WAIT_CLAIM);
    struct blocker blocker = {.depth = 3};
    struct plug plugs[2] = {PLUG, PLUG};

    begin_to_block(pool, &blocker);
    assert_int_equal(unit_stats(pool).blocked, 1);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[0]), 0);
    event_await(&plugs[0].begun, 1);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[1]), 0);
    assert_int_equal(weir_pool_size(pool), 2); /* one stands in for one */
    event_raise(&plugs[0].release);
    event_raise(&plugs[1].release);
    end_blocking(&blocker);
    assert_int_equal(unit_stats(pool).blocked, 0);
    unit_free(pool);
}

static void end_alone(void *arg) {
    weir_blocking_end();
    event_raise(arg);
}

static void end_without_a_begin_and_a_thread_that_is_no_worker_change_nothing(void **state) {
    struct weir_pool *pool = open_pool(state, 4, WEIR_WAIT_CLAIM);
    struct event done = {0};

    weir_blocking_begin();
    weir_blocking_end();
    weir_blocking_end();
    assert_int_equal(weir_pool_execute(pool, end_alone, &done), 0);
    event_await(&done, 1);
    assert_int_equal(unit_stats(pool).blocked, 0);
    unit_free(pool);
}

static void block_and_exit(void *arg) {
    (void)arg;
    weir_blocking_begin();
    weir_blocking_begin();
    pthread_exit(NULL);
}

static void thread_that_ends_while_it_blocks_blocks_no_more(void **state) {
    struct weir_pool *pool = open_pool(state, 4, WEIR_WAIT_CLAIM);
    struct blocker blocker = {.depth = 0};

    assert_int_equal(weir_pool_execute(pool, block_and_exit, NULL), 0);
    UNTIL(unit_stats(pool).lost == 1 && unit_stats(pool).blocked == 0);
    begin_to_block(pool, &blocker); /* by its successor, which begins anew */
    assert_int_equal(unit_stats(pool).blocked, 1);
    end_blocking(&blocker);
    assert_int_equal(unit_stats(pool).blocked, 0);
    unit_free(pool);
}

/* ---- Waiting ---- */

struct waiter {
    struct weir_future promise;
    struct event begun;
    bool several;
    uint64_t deadline_ns;
};

static int wait_for_promise(void *arg, void **value) {
    struct waiter *waiter = arg;
    struct weir_future *list[1] = {&waiter->promise};

    event_raise(&waiter->begun);
    if (waiter->several)
        return (int)weir_wait(list, 1, WEIR_ANY, waiter->deadline_ns);
    return weir_future_get(&waiter->promise, value, waiter->deadline_ns);
}

static void waiting_worker_has_a_spare_that_leaves_after(void **state) {
    for (int several = 0; several < 2; several++) {
        unsigned others = unit_other_threads();
        struct weir_pool *pool = open_pool(state, 1, WEIR_WAIT_SPARE);
        struct waiter waiter = {.several = several, .deadline_ns = WEIR_FOREVER};
        struct weir_future *future = NULL;
        struct plug plug = PLUG;
        weir_future_init(&waiter.promise);
        assert_int_equal(weir_pool_async(pool, wait_for_promise, &waiter, &future), 0);
        UNTIL(unit_stats(pool).blocked == 1);
        assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
        event_await(&plug.begun, 1);
        assert_int_equal(weir_pool_size(pool), 2);
        assert_int_equal(weir_future_set(&waiter.promise, NULL), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        event_raise(&plug.release);
        UNTIL(weir_pool_size(pool) == 1);
        UNTIL(unit_threads() == others + 1);
        assert_int_equal(unit_stats(pool).blocked, 0);
        weir_future_unref(future);
        unit_free(pool);
    }
}

static void wait_with_a_spare_times_out(void **state) {
    struct weir_pool *pool = open_pool(state, 1, WEIR_WAIT_SPARE);
    struct waiter waiter = {.deadline_ns = weir_after(1000000)};
    struct weir_future *future = NULL;

    weir_future_init(&waiter.promise);
    assert_int_equal(weir_pool_async(pool, wait_for_promise, &waiter, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -ETIMEDOUT);
    assert_int_equal(unit_stats(pool).blocked, 0);
    weir_future_unref(future);
    unit_free(pool);
}

static int get_nested(void *arg, void **value) {
    struct weir_pool *pool = arg;
    struct weir_future *inner = NULL;

    if (weir_pool_async(pool, call_echo, pool, &inner) != 0)
        return -1;
    int rc = weir_future_get(inner, value, WEIR_FOREVER);
    weir_future_unref(inner);
    return rc;
}

static void worker_that_can_run_what_it_waits_for_needs_no_spare(void **state) {
    struct weir_pool *pool = open_pool(state, 4, WEIR_WAIT_SPARE);
    struct weir_future *future = NULL;
    void *value = NULL;

    for (int i = 0; i < 50; i++) {
        assert_int_equal(weir_pool_async(pool, get_nested, pool, &future), 0);
        assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), 0);
        assert_ptr_equal(value, pool);
        weir_future_unref(future);
    }
    assert_int_equal(unit_stats(pool).largest, 1);
    unit_free(pool);
}

/* Each waits for a promise that the next one sets: as many threads as waiters. */
struct chain {
    struct weir_future promises[BLOCKERS + 1];
};

struct link {
    struct chain *chain;
    unsigned index;
};

static int wait_and_set(void *arg, void **value) {
    struct link *link = arg;

    (void)value;
    int rc = weir_future_get(&link->chain->promises[link->index + 1], NULL, WEIR_FOREVER);
    weir_future_set(&link->chain->promises[link->index], NULL);
    return rc;
}

static void as_many_spares_come_as_workers_wait(void **state) {
    struct weir_pool *pool = open_pool(state, BLOCKERS, WEIR_WAIT_SPARE);
    struct weir_future *futures[BLOCKERS];
    struct link links[BLOCKERS];
    struct chain chain;

    for (unsigned i = 0; i <= BLOCKERS; i++)
        weir_future_init(&chain.promises[i]);
    for (unsigned i = 0; i < BLOCKERS; i++) {
        links[i] = (struct link){&chain, i};
        assert_int_equal(weir_pool_async(pool, wait_and_set, &links[i], &futures[i]), 0);
        UNTIL(unit_stats(pool).blocked == i + 1);
    }
    assert_int_equal(weir_future_set(&chain.promises[BLOCKERS], NULL), 0);
    for (unsigned i = 0; i < BLOCKERS; i++) {
        assert_int_equal(weir_future_get(futures[i], NULL, WEIR_FOREVER), 0);
        weir_future_unref(futures[i]);
    }
    UNTIL(weir_pool_size(pool) == 1);
    unit_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(spare_comes_for_a_task_while_a_worker_blocks_and_one_leaves_after),
        EACH(idle_spare_leaves_when_the_worker_is_back),
        EACH(spare_comes_for_what_was_queued_before),
        EACH(no_more_spares_come_than_are_allowed),
        EACH(without_spares_nobody_stands_in),
        EACH(nested_blocking_counts_its_worker_once_until_the_outermost_end),
        EACH(end_without_a_begin_and_a_thread_that_is_no_worker_change_nothing),
        EACH(thread_that_ends_while_it_blocks_blocks_no_more),
        EACH(waiting_worker_has_a_spare_that_leaves_after),
        EACH(wait_with_a_spare_times_out),
        EACH(worker_that_can_run_what_it_waits_for_needs_no_spare),
        EACH(as_many_spares_come_as_workers_wait),
    };
    return cmocka_run_group_tests_name("spare", tests, NULL, NULL);
}
