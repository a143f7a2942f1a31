#include <weir/stats.h>

#include "test/unit.h"

static void bad_arguments_are_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_pool_stats stats = {.size = 0};
    struct weir_worker_stats worker = {.size = 0};

    assert_int_equal(weir_pool_stats(NULL, &stats), -EINVAL);
    assert_int_equal(weir_pool_stats(pool, NULL), -EINVAL);
    assert_int_equal(weir_pool_stats(pool, &stats), -EINVAL);
    stats.size = sizeof stats + 1;
    assert_int_equal(weir_pool_stats(pool, &stats), -EINVAL);
    assert_int_equal(weir_worker_stats(NULL, 0, &worker), -EINVAL);
    assert_int_equal(weir_worker_stats(pool, 0, NULL), -EINVAL);
    assert_int_equal(weir_worker_stats(pool, 0, &worker), -EINVAL);
    worker.size = sizeof worker;
    assert_int_equal(weir_worker_stats(pool, 1, &worker), 0);
    assert_int_equal(weir_worker_stats(pool, 2, &worker), -ERANGE);
    assert_int_equal(weir_worker_stats(pool, SIZE_MAX, &worker), -ERANGE);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void only_the_callers_size_is_written(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_pool_stats stats;

    memset(&stats, 0xA5, sizeof stats);
    stats.size = offsetof(struct weir_pool_stats, active);
    assert_int_equal(weir_pool_stats(pool, &stats), 0);
    assert_int_equal(stats.size, offsetof(struct weir_pool_stats, active));
    assert_int_equal(stats.workers, 2);
    for (size_t i = stats.size; i < sizeof stats; i++)
        assert_int_equal(((unsigned char *)&stats)[i], 0xA5);
    assert_int_equal(weir_pool_free(pool), 0);
}

#define GOOD 50
#define BAD  7

/* Tasks of every outcome, then numbers that are exact because the pool is idle. */
static void numbers_are_exact_when_the_pool_is_idle(void **state) {
    struct weir_pool_options options;
    struct weir_future *futures[GOOD + BAD], *cancelled = NULL;
    struct plug plug = PLUG;
    struct counted counted;

    weir_pool_options_init(&options);
    options.capacity = 1;
    options.full = WEIR_FULL_REJECT;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    assert_int_equal(unit_stats(pool).active, 1);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &cancelled), 0);
    assert_int_equal(unit_stats(pool).queued, 1);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), -EAGAIN);
    assert_int_equal(weir_future_cancel(cancelled), 0);
    assert_int_equal(unit_stats(pool).queued, 0);
    weir_future_unref(cancelled);
    event_raise(&plug.release);
    for (int i = 0; i < GOOD + BAD; i++) {
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        weir_call call = i < GOOD ? call_echo : call_fail;
        assert_int_equal(weir_pool_async(pool, call, (void *)(intptr_t)-EIO, &futures[i]), 0);
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    struct weir_pool_stats stats = unit_stats(pool);
    assert_int_equal(stats.workers, 1);
    assert_int_equal(stats.active, 0);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.submitted, 1 + 1 + GOOD + BAD);
    assert_int_equal(stats.completed, 1 + GOOD);
    assert_int_equal(stats.failed, BAD);
    assert_int_equal(stats.cancelled, 1);
    assert_int_equal(stats.rejected, 1);
    assert_int_equal(stats.caller_ran, 0);
    assert_int_equal(stats.steals, 0);
    for (int i = 0; i < GOOD + BAD; i++)
        weir_future_unref(futures[i]);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void workers_numbers_add_up_to_the_pools(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, NULL);
    struct weir_worker_stats sum = {.size = 0};
    struct plug plugs[3] = {PLUG, PLUG, PLUG};

    /* Each worker inside a task at once, so that each has one of its own. */
    for (int i = 0; i < 3; i++)
        weir_pool_execute(pool, plug_run, &plugs[i]);
    for (int i = 0; i < 3; i++)
        event_await(&plugs[i].begun, 1);
    for (size_t i = 0; i < 3; i++) {
        struct weir_worker_stats stats = {.size = sizeof stats};
        assert_int_equal(weir_worker_stats(pool, i, &stats), 0);
        assert_int_equal(stats.active, 1);
        assert_int_equal(stats.completed, 0);
    }
    for (int i = 0; i < 3; i++)
        event_raise(&plugs[i].release);
    for (int i = 0; i < 40; i++) {
        struct weir_future *future = NULL;
        weir_pool_async(pool, i % 2 ? call_echo : call_fail, (void *)(intptr_t)-EIO, &future);
        weir_future_unref(future);
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    for (size_t i = 0; i < 3; i++) {
        struct weir_worker_stats stats = {.size = sizeof stats};
        assert_int_equal(weir_worker_stats(pool, i, &stats), 0);
        assert_int_equal(stats.active, 0);
        assert_true(stats.completed >= 1);
        sum.completed += stats.completed;
        sum.failed += stats.failed;
        sum.steals += stats.steals;
    }
    struct weir_pool_stats stats = unit_stats(pool);
    assert_int_equal(sum.completed, 23);
    assert_int_equal(sum.failed, 20);
    assert_int_equal(stats.completed, sum.completed);
    assert_int_equal(stats.failed, sum.failed);
    assert_int_equal(stats.steals, sum.steals);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void parked_worker_counts_its_park_and_its_wake(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct counted counted;

    UNTIL(unit_stats(pool).parks == 1);
    uint64_t wakes = unit_stats(pool).wakes;
    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
        UNTIL(number_of(&counted.runs) == 1);
        UNTIL(unit_stats(pool).parks > i);
    }
    assert_int_equal(unit_stats(pool).completed, 20);
    assert_int_equal(unit_stats(pool).wakes, wakes + 20);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void nothing(void *arg) {
    (void)arg;
}

static void nobody_is_active_at_an_idle_moment(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    for (int i = 0; i < 3000; i++) {
        assert_int_equal(weir_pool_execute(pool, nothing, NULL), 0);
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        struct weir_pool_stats stats = unit_stats(pool);
        assert_int_equal(stats.active + stats.queued, 0);
        assert_int_equal(stats.completed, i + 1);
    }
    unit_free(pool);
}

static void place_tells_whether_it_has_a_thread(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_worker_stats worker = {.size = sizeof worker};
    struct plug plug = PLUG;

    options.max_threads = 1;
    options.keep_alive_ns = 0;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), WEIR_NO_CORE, &options);
    assert_int_equal(weir_worker_stats(pool, 0, &worker), -ERANGE);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_worker_stats(pool, 0, &worker), 0);
    assert_int_equal(worker.alive, 1);
    assert_int_equal(worker.active, 1);
    assert_int_equal(worker.task_ns, 0); /* nobody asked for times */
    event_raise(&plug.release);
    do
        assert_int_equal(weir_worker_stats(pool, 0, &worker), 0);
    while (worker.alive || worker.completed == 0); /* the numbers of one look may be apart */
    assert_int_equal(worker.completed, 1);         /* kept when the thread has left */
    assert_int_equal(weir_worker_stats(pool, 1, &worker), -ERANGE);
    unit_free(pool);
}

struct feeder {
    struct weir_pool *pool;
    struct plug plug;
    struct counted counted[3];
};

static void feed(void *arg) {
    struct feeder *feeder = arg;

    for (int i = 0; i < 3; i++)
        weir_pool_submit(feeder->pool, counted_init(&feeder->counted[i]));
    plug_run(&feeder->plug);
}

static void worker_tells_what_lies_in_its_own_queue(void **state) {
    struct feeder feeder = {.pool = unit_pool(unit_scheduler(state), 1, NULL)};
    struct weir_worker_stats worker = {.size = sizeof worker};

    assert_int_equal(weir_pool_execute(feeder.pool, feed, &feeder), 0);
    event_await(&feeder.plug.begun, 1);
    assert_int_equal(weir_worker_stats(feeder.pool, 0, &worker), 0);
    assert_int_equal(worker.queued, unit_scheduler(state) == WEIR_STEALING ? 3 : 0);
    assert_int_equal(unit_stats(feeder.pool).queued, 3);
    event_raise(&feeder.plug.release);
    unit_free(feeder.pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(bad_arguments_are_refused),
        EACH(only_the_callers_size_is_written),
        EACH(numbers_are_exact_when_the_pool_is_idle),
        EACH(workers_numbers_add_up_to_the_pools),
        EACH(parked_worker_counts_its_park_and_its_wake),
        EACH(nobody_is_active_at_an_idle_moment),
        EACH(place_tells_whether_it_has_a_thread),
        EACH(worker_tells_what_lies_in_its_own_queue),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
