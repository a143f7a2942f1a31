#include <weir/timer.h>

#include "task.h"
#include "test/timers.h"

#define VALUE ((void *)&value_itself)
static int value_itself;

/* ---- Once ---- */

static void bad_arguments_are_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer, empty, banded;

    weir_timer_init(&timer, call_echo, NULL, 0);
    weir_timer_init(&empty, NULL, NULL, 0);
    weir_timer_init(&banded, call_echo, NULL, WEIR_TASK_BAND(1)); /* the pool has one band */
    assert_int_equal(weir_timer_once(NULL, pool, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_timer_once(&timer, NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_timer_once(&empty, pool, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_timer_once(&banded, pool, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_timer_at_fixed_rate(&timer, pool, WEIR_NOW, 0), -EINVAL);
    assert_int_equal(weir_timer_with_fixed_delay(&timer, pool, WEIR_NOW, 0), -EINVAL);
    assert_int_equal(weir_timer_cancel(NULL), -EINVAL);
    assert_int_equal(weir_timer_fini(NULL), -EINVAL);
    assert_null(weir_timer_future(NULL));
    assert_true(weir_timer_due(NULL) == WEIR_FOREVER && weir_timer_due(&timer) == WEIR_FOREVER);
    assert_true(weir_timer_runs(NULL) == 0);
    timer_finish(&timer);
    timer_finish(&empty);
    timer_finish(&banded);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void once_runs_when_due_and_gives_its_value(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct series series;
    void *value = NULL;
    uint64_t due_ns = weir_after(3 * MS);

    series_init(&series, 0);
    assert_int_equal(weir_timer_once(&series.timer, pool, due_ns), 0);
    assert_true(weir_timer_due(&series.timer) == due_ns);
    assert_int_equal(weir_timer_once(&series.timer, pool, due_ns), -EALREADY);
    assert_int_equal(weir_future_get(weir_timer_future(&series.timer), &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, &series);
    assert_true(series.begun_ns[0] >= due_ns);
    assert_int_equal(weir_timer_runs(&series.timer), 1);
    assert_int_equal(weir_timer_cancel(&series.timer), -EALREADY);
    assert_int_equal(weir_timer_once(&series.timer, pool, due_ns), -EALREADY);
    assert_int_equal(unit_stats(pool).submitted, 1);
    timer_finish(&series.timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void time_that_has_passed_is_due_at_once(void **state) {
    const uint64_t times[] = {WEIR_NOW, 1, weir_now_ns()};
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer;

    for (int i = 0; i < 3; i++) {
        weir_timer_init(&timer, call_echo, VALUE, 0);
        assert_int_equal(weir_timer_once(&timer, pool, times[i]), 0);
        assert_int_equal(timer_get(&timer), 0);
        timer_finish(&timer);
    }
    weir_timer_init(&timer, call_fail, (void *)(intptr_t)-EIO, 0);
    assert_int_equal(weir_timer_once(&timer, pool, WEIR_NOW), 0);
    assert_int_equal(timer_get(&timer), -EIO);
    assert_int_equal(timer_state(&timer), WEIR_FUTURE_FAILED);
    timer_finish(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

#define SHUFFLED 40

struct order {
    struct weir_timer timer;
    unsigned place;
    _Atomic unsigned *next;
    unsigned ran_as;
};

static int note_order(void *arg, void **value) {
    struct order *order = arg;

    (void)value;
    order->ran_as = atomic_fetch_add_explicit(order->next, 1, memory_order_relaxed);
    return 0;
}

static void timers_become_due_in_the_order_of_their_times(void **state) {
    struct weir_pool *pool = unit_pool(WEIR_LOCKED, 1, NULL); /* starts in order of submission */
    struct order orders[SHUFFLED];
    _Atomic unsigned next = 0;
    uint64_t first_ns = unit_soon();

    (void)state;
    for (unsigned i = 0; i < SHUFFLED; i++) {
        unsigned place = i * 17 % SHUFFLED;
        orders[i] = (struct order){.place = place, .next = &next};
        weir_timer_init(&orders[i].timer, note_order, &orders[i], 0);
        assert_int_equal(weir_timer_once(&orders[i].timer, pool, first_ns + place / 2), 0);
    }
    for (unsigned i = 0; i < SHUFFLED; i++) {
        assert_int_equal(timer_get(&orders[i].timer), 0);
        assert_in_range(orders[i].ran_as / 2, orders[i].place / 2, orders[i].place / 2);
        timer_finish(&orders[i].timer);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Series ---- */

static void fixed_rate_keeps_to_its_grid(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct series series;
    uint64_t first_ns = weir_after(MS);

    series_init(&series, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, first_ns, MS), 0);
    event_await(&series.ran, 6);
    int rc = weir_timer_cancel(&series.timer);
    assert_true(rc == 0 || rc == -EINPROGRESS);
    assert_int_equal(timer_get(&series.timer), -ECANCELED);
    assert_int_equal(timer_state(&series.timer), WEIR_FUTURE_CANCELLED);
    assert_true(weir_timer_runs(&series.timer) >= 6);
    for (uint64_t i = 0; i < 6; i++) {
        assert_true(series.due_ns[i] == first_ns + i * MS);
        assert_true(series.begun_ns[i] >= series.due_ns[i]);
    }
    timer_finish(&series.timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void missed_runs_are_made_up_for_one_after_the_other(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct series series;
    struct keeper keeper;
    uint64_t now_ns = weir_now_ns(), period_ns = now_ns / 8; /* long, and in the clock's range */
    uint64_t first_ns = now_ns - 5 * period_ns;

    keep_worker(&keeper, pool);
    series_init(&series, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, first_ns, period_ns), 0);
    UNTIL(unit_stats(pool).queued == 1);
    free_worker(&keeper);
    event_await(&series.ran, 6); /* those of the past, and the one of now */
    UNTIL(weir_timer_due(&series.timer) == first_ns + 6 * period_ns);
    assert_int_equal(weir_timer_cancel(&series.timer), 0);
    assert_int_equal(weir_timer_runs(&series.timer), 6);
    for (uint64_t i = 0; i < 6; i++)
        assert_true(series.due_ns[i] == first_ns + i * period_ns);
    timer_finish(&series.timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void late_series_has_one_run_queued_however_late(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct series series;
    struct keeper keeper;

    keep_worker(&keeper, pool);
    series_init(&series, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, WEIR_NOW, 1), 0);
    UNTIL(unit_stats(pool).queued == 1);
    uint64_t end_ns = weir_after(2 * MS);
    UNTIL(weir_now_ns() > end_ns);
    assert_int_equal(unit_stats(pool).queued, 1);
    assert_int_equal(weir_timer_cancel(&series.timer), 0); /* while it is queued */
    assert_int_equal(unit_stats(pool).queued, 0);
    assert_int_equal(timer_state(&series.timer), WEIR_FUTURE_CANCELLED);
    timer_finish(&series.timer);
    free_worker(&keeper);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(atomic_load_explicit(&series.ran.count, memory_order_relaxed), 0);
}

static void missed_runs_are_left_out_when_asked_for(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct series series;
    uint64_t now_ns = weir_now_ns(), period_ns = now_ns / 8;
    uint64_t first_ns = now_ns - 5 * period_ns - period_ns / 2;

    series_init(&series, WEIR_TIMER_SKIPS_MISSED);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, first_ns, period_ns), 0);
    UNTIL(weir_timer_due(&series.timer) != first_ns);
    assert_true(weir_timer_due(&series.timer) == first_ns + 6 * period_ns); /* the grid's next */
    assert_int_equal(weir_timer_cancel(&series.timer), 0);
    assert_int_equal(weir_timer_runs(&series.timer), 1);
    timer_finish(&series.timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void fixed_delay_counts_from_the_end_of_a_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct series series;

    series_init(&series, 0);
    series.last = 5;
    series.ends_with = -EIO;
    assert_int_equal(weir_timer_with_fixed_delay(&series.timer, pool, WEIR_NOW, MS), 0);
    assert_int_equal(timer_get(&series.timer), -EIO);
    for (int i = 1; i < 5; i++) {
        assert_true(series.due_ns[i] >= series.begun_ns[i - 1] + MS);
        assert_true(series.begun_ns[i] >= series.due_ns[i]);
    }
    timer_finish(&series.timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void failing_run_ends_its_series_and_its_error_is_seen(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct series series;

    series_init(&series, 0);
    series.last = 3;
    series.ends_with = -EPROTO;
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, WEIR_NOW, 1), 0);
    assert_int_equal(timer_get(&series.timer), -EPROTO);
    assert_int_equal(timer_state(&series.timer), WEIR_FUTURE_FAILED);
    assert_int_equal(weir_timer_runs(&series.timer), 3);
    assert_int_equal(weir_timer_cancel(&series.timer), -EALREADY);
    timer_finish(&series.timer);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).failed, 1);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void runs_of_one_timer_never_overlap(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, NULL);
    struct series series[2];

    for (int i = 0; i < 2; i++) {
        series_init(&series[i], 0);
        series[i].last = 1000;
        series[i].ends_with = -EIO;
    }
    assert_int_equal(weir_timer_at_fixed_rate(&series[0].timer, pool, WEIR_NOW, 1), 0);
    assert_int_equal(weir_timer_with_fixed_delay(&series[1].timer, pool, WEIR_NOW, 1), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(timer_get(&series[i].timer), -EIO);
        assert_int_equal(number_of(&series[i].overlaps), 0);
        assert_int_equal(weir_timer_runs(&series[i].timer), 1000);
        timer_finish(&series[i].timer);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void no_time_overflows(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct series series[3];
    struct weir_timer never;

    for (int i = 0; i < 3; i++)
        series_init(&series[i], i == 2 ? WEIR_TIMER_SKIPS_MISSED : 0);
    weir_timer_init(&never, call_echo, NULL, 0);
    assert_int_equal(weir_timer_once(&never, pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_timer_with_fixed_delay(&series[0].timer, pool, 1, WEIR_FOREVER), 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series[1].timer, pool, 1, WEIR_FOREVER - 1), 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series[2].timer, pool, 2, WEIR_FOREVER), 0);
    for (int i = 0; i < 3; i++) {
        UNTIL(weir_timer_due(&series[i].timer) == WEIR_FOREVER);
        assert_int_equal(weir_timer_cancel(&series[i].timer), 0);
        assert_int_equal(weir_timer_runs(&series[i].timer), 1);
        timer_finish(&series[i].timer);
    }
    assert_int_equal(timer_state(&never), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_timer_cancel(&never), 0);
    timer_finish(&never);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Cancelling and finishing ---- */

static void waiting_timer_is_cancelled_and_gone(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer, unstarted;
    struct plug never = PLUG;

    weir_timer_init(&timer, plug_call, &never, 0);
    assert_int_equal(weir_timer_once(&timer, pool, weir_after(LATER)), 0);
    assert_int_equal(timer_state(&timer), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_timer_fini(&timer), -EBUSY);
    assert_int_equal(weir_timer_cancel(&timer), 0);
    assert_int_equal(timer_state(&timer), WEIR_FUTURE_CANCELLED);
    assert_int_equal(timer_get(&timer), -ECANCELED);
    assert_int_equal(weir_timer_cancel(&timer), -EALREADY);
    timer_finish(&timer);
    weir_timer_init(&timer, plug_call, &never, 0);
    assert_int_equal(weir_timer_once(&timer, pool, weir_after(LATER)), 0);
    assert_int_equal(weir_future_cancel(weir_timer_future(&timer)), 0); /* the same */
    timer_finish(&timer);
    weir_timer_init(&unstarted, plug_call, &never, 0);
    assert_int_equal(weir_timer_cancel(&unstarted), 0);
    assert_int_equal(weir_timer_once(&unstarted, pool, WEIR_NOW), -EALREADY);
    timer_finish(&unstarted);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void running_timer_ends_its_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct held held;
    void *value = NULL;

    held_init(&held, 0);
    assert_int_equal(weir_timer_once(&held.timer, pool, WEIR_NOW), 0);
    event_await(&held.plug.begun, 1);
    assert_int_equal(timer_state(&held.timer), WEIR_FUTURE_RUNNING);
    assert_int_equal(weir_timer_cancel(&held.timer), -EINPROGRESS);
    assert_int_equal(weir_timer_fini(&held.timer), -EBUSY);
    event_raise(&held.plug.release);
    assert_int_equal(weir_future_get(weir_timer_future(&held.timer), &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, &held);
    timer_finish(&held.timer);

    held_init(&held, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&held.timer, pool, WEIR_NOW, 1), 0);
    event_await(&held.plug.begun, 1);
    assert_int_equal(weir_timer_cancel(&held.timer), -EINPROGRESS);
    assert_int_equal(weir_timer_cancel(&held.timer), -EINPROGRESS);
    event_raise(&held.plug.release);
    assert_int_equal(timer_get(&held.timer), -ECANCELED);
    assert_int_equal(weir_timer_runs(&held.timer), 1);
    timer_finish(&held.timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void call_may_cancel_its_timer_but_not_wait_for_it(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct held held;

    held_init(&held, 0);
    held.ask = true;
    event_raise(&held.plug.release);
    assert_int_equal(weir_timer_with_fixed_delay(&held.timer, pool, WEIR_NOW, 1), 0);
    assert_int_equal(timer_get(&held.timer), -ECANCELED);
    assert_int_equal(held.get_rc, -EDEADLK);
    assert_int_equal(held.cancel_rc, -EINPROGRESS);
    assert_int_equal(weir_timer_runs(&held.timer), 1);
    timer_finish(&held.timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void count_end(struct weir_future *future, void *arg) {
    (void)future;
    add_one((_Atomic unsigned *)arg);
}

static void callbacks_run_at_the_end_whatever_it_is(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    _Atomic unsigned ends = 0;

    for (int i = 0; i < 3; i++) {
        struct weir_callback callback = {.fn = count_end, .arg = (void *)&ends};
        struct weir_timer timer;
        weir_timer_init(&timer, call_echo, NULL, 0);
        weir_future_on_done(weir_timer_future(&timer), &callback);
        if (i < 2)
            assert_int_equal(weir_timer_once(&timer, pool, i ? WEIR_NOW : weir_after(LATER)), 0);
        if (i == 0)
            assert_int_equal(weir_timer_cancel(&timer), 0);
        if (i == 1)
            assert_int_equal(timer_get(&timer), 0);
        timer_finish(&timer); /* cancels one that was never started */
        assert_int_equal(number_of(&ends), i + 1);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void token_ends_a_series_at_its_turn(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_token token;
    struct series series;

    weir_token_init(&token, NULL, WEIR_FOREVER);
    series_init(&series, 0);
    assert_int_equal(weir_future_set_token(weir_timer_future(&series.timer), &token), 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, WEIR_NOW, MS), 0);
    event_await(&series.ran, 2);
    assert_int_equal(weir_token_cancel(&token), 0);
    assert_int_equal(timer_get(&series.timer), -ECANCELED);
    timer_finish(&series.timer);
    assert_int_equal(weir_token_fini(&token), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct claimer {
    struct weir_timer *timer;
    struct event begun, go;
    int rc;
};

static int claim_timer(void *arg, void **value) {
    struct claimer *claimer = arg;

    event_raise(&claimer->begun);
    event_await(&claimer->go, 1);
    claimer->rc = weir_future_get(weir_timer_future(claimer->timer), value, WEIR_FOREVER);
    return 0;
}

static void worker_that_waits_runs_the_queued_run_itself(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer;
    struct claimer claimer = {.timer = &timer, .rc = 1};
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(pool, claim_timer, &claimer, &future), 0);
    event_await(&claimer.begun, 1);
    weir_timer_init(&timer, call_echo, VALUE, 0);
    assert_int_equal(weir_timer_once(&timer, pool, WEIR_NOW), 0);
    UNTIL(atomic_load_explicit(&timer.weir__future.weir__task.weir__state, memory_order_acquire) ==
          TASK_QUEUED);
    event_raise(&claimer.go);
    void *value = NULL;
    assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), 0);
    assert_int_equal(claimer.rc, 0);
    assert_ptr_equal(value, VALUE);
    weir_future_unref(future);
    timer_finish(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static int end_thread(void *arg, void **value) {
    (void)arg, (void)value;
    pthread_exit(NULL);
}

static void run_that_ends_its_thread_ends_the_series(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer;

    weir_timer_init(&timer, end_thread, NULL, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&timer, pool, WEIR_NOW, 1), 0);
    assert_int_equal(timer_get(&timer), -EOWNERDEAD);
    timer_finish(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(bad_arguments_are_refused),
        EACH(once_runs_when_due_and_gives_its_value),
        EACH(time_that_has_passed_is_due_at_once),
        ONCE(timers_become_due_in_the_order_of_their_times),
        EACH(fixed_rate_keeps_to_its_grid),
        EACH(missed_runs_are_made_up_for_one_after_the_other),
        EACH(late_series_has_one_run_queued_however_late),
        EACH(missed_runs_are_left_out_when_asked_for),
        EACH(fixed_delay_counts_from_the_end_of_a_run),
        EACH(failing_run_ends_its_series_and_its_error_is_seen),
        EACH(runs_of_one_timer_never_overlap),
        EACH(no_time_overflows),
        EACH(waiting_timer_is_cancelled_and_gone),
        EACH(running_timer_ends_its_run),
        EACH(call_may_cancel_its_timer_but_not_wait_for_it),
        EACH(callbacks_run_at_the_end_whatever_it_is),
        EACH(token_ends_a_series_at_its_turn),
        EACH(worker_that_waits_runs_the_queued_run_itself),
        EACH(run_that_ends_its_thread_ends_the_series),
    };
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
