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

/* ---- Coming and going ---- */

static struct weir__idle_counts counts(struct weir__idle *idle) {
    return weir__idle_counts(idle);
}

static void hiring_counts_one_who_lives_and_searches_up_to_the_limit(void **state) {
    struct weir__idle idle;

    (void)state;
    weir__idle_init(&idle);
    assert_false(weir__idle_hire(&idle, 0, false));
    assert_true(weir__idle_hire(&idle, 2, true));
    assert_int_equal(counts(&idle).living, 1);
    assert_int_equal(counts(&idle).searching, 1);
    assert_false(weir__idle_hire(&idle, 2, true)); /* somebody searches */
    assert_true(weir__idle_hire(&idle, 2, false)); /* asked for all the same */
    assert_false(weir__idle_hire(&idle, 2, false));
    weir__idle_found(&idle, 0);
    weir__idle_found(&idle, 0);
    assert_true(weir__idle_hire(&idle, 3, true)); /* all others are inside tasks */
    weir__idle_dismiss(&idle, true);
    weir__idle_dismiss(&idle, false);
    assert_int_equal(counts(&idle).living, 1);
    assert_int_equal(counts(&idle).searching, 0);
    weir__idle_destroy(&idle);
}

static void nobody_is_hired_while_one_sleeps(void **state) {
    struct weir__idle idle;
    struct weir__sleeper sleeper = {0};

    (void)state;
    weir__idle_init(&idle);
    assert_true(weir__idle_hire(&idle, 9, true));
    weir__idle_announce(&idle, &sleeper);
    assert_false(weir__idle_hire(&idle, 9, true));
    weir__idle_destroy(&idle);
}

static void worker_leaves_unless_too_few_would_live(void **state) {
    struct weir__idle idle;

    (void)state;
    weir__idle_init(&idle);
    for (int i = 0; i < 3; i++)
        assert_true(weir__idle_hire(&idle, 3, false));
    weir__idle_found(&idle, 0); /* one is inside a task */
    assert_false(weir__idle_leave(&idle, 3, true));
    assert_true(weir__idle_leave(&idle, 2, true));
    assert_false(weir__idle_leave(&idle, 2, true));
    assert_true(weir__idle_leave(&idle, 0, false));
    assert_int_equal(counts(&idle).living, 1);
    assert_int_equal(counts(&idle).searching, 1);
    assert_true(weir__idle_leave(&idle, 0, true));
    assert_int_equal(counts(&idle).living + counts(&idle).searching, 0);
    weir__idle_destroy(&idle);
}

static void last_one_stays_while_a_submitter_intends_to_come(void **state) {
    struct weir__idle idle;

    (void)state;
    weir__idle_init(&idle);
    assert_int_equal(weir__idle_intend(&idle), 0);
    for (int i = 0; i < 2; i++)
        assert_true(weir__idle_hire(&idle, 2, false));
    assert_int_equal(weir__idle_intend(&idle), 2);
    assert_int_equal(counts(&idle).intents, 2);
    assert_true(weir__idle_leave(&idle, 0, true)); /* another one lives */
    assert_false(weir__idle_leave(&idle, 0, true));
    weir__idle_intent_done(&idle);
    assert_false(weir__idle_leave(&idle, 0, true));
    weir__idle_intent_done(&idle);
    assert_true(weir__idle_leave(&idle, 0, true));
    weir__idle_destroy(&idle);
}

static void submitter_is_told_to_hire_when_all_are_inside_tasks(void **state) {
    struct weir__idle idle;
    struct weir__sleeper sleeper = {0};

    (void)state;
    weir__idle_init(&idle);
    assert_true(weir__idle_wake_one(&idle, 1)); /* nobody lives */
    assert_true(weir__idle_hire(&idle, 2, true));
    assert_false(weir__idle_wake_one(&idle, 2)); /* one searches */
    assert_true(weir__idle_found(&idle, 2));     /* and when it has found, others may come */
    assert_true(weir__idle_wake_one(&idle, 2));
    assert_false(weir__idle_wake_one(&idle, 1)); /* not above the limit */
    weir__idle_search(&idle);
    assert_false(weir__idle_found(&idle, 1));
    lie_down(&idle, &sleeper);
    assert_false(weir__idle_wake_one(&idle, 2)); /* one slept, and was woken */
    assert_int_equal(wakes(&idle), 1);
    weir__idle_destroy(&idle);
}

/* ---- Time-outs, and waking one ---- */

static void sleeper_whose_time_is_up_searches_again_and_says_so(void **state) {
    struct weir__idle idle;
    struct weir__sleeper a = {0}, b = {0};

    (void)state;
    weir__idle_init(&idle);
    lie_down(&idle, &a);
    lie_down(&idle, &b);
    assert_false(weir__idle_park(&idle, &a, weir_after(1000)));
    assert_false(a.listed);
    assert_int_equal(counts(&idle).searching, 1);
    assert_int_equal(counts(&idle).parked, 1);
    weir__idle_found(&idle, 0);
    weir__idle_wake_one(&idle, 0); /* goes to the one that still sleeps */
    assert_false(b.listed);
    assert_true(weir__idle_park(&idle, &b, weir_after(1000)));
    weir__idle_destroy(&idle);
}

static void one_that_is_not_the_top_can_be_woken(void **state) {
    struct weir__idle idle;
    struct weir__sleeper a = {0}, b = {0};

    (void)state;
    weir__idle_init(&idle);
    lie_down(&idle, &a);
    lie_down(&idle, &b);
    weir__idle_wake_this(&idle, &a);
    assert_true(weir__idle_park(&idle, &a, WEIR_FOREVER));
    assert_true(b.listed);
    weir__idle_wake_this(&idle, &a); /* it does not sleep: nothing happens */
    assert_int_equal(atomic_load_explicit(&a.parker.state, memory_order_relaxed), 0);
    weir__idle_destroy(&idle);
}

static void all_are_idle_when_nobody_is_inside_a_task(void **state) {
    struct weir__idle idle;
    struct weir__sleeper sleeper = {0};

    (void)state;
    weir__idle_init(&idle);
    assert_true(weir__idle_all(&idle));
    assert_true(weir__idle_hire(&idle, 2, false));
    assert_true(weir__idle_hire(&idle, 2, false));
    weir__idle_announce(&idle, &sleeper);
    assert_true(weir__idle_all(&idle));
    weir__idle_found(&idle, 0);
    assert_false(weir__idle_all(&idle));
    weir__idle_destroy(&idle);
}

#define TURNS 3000u

/* A wake-up that races with the end of the time is had or not, by both sides alike. */
struct race {
    struct weir__idle idle;
    struct weir__sleeper sleeper;
    struct event down, done;
    unsigned woken;
};

static void *sleep_briefly(void *arg) {
    struct race *race = arg;

    for (unsigned i = 0; i < TURNS; i++) {
        lie_down(&race->idle, &race->sleeper);
        event_raise(&race->down);
        race->woken += weir__idle_park(&race->idle, &race->sleeper, weir_after(i % 64 * 100));
        weir__idle_found(&race->idle, 0);
        event_raise(&race->done);
    }
    return NULL;
}

static void wake_that_races_with_a_time_out_is_had_once(void **state) {
    struct race race = {.woken = 0};

    (void)state;
    weir__idle_init(&race.idle);
    pthread_t thread = unit_thread(sleep_briefly, &race);
    for (unsigned i = 1; i <= TURNS; i++) {
        event_await(&race.down, i);
        weir__idle_wake_one(&race.idle, 0);
        event_await(&race.done, i);
    }
    unit_join(thread);
    assert_int_equal(wakes(&race.idle), race.woken);
    assert_int_equal(atomic_load_explicit(&race.sleeper.parker.state, memory_order_relaxed), 0);
    assert_int_equal(counts(&race.idle).parked + counts(&race.idle).searching, 0);
    weir__idle_destroy(&race.idle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(nobody_parked_nobody_woken),
        ONCE(last_parked_is_woken_first_and_one_wake_is_under_way_at_a_time),
        ONCE(found_is_owed_by_the_last_searcher_alone),
        ONCE(retract_takes_the_worker_off_the_middle_of_the_stack),
        ONCE(retract_after_a_wake_consumes_it),
        ONCE(wake_all_wakes_everybody_once),
        ONCE(hiring_counts_one_who_lives_and_searches_up_to_the_limit),
        ONCE(nobody_is_hired_while_one_sleeps),
        ONCE(worker_leaves_unless_too_few_would_live),
        ONCE(last_one_stays_while_a_submitter_intends_to_come),
        ONCE(submitter_is_told_to_hire_when_all_are_inside_tasks),
        ONCE(sleeper_whose_time_is_up_searches_again_and_says_so),
        ONCE(one_that_is_not_the_top_can_be_woken),
        ONCE(all_are_idle_when_nobody_is_inside_a_task),
        ONCE(wake_that_races_with_a_time_out_is_had_once),
    };
    return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
