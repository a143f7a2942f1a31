#include "idle.h"

#include "test/unit.h"

static uint64_t wakes(struct weir__idle *idle) {
    return atomic_load_explicit(&idle->wakes, memory_order_relaxed);
}

/* Makes a worker count as parked, without going to sleep. */
static void lie_down(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    weir__idle_search(idle);
    weir__idle_announce(idle, sleeper);
}

/* Whether as many search or are parked. */
static bool idle_all_of(struct weir__idle *idle, uint32_t workers) {
    struct weir__idle_counts now = weir__idle_counts(idle);
    return now.searching + now.parked == workers;
}

static void nobody_parked_nobody_woken(void **state) {
    struct weir__idle idle;

    (void)state;
    weir__idle_init(&idle);
    weir__idle_wake_one(&idle, 0);
    weir__idle_wake_all(&idle);
    assert_int_equal(wakes(&idle), 0);
    weir__idle_destroy(&idle);
}

static void last_parked_is_woken_first_and_one_wake_is_under_way_at_a_time(void **state) {
    struct weir__idle idle;
    struct weir__sleeper a = {0}, b = {0};

    (void)state;
    weir__idle_init(&idle);
    lie_down(&idle, &a);
    lie_down(&idle, &b);
    weir__idle_wake_one(&idle, 0);
    assert_int_equal(wakes(&idle), 1);
    assert_false(b.listed);
    assert_true(a.listed);
    weir__idle_wake_one(&idle, 0); /* b searches already */
    assert_int_equal(wakes(&idle), 1);
    weir__idle_park(&idle, &b, WEIR_FOREVER); /* its wake-up has come: returns at once */
    assert_true(weir__idle_found(&idle, 0));  /* the last searcher, and a sleeps */
    weir__idle_wake_one(&idle, 0);
    assert_int_equal(wakes(&idle), 2);
    weir__idle_park(&idle, &a, WEIR_FOREVER);
    assert_false(weir__idle_found(&idle, 0)); /* nobody is left to wake */
    weir__idle_destroy(&idle);
}

static void found_is_owed_by_the_last_searcher_alone(void **state) {
    struct weir__idle idle;
    struct weir__sleeper sleeper = {0};

    (void)state;
    weir__idle_init(&idle);
    lie_down(&idle, &sleeper);
    weir__idle_search(&idle);
    weir__idle_search(&idle);
    assert_false(weir__idle_found(&idle, 0));
    assert_true(weir__idle_found(&idle, 0));
    weir__idle_destroy(&idle);
}

static void retract_takes_the_worker_off_the_middle_of_the_stack(void **state) {
    struct weir__idle idle;
    struct weir__sleeper a = {0}, b = {0}, c = {0};

    (void)state;
    weir__idle_init(&idle);
    lie_down(&idle, &a);
    lie_down(&idle, &b);
    lie_down(&idle, &c);
    weir__idle_retract(&idle, &b);
    assert_false(idle_all_of(&idle, 2));
    assert_true(idle_all_of(&idle, 3)); /* one searches, two are parked */
    assert_true(weir__idle_found(&idle, 0));
    weir__idle_wake_one(&idle, 0);
    assert_false(c.listed);
    weir__idle_park(&idle, &c, WEIR_FOREVER);
    assert_true(weir__idle_found(&idle, 0));
    weir__idle_wake_one(&idle, 0);
    assert_false(a.listed);
    weir__idle_destroy(&idle);
}

static void retract_after_a_wake_consumes_it(void **state) {
    struct weir__idle idle;
    struct weir__sleeper sleeper = {0};

    (void)state;
    weir__idle_init(&idle);
    lie_down(&idle, &sleeper);
    weir__idle_wake_one(&idle, 0);
    weir__idle_retract(&idle, &sleeper);
    assert_int_equal(atomic_load_explicit(&sleeper.parker.state, memory_order_relaxed), 0);
    assert_false(weir__idle_found(&idle, 0));
    assert_true(idle_all_of(&idle, 0));
    weir__idle_destroy(&idle);
}

static void wake_all_wakes_everybody_once(void **state) {
    struct weir__idle idle;
    struct weir__sleeper sleepers[3] = {{{0}, false, NULL}};

    (void)state;
    weir__idle_init(&idle);
    for (int i = 0; i < 3; i++)
        lie_down(&idle, &sleepers[i]);
    weir__idle_wake_all(&idle);
    for (int i = 0; i < 3; i++)
        weir__idle_park(&idle, &sleepers[i], WEIR_FOREVER);
    for (int i = 0; i < 3; i++)
        assert_false(weir__idle_found(&idle, 0));
    weir__idle_destroy(&idle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(nobody_parked_nobody_woken),
        ONCE(last_parked_is_woken_first_and_one_wake_is_under_way_at_a_time),
        ONCE(found_is_owed_by_the_last_searcher_alone),
        ONCE(retract_takes_the_worker_off_the_middle_of_the_stack),
        ONCE(retract_after_a_wake_consumes_it),
        ONCE(wake_all_wakes_everybody_once),
    };
    return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
