/* Since when the oldest queued task waits, as weir_pool_stats tells it. */
#include "age.h"

#include <weir/pool.h>

#include "test/unit.h"

/* More than a tick of the coarse clock, whatever the kernel. */
#define TICK_NS UINT64_C(12000000)

static void let_pass(uint64_t ns) {
    uint64_t end_ns = weir_after(ns);

    UNTIL(weir_now_ns() >= end_ns);
}

static uint64_t oldest_ns(struct weir_pool *pool) {
    return unit_stats(pool).oldest_ns;
}

static struct weir_pool *open_deferred(void **state, uint32_t bands) {
    struct weir_pool_options options = unit_options();

    options.deferred_start = true;
    options.bands = bands;
    return unit_pool(unit_scheduler(state), 1, &options);
}

static void empty_pool_has_no_age_and_a_queued_task_grows_older(void **state) {
    struct weir_pool *pool = open_deferred(state, 1);
    struct counted counted;
    uint64_t last_ns = 0;

    assert_int_equal(oldest_ns(pool), 0);
    uint64_t start_ns = weir_now_ns();
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    for (int i = 0; i < 3; i++) {
        let_pass(TICK_NS);
        uint64_t now_ns = oldest_ns(pool);
        assert_true(now_ns > last_ns);
        assert_in_range(now_ns, 1, weir_now_ns() - start_ns + TICK_NS);
        last_ns = now_ns;
    }
    assert_true(last_ns >= TICK_NS);
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(oldest_ns(pool), 0);
    unit_free(pool);
}

/* Few of a burst are stamped, but the age of the one at the head is told all the same. */
static void age_is_right_within_a_burst(void **state) {
    enum { TASKS = 500 };
    struct counted *counted = calloc(TASKS, sizeof *counted);
    struct weir_pool *pool = open_deferred(state, 1);
    struct weir_taken taken[100];

    assert_non_null(counted);
    uint64_t start_ns = weir_now_ns();
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted[i])), 0);
    uint64_t end_ns = weir_now_ns();
    let_pass(2 * TICK_NS);
    for (int i = 0; i < 4; i++) {
        uint64_t before_ns = weir_now_ns(), age_ns = oldest_ns(pool);
        assert_in_range(age_ns, before_ns - end_ns - TICK_NS, weir_now_ns() - start_ns + TICK_NS);
        assert_int_equal(weir_pool_take_back(pool, taken, 100), 100);
        let_pass(TICK_NS);
    }
    unit_free(pool);
    free(counted);
}

/* What comes after a burst and a time without work is as old as itself. */
static void age_begins_anew_after_a_burst_and_a_time_without_work(void **state) {
    enum { TASKS = 300 };
    struct counted *counted = calloc(TASKS, sizeof *counted);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    uint64_t age_ns, elapsed_ns;

    assert_non_null(counted);
    do { /* again, should this thread have been away meanwhile */
        struct plug plug = PLUG;
        struct counted last;
        for (int i = 0; i < TASKS; i++)
            assert_int_equal(weir_pool_submit(pool, counted_init(&counted[i])), 0);
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        let_pass(6 * TICK_NS);
        assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
        event_await(&plug.begun, 1);
        uint64_t start_ns = weir_now_ns();
        assert_int_equal(weir_pool_submit(pool, counted_init(&last)), 0);
        age_ns = oldest_ns(pool);
        elapsed_ns = weir_now_ns() - start_ns;
        event_raise(&plug.release);
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    } while (elapsed_ns > TICK_NS);
    assert_in_range(age_ns, 0, 2 * TICK_NS);
    unit_free(pool);
    free(counted);
}

static void oldest_of_all_bands_counts(void **state) {
    struct weir_pool *pool = open_deferred(state, 3);
    struct counted old, young;

    counted_init(&old)->flags = WEIR_TASK_BAND(2);
    counted_init(&young)->flags = WEIR_TASK_BAND(0);
    assert_int_equal(weir_pool_submit(pool, &old.task), 0);
    let_pass(3 * TICK_NS);
    assert_int_equal(weir_pool_submit(pool, &young.task), 0);
    assert_true(oldest_ns(pool) >= 2 * TICK_NS);
    assert_int_equal(weir_pool_remove(pool, &young.task), 0);
    assert_true(oldest_ns(pool) >= 2 * TICK_NS);
    assert_int_equal(weir_pool_remove(pool, &old.task), 0);
    assert_int_equal(oldest_ns(pool), 0);
    unit_free(pool);
}

static void before(void *arg, const struct weir_task_info *info) {
    *(uint64_t *)arg = info->queued_ns;
}

static void pool_whose_hooks_want_exact_times_tells_the_age_too(void **state) {
    struct weir_pool_options options = unit_options();
    struct counted counted;
    uint64_t queued_ns = 0;

    options.deferred_start = true;
    options.hooks.arg = &queued_ns;
    options.hooks.task_before = before;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    let_pass(2 * TICK_NS);
    uint64_t age_ns = oldest_ns(pool);
    assert_true(age_ns >= TICK_NS);
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_true(queued_ns >= 2 * TICK_NS);
    unit_free(pool);
}

/* ---- The stamps themselves ---- */

static bool is_stamped(struct weir__age *age, uint64_t number) {
    struct weir_task task = WEIR_TASK_INIT(NULL);

    if (weir__age_is_due(age, number))
        weir__age_stamp(age, &task);
    return atomic_load_explicit(&task.weir__queued_ns, memory_order_relaxed) != 0;
}

static void stamps_become_rare_in_a_burst_and_dense_when_time_passes(void **state) {
    enum { TASKS = 10000 };
    struct weir__age age = {0};
    unsigned stamps = 0, gap = 0, longest = 0;

    (void)state;
    assert_true(is_stamped(&age, 0));
    for (unsigned i = 1; i < TASKS; i++) {
        bool stamped = is_stamped(&age, i);
        stamps += stamped;
        gap = stamped ? 0 : gap + 1;
        longest = gap > longest ? gap : longest;
    }
    assert_in_range(stamps, TASKS / WEIR__STAMP_EVERY_MOST, TASKS / 4);
    assert_int_equal(longest, WEIR__STAMP_EVERY_MOST - 1);
    let_pass(TICK_NS);
    assert_true(is_stamped(&age, 0)); /* a multiple of any distance */
    let_pass(TICK_NS);
    assert_true(is_stamped(&age, 1)); /* since time had passed before the last */
}

static void what_follows_a_workers_sleep_is_stamped(void **state) {
    struct weir__age age = {0};
    unsigned number = 0;

    (void)state;
    while (is_stamped(&age, number))
        number++;
    assert_false(is_stamped(&age, number));
    weir__age_expect(&age);
    assert_true(is_stamped(&age, number));
}

static void stamp_that_a_task_has_is_kept(void **state) {
    struct weir__age age = {0};
    struct weir_task task = WEIR_TASK_INIT(NULL);
    _Atomic uint64_t passed_ns = 0;

    (void)state;
    atomic_store_explicit(&task.weir__queued_ns, 42, memory_order_relaxed);
    assert_true(weir__age_stamp(&age, &task));
    assert_int_equal(atomic_load_explicit(&task.weir__queued_ns, memory_order_relaxed), 42);
    weir__age_pass(&passed_ns, 42);
    assert_int_equal(passed_ns, 42);
    weir__age_pass(&passed_ns, 0);
    assert_int_equal(passed_ns, 42); /* one without a stamp says nothing */
    assert_int_equal(weir__age_since(WEIR_FOREVER), 0);
    assert_true(weir__age_since(42) > 0);
}

/* The log of a full ring of any capacity still knows the stamp before its head. */
static void log_reaches_back_to_the_head_of_a_full_queue(void **state) {
    enum { CAPACITY_MOST = 40 };
    _Atomic uint64_t words[WEIR__AGE_WORDS(CAPACITY_MOST)];

    (void)state;
    for (size_t capacity = 1; capacity <= CAPACITY_MOST; capacity++) {
        struct weir__age age = {0};
        struct weir__age_log log;
        weir__age_log_init(&log, words, WEIR__AGE_WORDS(capacity));
        assert_int_equal(weir__age_log_of(&log, 0), 0);
        for (uint64_t tail = 0; tail < 5 * WEIR__AGE_WORDS(CAPACITY_MOST); tail++) {
            if (weir__age_is_due(&age, tail))
                weir__age_log_stamp(&log, &age, tail);
            uint64_t head = tail + 1 >= capacity ? tail + 1 - capacity : 0;
            assert_in_range(weir__age_log_of(&log, head), 1, UINT64_C(1000000000));
        }
    }
}

/* Each of a time gets its own age, those of an earlier lap none. */
static void log_tells_laps_apart(void **state) {
    _Atomic uint64_t words[WEIR__AGE_WORDS(2)];
    const uint64_t count = WEIR__AGE_WORDS(2);
    struct weir__age age = {0};
    struct weir__age_log log;

    (void)state;
    weir__age_log_init(&log, words, count);
    weir__age_log_stamp(&log, &age, 3);
    let_pass(3 * TICK_NS);
    weir__age_log_stamp(&log, &age, 4);
    assert_true(weir__age_log_of(&log, 3) >= 2 * TICK_NS);
    assert_in_range(weir__age_log_of(&log, 4), 0, 2 * TICK_NS);
    assert_true(weir__age_log_of(&log, 3 + 1000 * count) == 0);
    weir__age_log_stamp(&log, &age, 3 + count);
    assert_int_equal(weir__age_log_of(&log, 3), 0);
    /* What was never written belongs to no lap, however many there have been. */
    weir__age_log_init(&log, words, count);
    for (unsigned bits = 10; bits < 32; bits++)
        assert_int_equal(weir__age_log_of(&log, ((UINT64_C(1) << bits) - 1) * count), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(empty_pool_has_no_age_and_a_queued_task_grows_older),
        EACH(age_is_right_within_a_burst),
        EACH(age_begins_anew_after_a_burst_and_a_time_without_work),
        EACH(oldest_of_all_bands_counts),
        EACH(pool_whose_hooks_want_exact_times_tells_the_age_too),
        ONCE(stamps_become_rare_in_a_burst_and_dense_when_time_passes),
        ONCE(what_follows_a_workers_sleep_is_stamped),
        ONCE(stamp_that_a_task_has_is_kept),
        ONCE(log_reaches_back_to_the_head_of_a_full_queue),
        ONCE(log_tells_laps_apart),
    };
    return cmocka_run_group_tests_name("age", tests, NULL, NULL);
}
