/* How many threads a pool has, proved by the kernel's count where it matters. */
#include "sizing.h"

#include "test/fault.h"
#include "test/unit.h"

#define HOUR_NS UINT64_C(3600000000000)
#define MOST    4u

struct busy {
    struct weir_pool *pool;
    unsigned others; /* threads that are not the pool's */
    struct plug plugs[2 * MOST];
};

static void open_busy(struct busy *busy, void **state, unsigned core,
                      const struct weir_pool_options *options) {
    memset(busy, 0, sizeof *busy);
    busy->others = unit_other_threads();
    busy->pool = unit_pool(unit_scheduler(state), core, options);
}

/* Submits a call that occupies a worker, and waits for its begin. */
static void occupy(struct busy *busy, unsigned i) {
    assert_int_equal(weir_pool_execute(busy->pool, plug_run, &busy->plugs[i]), 0);
    event_await(&busy->plugs[i].begun, 1);
}

static void release(struct busy *busy, unsigned i) {
    event_raise(&busy->plugs[i].release);
}

/* The kernel counts as many as the pool says that it has. */
static void until_threads(struct busy *busy, unsigned n) {
    UNTIL(weir_pool_size(busy->pool) == n);
    UNTIL(unit_threads() == busy->others + n);
}

static void close_busy(struct busy *busy) {
    unit_free(busy->pool);
    UNTIL(unit_threads() == busy->others);
}

/* ---- Growing ---- */

static void pool_grows_while_nobody_is_idle_up_to_max_and_not_above(void **state) {
    struct weir_pool_options options = unit_options();
    struct counted counted;
    struct busy busy;

    options.max_threads = MOST;
    open_busy(&busy, state, 1, &options);
    until_threads(&busy, 1);
    for (unsigned i = 0; i < MOST; i++) {
        occupy(&busy, i);
        assert_int_equal(weir_pool_size(busy.pool), i + 1);
    }
    assert_int_equal(weir_pool_submit(busy.pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_size(busy.pool), MOST);
    assert_int_equal(unit_threads(), busy.others + MOST);
    assert_int_equal(unit_stats(busy.pool).queued, 1);
    for (unsigned i = 0; i < MOST; i++)
        release(&busy, i);
    assert_int_equal(weir_pool_await_idle(busy.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(busy.pool).largest, MOST);
    assert_int_equal(number_of(&counted.runs), 1);
    close_busy(&busy);
}

static void idle_worker_takes_the_task_and_no_thread_comes(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.max_threads = MOST;
    open_busy(&busy, state, 1, &options);
    for (unsigned i = 0; i < 2 * MOST; i++) {
        UNTIL(unit_stats(busy.pool).parks > i);
        occupy(&busy, i);
        release(&busy, i);
    }
    assert_int_equal(weir_pool_await_idle(busy.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(busy.pool).largest, 1);
    close_busy(&busy);
}

static void batch_grows_the_pool_to_max(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_future futures[MOST];
    struct weir_task *tasks[MOST];
    struct busy busy;

    options.max_threads = MOST;
    open_busy(&busy, state, WEIR_NO_CORE, &options);
    for (unsigned i = 0; i < MOST; i++) {
        weir_future_init(&futures[i]);
        tasks[i] = weir_future_task(&futures[i], plug_call, &busy.plugs[i], 0);
    }
    assert_int_equal(weir_pool_submit_batch(busy.pool, tasks, MOST), MOST);
    for (unsigned i = 0; i < MOST; i++)
        event_await(&busy.plugs[i].begun, 1); /* all at once: nobody waits for another's end */
    assert_int_equal(weir_pool_size(busy.pool), MOST);
    for (unsigned i = 0; i < MOST; i++)
        release(&busy, i);
    close_busy(&busy);
}

static void pool_that_grows_when_full_begins_with_the_task_that_found_it_so(void **state) {
    struct weir_pool_options options = unit_options();
    struct counted queued[2], last;
    struct busy busy;

    options.max_threads = 3;
    options.capacity = 2;
    options.full = WEIR_FULL_REJECT;
    options.growth = WEIR_GROW_WHEN_FULL;
    open_busy(&busy, state, 1, &options);
    occupy(&busy, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(weir_pool_submit(busy.pool, counted_init(&queued[i])), 0);
    assert_int_equal(weir_pool_size(busy.pool), 1);
    occupy(&busy, 1); /* begins, while two older ones stay queued */
    occupy(&busy, 2);
    assert_int_equal(weir_pool_size(busy.pool), 3);
    assert_int_equal(unit_stats(busy.pool).queued, 2);
    assert_int_equal(weir_pool_submit(busy.pool, counted_init(&last)), -EAGAIN);
    assert_int_equal(weir_pool_size(busy.pool), 3);
    assert_int_equal(unit_stats(busy.pool).rejected, 1);
    for (unsigned i = 0; i < 3; i++)
        release(&busy, i);
    assert_int_equal(weir_pool_await_idle(busy.pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&queued[0].runs) + number_of(&queued[1].runs), 2);
    assert_int_equal(number_of(&last.runs) + number_of(&last.drops), 0);
    close_busy(&busy);
}

static void pool_that_grows_when_full_fills_its_core_first(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.max_threads = 3;
    options.capacity = 1;
    options.on_demand = true;
    options.growth = WEIR_GROW_WHEN_FULL;
    open_busy(&busy, state, 2, &options);
    until_threads(&busy, 0);
    occupy(&busy, 0);
    occupy(&busy, 1);
    assert_int_equal(weir_pool_size(busy.pool), 2);
    assert_int_equal(weir_pool_execute(busy.pool, plug_run, &busy.plugs[2]), 0);
    assert_int_equal(weir_pool_size(busy.pool), 2);
    occupy(&busy, 3);
    assert_int_equal(weir_pool_size(busy.pool), 3);
    for (unsigned i = 0; i < 4; i++)
        release(&busy, i);
    close_busy(&busy);
}

/* ---- Leaving ---- */

static void threads_above_the_core_leave_at_once_with_keep_alive_zero(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.max_threads = MOST;
    options.keep_alive_ns = 0;
    open_busy(&busy, state, 1, &options);
    for (unsigned i = 0; i < MOST; i++)
        occupy(&busy, i);
    assert_int_equal(unit_threads(), busy.others + MOST);
    for (unsigned i = 0; i < MOST; i++)
        release(&busy, i);
    until_threads(&busy, 1);
    close_busy(&busy);
}

static void idle_threads_stay_for_the_keep_alive_time_and_see_it_change(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.max_threads = 3;
    options.keep_alive_ns = HOUR_NS;
    open_busy(&busy, state, 1, &options);
    for (unsigned i = 0; i < 3; i++)
        occupy(&busy, i);
    for (unsigned i = 0; i < 3; i++)
        release(&busy, i);
    UNTIL(unit_stats(busy.pool).parks >= 3);
    assert_int_equal(weir_pool_size(busy.pool), 3);
    assert_int_equal(weir_pool_set_keep_alive(busy.pool, 1000, false), 0);
    until_threads(&busy, 1);
    assert_int_equal(weir_pool_set_keep_alive(busy.pool, 0, true), 0);
    until_threads(&busy, 0);
    occupy(&busy, 3); /* and one comes when there is work */
    release(&busy, 3);
    until_threads(&busy, 0);
    close_busy(&busy);
}

static void core_threads_leave_too_with_core_timeout(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.core_timeout = true;
    options.keep_alive_ns = 1000000;
    open_busy(&busy, state, 3, &options);
    until_threads(&busy, 0);
    occupy(&busy, 0);
    assert_int_equal(weir_pool_size(busy.pool), 1);
    release(&busy, 0);
    until_threads(&busy, 0);
    close_busy(&busy);
}

static void pool_without_core_has_threads_only_while_there_is_work(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.max_threads = 2;
    options.keep_alive_ns = 0;
    open_busy(&busy, state, WEIR_NO_CORE, &options);
    assert_int_equal(weir_pool_size(busy.pool), 0);
    assert_int_equal(unit_threads(), busy.others);
    for (unsigned i = 0; i < 4; i += 2) {
        occupy(&busy, i);
        occupy(&busy, i + 1);
        assert_int_equal(unit_threads(), busy.others + 2);
        release(&busy, i);
        release(&busy, i + 1);
        until_threads(&busy, 0);
    }
    assert_int_equal(unit_stats(busy.pool).largest, 2);
    close_busy(&busy);
}

/* Whether what a submitter hands over comes before, during or after the last thread's leaving. */
static void no_task_is_lost_to_a_leaving_thread(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.max_threads = 2;
    options.keep_alive_ns = 0;
    open_busy(&busy, state, WEIR_NO_CORE, &options);
    for (unsigned i = 0; i < 4000; i++) {
        struct weir_future future;
        void *value = NULL;
        weir_future_init(&future);
        struct weir_task *task = weir_future_task(&future, call_echo, &future, 0);
        assert_int_equal(weir_pool_submit(busy.pool, task), 0);
        assert_int_equal(weir_future_get(&future, &value, WEIR_FOREVER), 0);
        assert_ptr_equal(value, &future);
        assert_int_equal(weir_future_fini(&future), 0);
        for (unsigned turns = i % 8; turns > 0; turns--)
            unit_yield();
    }
    until_threads(&busy, 0);
    assert_int_equal(unit_stats(busy.pool).completed, 4000);
    close_busy(&busy);
}

/* ---- Starting ---- */

static void on_demand_pool_starts_its_core_with_its_tasks_and_keeps_it(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.on_demand = true;
    options.keep_alive_ns = 0;
    open_busy(&busy, state, 2, &options);
    assert_int_equal(unit_threads(), busy.others);
    for (unsigned i = 0; i < 2; i++) {
        occupy(&busy, i);
        assert_int_equal(unit_threads(), busy.others + i + 1);
    }
    for (unsigned i = 0; i < 2; i++)
        release(&busy, i);
    UNTIL(unit_stats(busy.pool).parks >= 2);
    assert_int_equal(weir_pool_size(busy.pool), 2);
    close_busy(&busy);
}

static void prestart_starts_what_is_missing_of_the_core(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.on_demand = true;
    open_busy(&busy, state, 3, &options);
    occupy(&busy, 0);
    assert_int_equal(weir_pool_prestart(busy.pool), 2);
    assert_int_equal(unit_threads(), busy.others + 3);
    assert_int_equal(weir_pool_prestart(busy.pool), 0);
    assert_int_equal(weir_pool_prestart(NULL), -EINVAL);
    release(&busy, 0);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_prestart(busy.pool), -ESHUTDOWN);
    close_busy(&busy);
}

/* Threads that leave at once are not made up for, or it would never return. */
static void prestart_returns_though_threads_leave_at_once(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.on_demand = true;
    options.core_timeout = true;
    options.keep_alive_ns = 0;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 4, &options);
    for (int i = 0; i < 20; i++)
        assert_in_range(weir_pool_prestart(pool), 0, 4);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void prestart_of_a_pool_that_was_not_started_starts_nothing(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.deferred_start = true;
    open_busy(&busy, state, 2, &options);
    assert_int_equal(weir_pool_prestart(busy.pool), 0);
    assert_int_equal(unit_threads(), busy.others);
    assert_int_equal(weir_pool_start(busy.pool), 0);
    until_threads(&busy, 2);
    close_busy(&busy);
}

/* ---- Resizing ---- */

static void resize_refuses_sizes_out_of_range_and_changes_nothing(void **state) {
    struct weir_pool_options now = unit_options();
    struct busy busy;

    open_busy(&busy, state, 2, NULL);
    assert_int_equal(weir_pool_resize(NULL, 1, 1), -EINVAL);
    assert_int_equal(weir_pool_resize(busy.pool, 3, 2), -EINVAL);
    assert_int_equal(weir_pool_resize(busy.pool, WEIR_NO_CORE, 0), -EINVAL);
    assert_int_equal(weir_pool_resize(busy.pool, 1, WEIR_MAX_THREADS + 1), -EINVAL);
    assert_int_equal(weir_pool_set_keep_alive(NULL, 0, false), -EINVAL);
    assert_int_equal(weir_pool_get_options(busy.pool, &now), 0);
    assert_int_equal(now.threads, 2);
    assert_int_equal(now.max_threads, 2);
    close_busy(&busy);
}

static void resize_up_lets_queued_tasks_have_threads(void **state) {
    struct busy busy;

    open_busy(&busy, state, 1, NULL);
    occupy(&busy, 0);
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(weir_pool_execute(busy.pool, plug_run, &busy.plugs[i]), 0);
    assert_int_equal(weir_pool_size(busy.pool), 1);
    assert_int_equal(weir_pool_resize(busy.pool, 2, 4), 0);
    for (unsigned i = 1; i < 4; i++)
        event_await(&busy.plugs[i].begun, 1);
    assert_int_equal(unit_threads(), busy.others + 4);
    for (unsigned i = 0; i < 4; i++)
        release(&busy, i);
    close_busy(&busy);
}

static void resize_down_of_an_idle_pool_ends_threads_at_once(void **state) {
    struct busy busy;

    open_busy(&busy, state, 4, NULL);
    UNTIL(unit_stats(busy.pool).parks >= 4);
    assert_int_equal(weir_pool_resize(busy.pool, 1, 1), 0);
    until_threads(&busy, 1);
    occupy(&busy, 0);
    release(&busy, 0);
    close_busy(&busy);
}

static void resize_down_of_a_busy_pool_ends_threads_after_their_tasks(void **state) {
    struct counted counted[8];
    struct busy busy;

    open_busy(&busy, state, 4, NULL);
    for (unsigned i = 0; i < 4; i++)
        occupy(&busy, i);
    for (int i = 0; i < 8; i++)
        assert_int_equal(weir_pool_submit(busy.pool, counted_init(&counted[i])), 0);
    assert_int_equal(weir_pool_resize(busy.pool, 1, 2), 0);
    assert_int_equal(weir_pool_size(busy.pool), 4);
    release(&busy, 0);
    until_threads(&busy, 3);
    release(&busy, 1);
    until_threads(&busy, 2);
    assert_int_equal(unit_stats(busy.pool).queued, 8); /* those that left took none of them */
    release(&busy, 2);
    release(&busy, 3);
    assert_int_equal(weir_pool_await_idle(busy.pool, WEIR_FOREVER), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(number_of(&counted[i].runs), 1);
    close_busy(&busy);
}

static void resize_to_fewer_core_threads_lets_the_idle_count_their_time(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.keep_alive_ns = 0;
    open_busy(&busy, state, 3, &options);
    UNTIL(unit_stats(busy.pool).parks >= 3);
    assert_int_equal(weir_pool_resize(busy.pool, WEIR_NO_CORE, 3), 0);
    until_threads(&busy, 0);
    occupy(&busy, 0);
    release(&busy, 0);
    close_busy(&busy);
}

static void pool_resized_before_its_start_starts_with_the_new_size(void **state) {
    struct weir_pool_options options = unit_options();
    struct busy busy;

    options.deferred_start = true;
    open_busy(&busy, state, 1, &options);
    assert_int_equal(weir_pool_resize(busy.pool, 3, 3), 0);
    assert_int_equal(weir_pool_size(busy.pool), 3);
    assert_int_equal(unit_threads(), busy.others);
    assert_int_equal(weir_pool_start(busy.pool), 0);
    until_threads(&busy, 3);
    close_busy(&busy);
}

#define TURNS 300u

struct resizer {
    struct weir_pool *pool;
    uint64_t random;
};

static void *resize_again_and_again(void *arg) {
    struct resizer *resizer = arg;

    for (unsigned i = 0; i < TURNS; i++) {
        resizer->random = resizer->random * UINT64_C(6364136223846793005) + 1;
        uint32_t core = (uint32_t)(resizer->random >> 33) % 4;
        weir_pool_resize(resizer->pool, core ? core : WEIR_NO_CORE, 1 + core);
    }
    return NULL;
}

static void sizes_that_two_threads_change_settle_and_no_task_is_lost(void **state) {
    struct weir_pool_options options = unit_options();
    struct counted *counted = calloc(TURNS, sizeof *counted);
    struct busy busy;

    assert_non_null(counted);
    options.keep_alive_ns = 0;
    open_busy(&busy, state, 2, &options);
    struct resizer resizers[2] = {{busy.pool, 1}, {busy.pool, 2}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = unit_thread(resize_again_and_again, &resizers[i]);
    for (unsigned i = 0; i < TURNS; i++)
        assert_int_equal(weir_pool_submit(busy.pool, counted_init(&counted[i])), 0);
    for (int i = 0; i < 2; i++)
        unit_join(threads[i]);
    assert_int_equal(weir_pool_await_idle(busy.pool, WEIR_FOREVER), 0);
    for (unsigned i = 0; i < TURNS; i++)
        assert_int_equal(number_of(&counted[i].runs), 1);
    assert_int_equal(weir_pool_resize(busy.pool, 1, 1), 0);
    UNTIL(weir_pool_size(busy.pool) <= 1);
    close_busy(&busy);
    free(counted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(pool_grows_while_nobody_is_idle_up_to_max_and_not_above),
        EACH(idle_worker_takes_the_task_and_no_thread_comes),
        EACH(batch_grows_the_pool_to_max),
        EACH(pool_that_grows_when_full_begins_with_the_task_that_found_it_so),
        EACH(pool_that_grows_when_full_fills_its_core_first),
        EACH(threads_above_the_core_leave_at_once_with_keep_alive_zero),
        EACH(idle_threads_stay_for_the_keep_alive_time_and_see_it_change),
        EACH(core_threads_leave_too_with_core_timeout),
        EACH(pool_without_core_has_threads_only_while_there_is_work),
        EACH(no_task_is_lost_to_a_leaving_thread),
        EACH(on_demand_pool_starts_its_core_with_its_tasks_and_keeps_it),
        EACH(prestart_starts_what_is_missing_of_the_core),
        EACH(prestart_returns_though_threads_leave_at_once),
        EACH(prestart_of_a_pool_that_was_not_started_starts_nothing),
        EACH(resize_refuses_sizes_out_of_range_and_changes_nothing),
        EACH(resize_up_lets_queued_tasks_have_threads),
        EACH(resize_down_of_an_idle_pool_ends_threads_at_once),
        EACH(resize_down_of_a_busy_pool_ends_threads_after_their_tasks),
        EACH(resize_to_fewer_core_threads_lets_the_idle_count_their_time),
        EACH(pool_resized_before_its_start_starts_with_the_new_size),
        EACH(sizes_that_two_threads_change_settle_and_no_task_is_lost),
    };
    return cmocka_run_group_tests_name("sizing", tests, NULL, NULL);
}
