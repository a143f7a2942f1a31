/* Java's ScheduledThreadPoolExecutor, by timers. PARITY.md names each test. */
#include <weir.h>

#include "test/occupied.h"

#define MS       UINT64_C(1000000)
#define HOUR     (UINT64_C(3600) * 1000 * MS)
#define RUNS     10
#define NEVER_NS (UINT64_C(1) << 62)

static void *const VALUE = (void *)(uintptr_t)42;

static int call_value(void *arg, void **value) {
    (void)arg;
    *value = VALUE;
    return 0;
}

static enum weir_future_state state_of(struct weir_timer *timer) {
    return weir_future_state(weir_timer_future(timer));
}

static int wait_for(struct weir_timer *timer) {
    return weir_future_get(weir_timer_future(timer), NULL, WEIR_FOREVER);
}

static void end_timer(struct weir_timer *timer) {
    assert_int_equal(weir_timer_fini(timer), 0);
}

/* ---- schedule ---- */

static void once_runs_no_sooner_than_its_time_and_gives_its_value(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_timer timer;
    void *value = NULL;

    options.deferred_start = true; /* it is not over too soon for us */
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_timer_init(&timer, call_value, NULL, 0);
    uint64_t first_ns = weir_after(5 * MS);
    assert_int_equal(weir_timer_once(&timer, pool, first_ns), 0);
    assert_int_equal(weir_timer_once(&timer, pool, first_ns), -EALREADY);
    assert_int_equal(weir_timer_due(&timer), first_ns);
    assert_int_equal(weir_timer_fini(&timer), -EBUSY);
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_future_get(weir_timer_future(&timer), &value, WEIR_FOREVER), 0);
    assert_true(weir_now_ns() >= first_ns);
    assert_ptr_equal(value, VALUE);
    assert_int_equal(weir_timer_runs(&timer), 1);
    end_timer(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void once_in_the_past_runs_at_once(void **state) {
    static const uint64_t past[] = {WEIR_NOW, 1};
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);

    for (size_t i = 0; i < 2; i++) {
        struct weir_timer timer;
        weir_timer_init(&timer, call_value, NULL, 0);
        assert_int_equal(weir_timer_once(&timer, pool, past[i]), 0);
        assert_int_equal(wait_for(&timer), 0);
        end_timer(&timer);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void once_beyond_the_clock_never_runs_and_can_be_cancelled(void **state) {
    static const uint64_t far[] = {WEIR_FOREVER, WEIR_FOREVER - 1, NEVER_NS};
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);

    for (size_t i = 0; i < 3; i++) {
        struct weir_timer timer;
        weir_timer_init(&timer, call_value, NULL, 0);
        assert_int_equal(weir_timer_once(&timer, pool, far[i]), 0);
        assert_int_equal(state_of(&timer), WEIR_FUTURE_PENDING);
        assert_int_equal(weir_timer_cancel(&timer), 0);
        end_timer(&timer);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

struct order {
    unsigned next;
    unsigned place[RUNS];
};

struct ordered {
    struct weir_timer timer;
    struct order *order;
    unsigned index;
};

static int call_note_order(void *arg, void **value) {
    struct ordered *ordered = arg;

    (void)value;
    ordered->order->place[ordered->order->next++] = ordered->index; /* one worker */
    return 0;
}

static void timers_due_at_one_time_run_in_the_order_of_their_start(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct order order = {0};
    struct ordered ordered[RUNS];
    uint64_t first_ns = unit_soon();

    for (unsigned i = 0; i < RUNS; i++) {
        ordered[i].order = &order;
        ordered[i].index = i;
        weir_timer_init(&ordered[i].timer, call_note_order, &ordered[i], 0);
        assert_int_equal(weir_timer_once(&ordered[i].timer, pool, first_ns), 0);
    }
    for (unsigned i = 0; i < RUNS; i++)
        assert_int_equal(wait_for(&ordered[i].timer), 0);
    for (unsigned i = 0; i < RUNS; i++) {
        assert_int_equal(order.place[i], i);
        end_timer(&ordered[i].timer);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Series ---- */

struct series {
    struct weir_timer timer;
    unsigned runs; /* plain: each run happens before the next */
    _Atomic unsigned inside, overlaps;
    uint64_t first_ns, late_until_ns;
    uint64_t due_ns[RUNS], begin_ns[RUNS], end_ns[RUNS];
    unsigned last; /* the run that ends the series */
    int error;     /* and what it returns */
};

static int call_series(void *arg, void **value) {
    struct series *series = arg;
    unsigned run = series->runs++;

    (void)value;
    if (atomic_fetch_add_explicit(&series->inside, 1, memory_order_relaxed) != 0)
        add_one(&series->overlaps);
    series->due_ns[run] = weir_timer_due(&series->timer);
    series->begin_ns[run] = weir_now_ns();
    while (run == 0 && weir_now_ns() < series->late_until_ns) /* the first run is late */
        unit_yield();
    series->end_ns[run] = weir_now_ns();
    atomic_fetch_sub_explicit(&series->inside, 1, memory_order_relaxed);
    return run + 1 == series->last ? series->error : 0;
}

static void make_series(struct series *series, unsigned last, uint32_t flags) {
    memset(series, 0, sizeof *series);
    series->last = last;
    series->error = -EIO;
    series->first_ns = weir_after(MS);
    weir_timer_init(&series->timer, call_series, series, flags);
}

/* Ends when its last run has failed. */
static void finish_series(struct series *series) {
    assert_int_equal(wait_for(&series->timer), -EIO);
    assert_int_equal(series->runs, series->last);
    assert_int_equal(weir_timer_runs(&series->timer), series->last);
    assert_int_equal(number_of(&series->overlaps), 0);
    end_timer(&series->timer);
}

/* Java makes up for missed times too: one run right after the other. */
static void fixed_rate_keeps_its_grid_and_late_runs_do_not_overlap(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, NULL);
    struct series series;

    make_series(&series, RUNS, 0);
    series.late_until_ns = series.first_ns + 5 * MS;
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, series.first_ns, MS), 0);
    finish_series(&series);
    for (unsigned i = 0; i < RUNS; i++) {
        assert_int_equal(series.due_ns[i], series.first_ns + i * MS);
        assert_true(series.begin_ns[i] >= series.due_ns[i]);
        assert_true(i == 0 || series.begin_ns[i] >= series.end_ns[i - 1]);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* What Java has no policy for. */
static void fixed_rate_that_skips_leaves_missed_times_out(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, NULL);
    struct series series;

    make_series(&series, 3, WEIR_TIMER_SKIPS_MISSED);
    series.late_until_ns = series.first_ns + 5 * MS;
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, series.first_ns, MS), 0);
    finish_series(&series);
    assert_true(series.due_ns[1] >= series.first_ns + 5 * MS);
    assert_int_equal((series.due_ns[1] - series.first_ns) % MS, 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void fixed_delay_counts_from_the_end_of_each_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 3, NULL);
    struct series series;

    make_series(&series, RUNS, 0);
    series.late_until_ns = series.first_ns + 3 * MS;
    assert_int_equal(weir_timer_with_fixed_delay(&series.timer, pool, series.first_ns, MS), 0);
    finish_series(&series);
    for (unsigned i = 1; i < RUNS; i++)
        assert_true(series.begin_ns[i] >= series.end_ns[i - 1] + MS);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void failing_run_ends_its_series(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct series series;

    make_series(&series, 3, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, series.first_ns, MS), 0);
    assert_int_equal(wait_for(&series.timer), -EIO);
    assert_int_equal(state_of(&series.timer), WEIR_FUTURE_FAILED);
    assert_int_equal(weir_timer_cancel(&series.timer), -EALREADY);
    assert_int_equal(weir_pool_free(pool), 0); /* nothing of it is left to run */
    assert_int_equal(series.runs, 3);
    end_timer(&series.timer);
}

static void intervals_and_calls_out_of_range_are_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer, empty;

    weir_timer_init(&timer, call_value, NULL, 0);
    weir_timer_init(&empty, NULL, NULL, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&timer, pool, WEIR_NOW, 0), -EINVAL);
    assert_int_equal(weir_timer_with_fixed_delay(&timer, pool, WEIR_NOW, 0), -EINVAL);
    assert_int_equal(weir_timer_once(&timer, NULL, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_timer_once(&empty, pool, WEIR_NOW), -EINVAL);
    assert_int_equal(weir_timer_due(&timer), WEIR_FOREVER);
    assert_int_equal(weir_timer_once(&timer, pool, WEIR_NOW), 0); /* nothing had happened */
    assert_int_equal(wait_for(&timer), 0);
    end_timer(&timer);
    end_timer(&empty);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- cancel ---- */

/* In Java it stays in the queue until its time, unless setRemoveOnCancelPolicy was called. */
static void cancelled_timer_is_gone_at_once(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer;

    for (int i = 0; i < 100; i++) {
        weir_timer_init(&timer, call_value, NULL, 0);
        assert_int_equal(weir_timer_once(&timer, pool, weir_after(HOUR)), 0);
        assert_int_equal(weir_timer_cancel(&timer), 0);
        assert_int_equal(weir_timer_cancel(&timer), -EALREADY);
        assert_int_equal(wait_for(&timer), -ECANCELED);
        end_timer(&timer); /* its memory is ours again, an hour early */
    }
    assert_int_equal(weir_timer_runs(&timer), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void cancel_of_a_running_series_lets_the_run_end_and_no_other_begins(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct plug plug = PLUG;
    struct weir_timer timer;

    weir_timer_init(&timer, plug_call, &plug, 0);
    assert_int_equal(weir_timer_at_fixed_rate(&timer, pool, WEIR_NOW, MS), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_timer_cancel(&timer), -EINPROGRESS);
    assert_int_equal(state_of(&timer), WEIR_FUTURE_RUNNING);
    event_raise(&plug.release);
    assert_int_equal(wait_for(&timer), -ECANCELED);
    assert_int_equal(state_of(&timer), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_timer_runs(&timer), 1);
    end_timer(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(plug.begun.count, 1);
}

/* ---- shutdown ---- */

static void drain_runs_the_delayed_and_ends_the_series_as_java_does(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer once, series;

    weir_timer_init(&once, call_value, NULL, 0);
    weir_timer_init(&series, call_value, NULL, 0);
    uint64_t first_ns = weir_after(10 * MS);
    assert_int_equal(weir_timer_once(&once, pool, first_ns), 0);
    assert_int_equal(weir_timer_at_fixed_rate(&series, pool, weir_after(HOUR), HOUR), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(state_of(&series), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), 0);
    assert_true(weir_now_ns() >= first_ns);
    assert_int_equal(state_of(&once), WEIR_FUTURE_DONE);
    assert_int_equal(weir_pool_free(pool), 0);
    end_timer(&once);
    end_timer(&series);
}

/* The two policies, turned round, a timer each. */
static void drain_ends_the_delayed_and_keeps_the_series_where_told(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer once;
    struct series series;

    weir_timer_init(&once, call_value, NULL, WEIR_TIMER_ENDS_WITH_DRAIN);
    assert_int_equal(weir_timer_once(&once, pool, weir_after(HOUR)), 0);
    make_series(&series, 4, WEIR_TIMER_OUTLASTS_DRAIN);
    assert_int_equal(weir_timer_at_fixed_rate(&series.timer, pool, unit_soon(), MS), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(state_of(&once), WEIR_FUTURE_CANCELLED);
    assert_int_equal(state_of(&series.timer), WEIR_FUTURE_PENDING);
    assert_int_equal(weir_pool_await(pool, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), 0); /* until the series has ended */
    finish_series(&series);
    end_timer(&once);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct getter {
    struct weir_timer *timer;
    struct event begun;
    int rc;
};

static void *get_timer(void *arg) {
    struct getter *getter = arg;

    event_raise(&getter->begun);
    getter->rc = wait_for(getter->timer);
    return NULL;
}

/* After Java's shutdownNow the futures of what was delayed never end. */
static void waiter_of_a_timer_cancelled_by_shutdown_returns(void **state) {
    static const enum weir_shutdown_mode modes[] = {WEIR_CANCEL_PENDING, WEIR_CANCEL_RUNNING};

    for (size_t i = 0; i < 2; i++) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
        struct weir_timer timer;
        struct getter getter = {.timer = &timer};
        weir_timer_init(&timer, call_value, NULL, WEIR_TIMER_OUTLASTS_DRAIN);
        assert_int_equal(weir_timer_once(&timer, pool, weir_after(HOUR)), 0);
        pthread_t thread = unit_thread(get_timer, &getter);
        event_await(&getter.begun, 1);
        assert_int_equal(weir_pool_shutdown(pool, modes[i]), 0);
        unit_join(thread);
        assert_int_equal(getter.rc, -ECANCELED);
        assert_int_equal(weir_pool_free(pool), 0);
        end_timer(&timer);
    }
}

static void timer_after_shutdown_is_refused(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_timer timer;

    weir_timer_init(&timer, call_value, NULL, 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_timer_once(&timer, pool, WEIR_NOW), -ESHUTDOWN);
    assert_int_equal(weir_timer_at_fixed_rate(&timer, pool, WEIR_NOW, MS), -ESHUTDOWN);
    assert_int_equal(state_of(&timer), WEIR_FUTURE_PENDING);
    end_timer(&timer);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(once_runs_no_sooner_than_its_time_and_gives_its_value),
        EACH(once_in_the_past_runs_at_once),
        EACH(once_beyond_the_clock_never_runs_and_can_be_cancelled),
        EACH(timers_due_at_one_time_run_in_the_order_of_their_start),
        EACH(fixed_rate_keeps_its_grid_and_late_runs_do_not_overlap),
        EACH(fixed_rate_that_skips_leaves_missed_times_out),
        EACH(fixed_delay_counts_from_the_end_of_each_run),
        EACH(failing_run_ends_its_series),
        EACH(intervals_and_calls_out_of_range_are_refused),
        EACH(cancelled_timer_is_gone_at_once),
        EACH(cancel_of_a_running_series_lets_the_run_end_and_no_other_begins),
        EACH(drain_runs_the_delayed_and_ends_the_series_as_java_does),
        EACH(drain_ends_the_delayed_and_keeps_the_series_where_told),
        EACH(waiter_of_a_timer_cancelled_by_shutdown_returns),
        EACH(timer_after_shutdown_is_refused),
    };
    return cmocka_run_group_tests_name("parity: timers", tests, NULL, NULL);
}
