/* What Java's ThreadPoolExecutor promises of threads, the queue and hooks. PARITY.md names each. */
#include <weir.h>

#include <limits.h>

#include "test/occupied.h"

/* ---- Growth and shrinking ---- */

static struct weir_pool_options growing(void **state, uint32_t core, uint32_t most,
                                        size_t capacity) {
    struct weir_pool_options options = occupied_options(state);

    options.threads = core;
    options.max_threads = most;
    options.capacity = capacity;
    options.on_demand = true;
    options.growth = WEIR_GROW_WHEN_FULL;
    options.full = WEIR_FULL_REJECT;
    options.keep_alive_ns = WEIR_FOREVER;
    return options;
}

/* Core threads, then the queue, then threads up to max, then the policy. */
static void java_growth_fills_core_then_queue_then_max_then_refuses(void **state) {
    struct weir_pool_options options = growing(state, 1, 2, 1);
    struct plug over = PLUG;
    struct counted queued, refused;
    struct occupied occupied;

    occupied_make(&occupied, &options);
    assert_int_equal(unit_stats(occupied.pool).workers, 1);
    assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&queued)), 0);
    assert_int_equal(unit_stats(occupied.pool).workers, 1);
    assert_int_equal(unit_stats(occupied.pool).queued, 1);
    /* Full: the new thread runs the newest task, and the older one stays queued. */
    assert_int_equal(weir_pool_execute(occupied.pool, plug_run, &over), 0);
    event_await(&over.begun, 1);
    assert_int_equal(unit_stats(occupied.pool).workers, 2);
    assert_int_equal(unit_stats(occupied.pool).queued, 1);
    assert_int_equal(number_of(&queued.runs), 0);
    assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&refused)), -EAGAIN);
    assert_int_equal(unit_stats(occupied.pool).rejected, 1);
    event_raise(&over.release);
    occupied_end(&occupied);
    assert_int_equal(number_of(&queued.runs), 1);
    assert_int_equal(number_of(&refused.runs) + number_of(&refused.drops), 0);
}

/* With a queue that is never full, max has no effect: the surprise of Java's rule. */
static void java_growth_never_passes_core_while_the_queue_has_room(void **state) {
    struct weir_pool_options options = growing(state, 1, 4, 0);
    struct counted counted[20];
    struct occupied occupied;

    occupied_make(&occupied, &options);
    for (int i = 0; i < 20; i++)
        assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&counted[i])), 0);
    assert_int_equal(unit_stats(occupied.pool).workers, 1);
    assert_int_equal(unit_stats(occupied.pool).queued, 20);
    occupied_end(&occupied);
}

/* Our own rule, and what most users of max expect. */
static void busy_growth_starts_threads_before_tasks_wait(void **state) {
    struct weir_pool_options options = growing(state, 1, 3, 0);
    struct plug plugs[3] = {PLUG};
    struct weir_pool *pool = NULL;

    options.growth = WEIR_GROW_WHEN_BUSY;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[i]), 0);
    for (int i = 0; i < 3; i++)
        event_await(&plugs[i].begun, 1); /* all three at once */
    assert_int_equal(unit_stats(pool).workers, 3);
    for (int i = 0; i < 3; i++)
        event_raise(&plugs[i].release);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Runs as many tasks at once as the pool may have threads. */
static void use_threads(struct weir_pool *pool, unsigned n) {
    struct plug plugs[8] = {PLUG};

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[i]), 0);
    for (unsigned i = 0; i < n; i++)
        event_await(&plugs[i].begun, 1);
    for (unsigned i = 0; i < n; i++)
        event_raise(&plugs[i].release);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
}

static struct weir_pool *elastic(void **state, uint32_t core, uint32_t most,
                                 uint64_t keep_alive_ns) {
    struct weir_pool_options options = growing(state, core, most, 0);
    struct weir_pool *pool = NULL;

    options.growth = WEIR_GROW_WHEN_BUSY;
    options.keep_alive_ns = keep_alive_ns;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    return pool;
}

static void keep_alive_zero_lets_surplus_threads_leave_at_once(void **state) {
    struct weir_pool *pool = elastic(state, 1, 4, 0);

    for (int turn = 0; turn < 3; turn++) {
        use_threads(pool, 4);
        UNTIL(unit_stats(pool).workers == 1);
    }
    assert_int_equal(unit_stats(pool).largest, 4);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void idle_surplus_threads_stay_until_their_keep_alive_is_lowered(void **state) {
    struct weir_pool *pool = elastic(state, 1, 4, WEIR_FOREVER);
    struct weir_pool_options now = {.size = sizeof now};

    use_threads(pool, 4);
    UNTIL(unit_stats(pool).parks >= 4);
    assert_int_equal(unit_stats(pool).workers, 4);
    assert_int_equal(weir_pool_set_keep_alive(pool, 0, false), 0);
    UNTIL(unit_stats(pool).workers == 1);
    assert_int_equal(weir_pool_get_options(pool, &now), 0);
    assert_int_equal(now.keep_alive_ns, 0);
    assert_false(now.core_timeout);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void idle_surplus_threads_leave_after_their_keep_alive(void **state) {
    struct weir_pool *pool = elastic(state, 1, 3, 20000000);
    uint64_t start_ns = weir_now_ns();

    use_threads(pool, 3);
    UNTIL(unit_stats(pool).workers == 1);
    assert_true(weir_now_ns() - start_ns >= 20000000);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Java refuses core time-out with keep-alive 0, and with core 0 keeps one thread spinning where
 * the queue delays. */
static void core_timeout_empties_the_pool_and_the_next_task_fills_it(void **state) {
    struct weir_pool *pool = elastic(state, 2, 2, 0);

    assert_int_equal(weir_pool_set_keep_alive(pool, 0, true), 0);
    for (int turn = 0; turn < 3; turn++) {
        use_threads(pool, 2);
        UNTIL(unit_stats(pool).workers == 0);
    }
    assert_int_equal(weir_pool_set_keep_alive(pool, 0, false), 0);
    use_threads(pool, 2);
    UNTIL(unit_stats(pool).parks >= 2);
    assert_int_equal(unit_stats(pool).workers, 2);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void pool_without_core_threads_starts_one_for_a_task_and_lets_it_go(void **state) {
    struct weir_pool *pool = elastic(state, WEIR_NO_CORE, 2, 0);

    assert_int_equal(weir_pool_set_keep_alive(pool, 0, true), 0);
    assert_int_equal(unit_stats(pool).workers, 0);
    for (int turn = 0; turn < 20; turn++) {
        assert_int_equal(get_and_unref(queue_echo(pool, NULL)), 0);
        UNTIL(unit_stats(pool).workers == 0);
    }
    use_threads(pool, 2);
    UNTIL(unit_stats(pool).workers == 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void do_nothing(void *arg) {
    (void)arg;
}

/* Java's pool without core threads under an unbounded queue runs one task after the other. */
static void java_growth_without_core_threads_has_one_thread(void **state) {
    struct weir_pool_options options = growing(state, WEIR_NO_CORE, 4, 0);
    struct weir_pool *pool = NULL;

    assert_int_equal(weir_pool_new(&pool, &options), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(weir_pool_execute(pool, do_nothing, NULL), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).largest, 1);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void resize_of_a_running_pool_adds_and_removes_threads(void **state) {
    struct weir_pool *pool = elastic(state, 1, 1, 0);
    struct weir_pool_options now = {.size = sizeof now};

    use_threads(pool, 1);
    assert_int_equal(weir_pool_resize(pool, 3, 2), -EINVAL);
    assert_int_equal(weir_pool_resize(pool, 1, WEIR_MAX_THREADS + 1), -EINVAL);
    assert_int_equal(weir_pool_resize(pool, 3, 5), 0);
    assert_int_equal(weir_pool_get_options(pool, &now), 0);
    assert_int_equal(now.threads, 3);
    assert_int_equal(now.max_threads, 5);
    use_threads(pool, 5);
    UNTIL(unit_stats(pool).workers == 3);
    assert_int_equal(weir_pool_resize(pool, 1, 2), 0);
    UNTIL(unit_stats(pool).workers == 1);
    use_threads(pool, 2);
    assert_int_equal(unit_stats(pool).largest, 5);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* setCorePoolSize starts threads for what is queued already; so does resize. */
static void resize_starts_threads_for_what_is_queued(void **state) {
    struct weir_pool_options options = growing(state, 1, 1, 0);
    struct plug plugs[2] = {PLUG};
    struct occupied occupied;

    occupied_make(&occupied, &options);
    for (int i = 0; i < 2; i++)
        assert_int_equal(weir_pool_execute(occupied.pool, plug_run, &plugs[i]), 0);
    assert_int_equal(weir_pool_resize(occupied.pool, 3, 3), 0);
    for (int i = 0; i < 2; i++)
        event_await(&plugs[i].begun, 1);
    for (int i = 0; i < 2; i++)
        event_raise(&plugs[i].release);
    occupied_end(&occupied);
}

static void prestart_starts_the_missing_core_threads_once(void **state) {
    struct weir_pool *pool = elastic(state, 3, 4, 0);

    assert_int_equal(unit_stats(pool).workers, 0);
    assert_int_equal(weir_pool_prestart(pool), 3);
    assert_int_equal(unit_stats(pool).workers, 3);
    assert_int_equal(weir_pool_prestart(pool), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_prestart(pool), -ESHUTDOWN);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Thread factory ---- */

struct factory {
    _Atomic unsigned made;
    unsigned most;
};

static int make_thread(void *arg, pthread_t *thread, void *(*main)(void *), void *main_arg) {
    struct factory *factory = arg;

    if (atomic_fetch_add_explicit(&factory->made, 1, memory_order_relaxed) >= factory->most)
        return EAGAIN;
    return pthread_create(thread, NULL, main, main_arg);
}

static struct weir_pool_options with_factory(void **state, struct factory *factory) {
    struct weir_pool_options options = growing(state, 1, 2, 0);

    options.growth = WEIR_GROW_WHEN_BUSY;
    options.hooks.arg = factory;
    options.hooks.thread_create = make_thread;
    return options;
}

static void factory_makes_every_thread(void **state) {
    struct factory factory = {.most = UINT_MAX};
    struct weir_pool_options options = with_factory(state, &factory);
    struct weir_pool *pool = NULL;

    assert_int_equal(weir_pool_new(&pool, &options), 0);
    assert_int_equal(number_of(&factory.made), 0);
    use_threads(pool, 2);
    assert_int_equal(number_of(&factory.made), 2);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* A pool of Java's whose factory fails takes the task, and nobody ever runs it. */
static void factory_that_makes_no_thread_fails_the_submission(void **state) {
    struct factory factory = {.most = 0};
    struct weir_pool_options options = with_factory(state, &factory);
    struct weir_pool *pool = NULL;
    struct counted counted;

    assert_int_equal(weir_pool_new(&pool, &options), 0);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), -EAGAIN);
    assert_int_equal(number_of(&counted.runs) + number_of(&counted.drops), 0);
    assert_int_equal(unit_stats(pool).queued, 0);
    factory.most = UINT_MAX; /* it recovers */
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(number_of(&counted.runs), 1);
}

static void factory_that_makes_no_second_thread_strands_no_task(void **state) {
    struct factory factory = {.most = 1};
    struct weir_pool_options options = with_factory(state, &factory);
    struct counted counted;
    struct occupied occupied;

    occupied_make(&occupied, &options);
    assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&counted)), 0);
    assert_int_equal(unit_stats(occupied.pool).workers, 1);
    occupied_end(&occupied);
    assert_int_equal(number_of(&counted.runs), 1);
}

/* ---- The queue ---- */

static void remove_takes_out_what_is_queued_and_nothing_else(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct counted first, second, never;
    struct occupied occupied;

    occupied_make(&occupied, &options);
    assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&first)), 0);
    assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&second)), 0);
    assert_int_equal(weir_pool_remove(occupied.pool, counted_init(&never)), -ENOENT);
    assert_int_equal(weir_pool_remove(occupied.pool, &first.task), 0);
    assert_int_equal(number_of(&first.drops), 1);
    assert_int_equal(weir_pool_remove(occupied.pool, &first.task), -ENOENT);
    assert_int_equal(unit_stats(occupied.pool).cancelled, 1);
    occupied_end(&occupied);
    assert_int_equal(number_of(&first.runs), 0);
    assert_int_equal(number_of(&first.drops), 1);
    assert_int_equal(number_of(&second.runs), 1);
    assert_int_equal(number_of(&never.runs) + number_of(&never.drops), 0);
}

/* Java's cancelled futures stay in the queue until a worker passes them, or purge is called. */
static void cancelled_call_leaves_the_queue_with_nothing_to_purge(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct weir_future *futures[4];
    struct occupied occupied;

    occupied_make(&occupied, &options);
    for (int i = 0; i < 4; i++)
        futures[i] = queue_echo(occupied.pool, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_future_cancel(futures[i]), 0);
    assert_int_equal(unit_stats(occupied.pool).cancelled, 3);
    assert_int_equal(unit_stats(occupied.pool).queued, 1);
    occupied_end(&occupied);
    for (int i = 0; i < 4; i++)
        assert_int_equal(get_and_unref(futures[i]), i < 3 ? -ECANCELED : 0);
}

/* A ring's places come free in order: one behind a call that is still queued waits for that. */
static void place_of_a_cancelled_call_in_a_ring_waits_for_those_before_it(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct occupied occupied;
    struct counted counted[2];

    options.scheduler = WEIR_RING;
    options.capacity = 2;
    options.full = WEIR_FULL_REJECT;
    occupied_make(&occupied, &options);
    struct weir_future *first = queue_echo(occupied.pool, NULL);
    struct weir_future *second = queue_echo(occupied.pool, NULL);
    assert_int_equal(weir_future_cancel(second), 0);
    assert_int_equal(get_and_unref(second), -ECANCELED); /* its memory waits for nobody */
    assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&counted[0])), -EAGAIN);
    assert_int_equal(weir_future_cancel(first), 0);
    assert_int_equal(get_and_unref(first), -ECANCELED);
    for (int i = 0; i < 2; i++)
        assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&counted[i])), 0);
    occupied_end(&occupied);
    for (int i = 0; i < 2; i++)
        assert_int_equal(number_of(&counted[i].runs), 1);
}

static void counts_are_those_of_the_getters(void **state) {
    struct weir_pool_options options = occupied_options(state);
    struct counted counted[3];
    struct occupied occupied;

    occupied_make(&occupied, &options);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_pool_submit(occupied.pool, counted_init(&counted[i])), 0);
    struct weir_pool_stats stats = unit_stats(occupied.pool);
    assert_int_equal(weir_pool_size(occupied.pool), 1);
    assert_int_equal(stats.workers, 1);
    assert_int_equal(stats.active, 1);
    assert_int_equal(stats.queued, 3);
    assert_int_equal(stats.submitted, 4);
    assert_int_equal(stats.completed, 0);
    event_raise(&occupied.plug.release);
    assert_int_equal(weir_pool_await_idle(occupied.pool, WEIR_FOREVER), 0);
    stats = unit_stats(occupied.pool);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.completed, 4);
    assert_int_equal(stats.largest, 1);
    occupied_end(&occupied);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(java_growth_fills_core_then_queue_then_max_then_refuses),
        EACH(java_growth_never_passes_core_while_the_queue_has_room),
        EACH(busy_growth_starts_threads_before_tasks_wait),
        EACH(keep_alive_zero_lets_surplus_threads_leave_at_once),
        EACH(idle_surplus_threads_stay_until_their_keep_alive_is_lowered),
        EACH(idle_surplus_threads_leave_after_their_keep_alive),
        EACH(core_timeout_empties_the_pool_and_the_next_task_fills_it),
        EACH(pool_without_core_threads_starts_one_for_a_task_and_lets_it_go),
        EACH(java_growth_without_core_threads_has_one_thread),
        EACH(resize_of_a_running_pool_adds_and_removes_threads),
        EACH(resize_starts_threads_for_what_is_queued),
        EACH(prestart_starts_the_missing_core_threads_once),
        EACH(factory_makes_every_thread),
        EACH(factory_that_makes_no_thread_fails_the_submission),
        EACH(factory_that_makes_no_second_thread_strands_no_task),
        EACH(remove_takes_out_what_is_queued_and_nothing_else),
        EACH(cancelled_call_leaves_the_queue_with_nothing_to_purge),
        ONCE(place_of_a_cancelled_call_in_a_ring_waits_for_those_before_it),
        EACH(counts_are_those_of_the_getters),
    };
    return cmocka_run_group_tests_name("parity with Java", tests, NULL, NULL);
}
