#include <weir/pool.h>

#include "test/fault.h"
#include "test/unit.h"

static struct weir_pool_options options_for(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.scheduler = unit_scheduler(state);
    return options;
}

/* ---- Making ---- */

static void options_start_with_the_documented_defaults(void **state) {
    struct weir_pool_options options;

    (void)state;
    memset(&options, 0xFF, sizeof options);
    weir_pool_options_init(&options);
    assert_int_equal(options.size, sizeof options);
    assert_string_equal(options.name, "weir");
    assert_int_equal(options.threads, 0);
    assert_int_equal(options.capacity, 0);
    assert_int_equal(options.scheduler, WEIR_STEALING);
    assert_int_equal(options.full, WEIR_FULL_BLOCK);
    assert_int_equal(options.wait, WEIR_WAIT_CLAIM);
    assert_false(options.deferred_start);
    assert_int_equal(options.idle_spin_ns, 0);
}

static void new_refuses_options_out_of_range(void **state) {
    struct weir_pool_options bad[6];
    struct weir_pool *pool = NULL;

    (void)state;
    for (int i = 0; i < 6; i++)
        weir_pool_options_init(&bad[i]);
    bad[0].size = 0;
    bad[1].threads = WEIR_MAX_THREADS + 1;
    bad[2].scheduler = (enum weir_scheduler)9;
    bad[3].full = (enum weir_full_policy)9;
    bad[4].wait = (enum weir_wait_policy)9;
    bad[5].size = sizeof bad[5] + 1;
    for (int i = 0; i < 6; i++)
        assert_int_equal(weir_pool_new(&pool, &bad[i]), -EINVAL);
    assert_int_equal(weir_pool_new(NULL, NULL), -EINVAL);
    assert_null(pool);
}

static void pool_without_options_has_a_thread_a_cpu(void **state) {
    struct weir_pool *pool = NULL;

    (void)state;
    assert_int_equal(weir_pool_new(&pool, NULL), 0);
    assert_int_equal(weir_pool_size(pool), weir_default_threads());
    assert_int_equal(weir_pool_size(NULL), 0);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(weir_pool_free(NULL), 0);
}

static void calls_refuse_null(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_task no_run = WEIR_TASK_INIT(NULL);
    struct weir_task *list[1] = {NULL};
    struct weir_future *future = NULL;
    struct counted counted;

    assert_int_equal(weir_pool_start(NULL), -EINVAL);
    assert_int_equal(weir_pool_submit(NULL, counted_init(&counted)), -EINVAL);
    assert_int_equal(weir_pool_submit(pool, NULL), -EINVAL);
    assert_int_equal(weir_pool_submit(pool, &no_run), -EINVAL);
    assert_int_equal(weir_pool_submit_until(NULL, &counted.task, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_pool_submit_until(pool, NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_pool_submit_batch(NULL, list, 1), -EINVAL);
    assert_int_equal(weir_pool_submit_batch(pool, NULL, 1), -EINVAL);
    assert_int_equal(weir_pool_submit_batch(pool, list, 1), -EINVAL);
    assert_int_equal(weir_pool_submit_batch(pool, list, SIZE_MAX), -EINVAL);
    assert_int_equal(weir_pool_submit_batch(pool, NULL, 0), 0);
    assert_int_equal(weir_pool_execute(pool, NULL, NULL), -EINVAL);
    assert_int_equal(weir_pool_execute(NULL, plug_run, NULL), -EINVAL);
    assert_int_equal(weir_pool_async(pool, NULL, NULL, &future), -EINVAL);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, NULL), -EINVAL);
    assert_int_equal(weir_pool_async(NULL, call_echo, NULL, &future), -EINVAL);
    assert_int_equal(weir_pool_shutdown(NULL, WEIR_DRAIN), -EINVAL);
    assert_int_equal(weir_pool_shutdown(pool, (enum weir_shutdown_mode)9), -EINVAL);
    assert_int_equal(weir_pool_await(NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_pool_await_idle(NULL, WEIR_NOW), -EINVAL);
    assert_null(future);
    assert_int_equal(unit_stats(pool).submitted, 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Failing malloc and pthread_create ---- */

static void new_fails_whole_at_every_allocation_and_thread(void **state) {
    struct weir_pool_options options = options_for(state);
    struct weir_pool *pool = NULL;
    long before = fault_blocks();
    unsigned n = 1, no_memory = 0, no_thread = 0;
    int rc;

    options.threads = 4;
    for (; fault_fail_nth(n), (rc = weir_pool_new(&pool, &options)) != 0; n++) {
        no_memory += rc == -ENOMEM;
        no_thread += rc == -EAGAIN;
        assert_null(pool);
        assert_int_equal(fault_blocks(), before);
    }
    assert_false(fault_happened());
    fault_reset();
    assert_int_equal(no_thread, 4);
    assert_true(no_memory >= 2);
    assert_int_equal(no_memory + no_thread, n - 1);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(fault_blocks(), before);
}

static void failed_start_keeps_what_is_queued_and_may_be_tried_again(void **state) {
    struct weir_pool_options options = options_for(state);
    struct counted counted[5];
    long before = fault_blocks();
    unsigned n = 1, no_thread = 0;

    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 4, &options);
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted[i])), 0);
    for (int rc; fault_fail_nth(n), (rc = weir_pool_start(pool)) != 0; n++) {
        assert_true(rc == -EAGAIN || rc == -ENOMEM);
        no_thread += rc == -EAGAIN;
        assert_int_equal(unit_stats(pool).workers, 0);
        assert_int_equal(unit_stats(pool).queued, 5);
        assert_int_equal(unit_stats(pool).completed, 0);
    }
    fault_reset();
    assert_true(no_thread > 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(number_of(&counted[i].runs), 1);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(fault_blocks(), before);
}

static void execute_and_async_without_memory_say_enomem(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future *future = NULL;
    struct plug plug = PLUG;
    long before = fault_blocks();

    event_raise(&plug.release);
    fault_fail_nth(1);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), -ENOMEM);
    fault_fail_nth(1);
    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &future), -ENOMEM);
    assert_null(future);
    /* The second call in each of them does not exist. */
    fault_fail_nth(2);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    fault_fail_nth(2);
    assert_int_equal(weir_pool_async(pool, plug_call, &plug, &future), 0);
    fault_reset();
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).submitted, 2);
    assert_int_equal(fault_blocks(), before);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void refused_execute_and_async_leak_nothing(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future *future = NULL;
    long before = fault_blocks();

    weir_pool_shutdown(pool, WEIR_DRAIN);
    assert_int_equal(weir_pool_execute(pool, plug_run, NULL), -ESHUTDOWN);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &future), -ESHUTDOWN);
    assert_null(future);
    assert_int_equal(fault_blocks(), before);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Deferred start ---- */

static void deferred_pool_keeps_tasks_until_its_start(void **state) {
    struct weir_pool_options options = options_for(state);
    struct counted counted;

    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, &options);
    assert_int_equal(weir_pool_size(pool), 3);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_pool_await_idle(pool, weir_after(1000)), -ETIMEDOUT);
    assert_int_equal(number_of(&counted.runs), 0);
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_start(pool), -EALREADY);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&counted.runs), 1);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_start(pool), -ESHUTDOWN);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void pool_that_never_started_drops_its_tasks(void **state) {
    struct weir_pool_options options = options_for(state);
    struct counted by_free, by_shutdown;
    struct weir_future *future = NULL;

    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    weir_pool_submit(pool, counted_init(&by_free));
    weir_pool_async(pool, call_echo, NULL, &future);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(number_of(&by_free.drops), 1);
    assert_int_equal(number_of(&by_free.runs), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_NOW), -ECANCELED);
    weir_future_unref(future);

    pool = unit_pool(unit_scheduler(state), 2, &options);
    weir_pool_submit(pool, counted_init(&by_shutdown));
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(number_of(&by_shutdown.drops), 1);
    assert_int_equal(weir_pool_start(pool), -ESHUTDOWN);
    assert_int_equal(weir_pool_await(pool, WEIR_NOW), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Capacity ---- */

/* One worker, occupied, and as many tasks queued as there is room for. */
struct full {
    struct weir_pool *pool;
    struct plug plug;
    struct counted queued[2], more;
};

static void fill(struct full *full, void **state, enum weir_full_policy policy) {
    struct weir_pool_options options = options_for(state);

    memset(full, 0, sizeof *full);
    options.capacity = 2;
    options.full = policy;
    full->pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_execute(full->pool, plug_run, &full->plug), 0);
    event_await(&full->plug.begun, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(weir_pool_submit(full->pool, counted_init(&full->queued[i])), 0);
    counted_init(&full->more);
}

static void empty(struct full *full) {
    event_raise(&full->plug.release);
    assert_int_equal(weir_pool_await_idle(full->pool, WEIR_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(number_of(&full->queued[i].runs), 1);
    assert_int_equal(weir_pool_free(full->pool), 0);
}

static void full_pool_rejects(void **state) {
    struct full full;

    fill(&full, state, WEIR_FULL_REJECT);
    assert_int_equal(weir_pool_submit(full.pool, &full.more.task), -EAGAIN);
    assert_int_equal(weir_pool_submit_until(full.pool, &full.more.task, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_pool_submit_until(full.pool, &full.more.task, 1), -ETIMEDOUT);
    assert_int_equal(weir_pool_submit_until(full.pool, &full.more.task, weir_after(100000)),
                     -ETIMEDOUT);
    assert_int_equal(unit_stats(full.pool).rejected, 4);
    assert_int_equal(unit_stats(full.pool).queued, 2);
    empty(&full);
    assert_int_equal(number_of(&full.more.runs) + number_of(&full.more.drops), 0);
}

static void full_pool_lets_the_caller_run(void **state) {
    struct full full;

    fill(&full, state, WEIR_FULL_CALLER_RUNS);
    assert_int_equal(weir_pool_submit(full.pool, &full.more.task), 0);
    assert_int_equal(number_of(&full.more.runs), 1); /* before submit returned */
    assert_int_equal(weir_pool_submit_until(full.pool, counted_init(&full.more), WEIR_FOREVER), 0);
    assert_int_equal(number_of(&full.more.runs), 1);
    struct weir_future future;
    weir_future_init(&future);
    assert_int_equal(weir_pool_submit(full.pool, weir_future_task(&future, call_echo, NULL, 0)), 0);
    assert_int_equal(weir_future_state(&future), WEIR_FUTURE_DONE);
    assert_int_equal(unit_stats(full.pool).caller_ran, 3);
    assert_int_equal(unit_stats(full.pool).rejected, 0);
    empty(&full);
}

static void *submit_more(void *arg) {
    struct full *full = arg;

    event_raise(&full->plug.begun);
    if (weir_pool_submit(full->pool, &full->more.task) == 0)
        add_one(&full->more.drops); /* as a note: it was accepted */
    return NULL;
}

static void full_pool_blocks_the_caller_until_there_is_room(void **state) {
    struct full full;

    fill(&full, state, WEIR_FULL_BLOCK);
    assert_int_equal(weir_pool_submit_until(full.pool, &full.more.task, weir_after(100000)),
                     -ETIMEDOUT);
    assert_int_equal(weir_pool_submit_until(full.pool, &full.more.task, WEIR_NOW), -EAGAIN);
    pthread_t thread = unit_thread(submit_more, &full);
    event_await(&full.plug.begun, 2);
    assert_int_equal(unit_stats(full.pool).queued, 2);
    event_raise(&full.plug.release);
    unit_join(thread);
    assert_int_equal(number_of(&full.more.drops), 1);
    empty(&full);
    assert_int_equal(number_of(&full.more.runs), 1);
}

static void cancelled_future_makes_room_for_a_blocked_submitter(void **state) {
    struct weir_pool_options options = options_for(state);
    struct full full = {.pool = NULL};
    struct weir_future future;

    options.capacity = 1;
    full.pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_pool_execute(full.pool, plug_run, &full.plug);
    event_await(&full.plug.begun, 1);
    weir_future_init(&future);
    weir_pool_submit(full.pool, weir_future_task(&future, call_echo, NULL, 0));
    counted_init(&full.more);
    pthread_t thread = unit_thread(submit_more, &full);
    event_await(&full.plug.begun, 2);
    assert_int_equal(weir_future_cancel(&future), 0);
    unit_join(thread); /* or the watchdog: the worker is still occupied */
    assert_int_equal(number_of(&full.more.drops), 1);
    event_raise(&full.plug.release);
    assert_int_equal(weir_pool_free(full.pool), 0);
    assert_int_equal(number_of(&full.more.runs), 1);
}

static void shutdown_releases_a_blocked_submitter(void **state) {
    struct full full;

    fill(&full, state, WEIR_FULL_BLOCK);
    pthread_t thread = unit_thread(submit_more, &full);
    event_await(&full.plug.begun, 2);
    assert_int_equal(weir_pool_shutdown(full.pool, WEIR_DRAIN), 0);
    unit_join(thread);
    empty(&full);
    assert_int_equal(number_of(&full.more.runs) + number_of(&full.more.drops), 0);
}

static void batch_is_accepted_in_part_by_a_full_pool(void **state) {
    struct weir_pool_options options = options_for(state);
    struct counted counted[5];
    struct weir_task *tasks[5];

    options.deferred_start = true;
    options.capacity = 3;
    for (int i = 0; i < 5; i++)
        tasks[i] = counted_init(&counted[i]);
    options.full = WEIR_FULL_REJECT;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_submit_batch(pool, tasks, 5), 3);
    assert_int_equal(weir_pool_submit_batch(pool, tasks + 3, 2), -EAGAIN);
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_submit_batch(pool, tasks + 3, 2), -ESHUTDOWN);
    assert_int_equal(weir_pool_free(pool), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(number_of(&counted[i].runs), i < 3);

    options.full = WEIR_FULL_CALLER_RUNS;
    pool = unit_pool(unit_scheduler(state), 1, &options);
    for (int i = 0; i < 5; i++)
        counted_init(&counted[i]);
    assert_int_equal(weir_pool_submit_batch(pool, tasks, 5), 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(number_of(&counted[i].runs), i >= 3);
    assert_int_equal(weir_pool_free(pool), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(&counted[i].drops), 1);
}

struct inside {
    struct weir_pool *pool;
    struct counted counted[3];
    int rc[3], until_rc;
};

static int submit_inside(void *arg, void **value) {
    struct inside *inside = arg;

    (void)value;
    for (int i = 0; i < 3; i++)
        inside->rc[i] = weir_pool_submit(inside->pool, counted_init(&inside->counted[i]));
    struct counted late;
    inside->until_rc = weir_pool_submit_until(inside->pool, counted_init(&late), WEIR_FOREVER);
    return number_of(&late.runs) == 1 ? 0 : -ENOENT;
}

static void submit_from_a_worker_never_blocks(void **state) {
    const enum weir_full_policy policies[] = {WEIR_FULL_BLOCK, WEIR_FULL_REJECT,
                                              WEIR_FULL_CALLER_RUNS};
    for (int i = 0; i < 3; i++) {
        struct weir_pool_options options = options_for(state);
        bool runs = policies[i] == WEIR_FULL_CALLER_RUNS;
        struct inside inside = {.pool = NULL};
        struct weir_future *future = NULL;
        options.capacity = 2;
        options.full = policies[i];
        inside.pool = unit_pool(unit_scheduler(state), 1, &options);
        assert_int_equal(weir_pool_async(inside.pool, submit_inside, &inside, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), runs ? 0 : -ENOENT);
        assert_int_equal(inside.rc[0], 0);
        assert_int_equal(inside.rc[1], 0);
        assert_int_equal(inside.rc[2], runs ? 0 : -EAGAIN);
        assert_int_equal(inside.until_rc, runs ? 0 : -EAGAIN);
        weir_future_unref(future);
        assert_int_equal(weir_pool_free(inside.pool), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(options_start_with_the_documented_defaults),
        ONCE(new_refuses_options_out_of_range),
        ONCE(pool_without_options_has_a_thread_a_cpu),
        EACH(calls_refuse_null),
        EACH(new_fails_whole_at_every_allocation_and_thread),
        EACH(failed_start_keeps_what_is_queued_and_may_be_tried_again),
        EACH(execute_and_async_without_memory_say_enomem),
        EACH(refused_execute_and_async_leak_nothing),
        EACH(deferred_pool_keeps_tasks_until_its_start),
        EACH(pool_that_never_started_drops_its_tasks),
        EACH(full_pool_rejects),
        EACH(full_pool_lets_the_caller_run),
        EACH(full_pool_blocks_the_caller_until_there_is_room),
        EACH(cancelled_future_makes_room_for_a_blocked_submitter),
        EACH(shutdown_releases_a_blocked_submitter),
        EACH(batch_is_accepted_in_part_by_a_full_pool),
        EACH(submit_from_a_worker_never_blocks),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
