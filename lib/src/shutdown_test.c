/* The end of a pool: shutdown, await, free; from outside, tasks, drops and callbacks. */
#include <weir/pool.h>

#include "test/unit.h"

#define QUEUED 6

/* One occupied worker with tasks and futures queued behind. */
struct busy {
    struct weir_pool *pool;
    struct plug plug;
    struct counted counted[QUEUED];
    struct weir_future *future;
};

static void make_busy(struct busy *busy, void **state) {
    memset(busy, 0, sizeof *busy);
    busy->pool = unit_pool(unit_scheduler(state), 1, NULL);
    assert_int_equal(weir_pool_execute(busy->pool, plug_run, &busy->plug), 0);
    event_await(&busy->plug.begun, 1);
    for (int i = 0; i < QUEUED; i++)
        assert_int_equal(weir_pool_submit(busy->pool, counted_init(&busy->counted[i])), 0);
    assert_int_equal(weir_pool_async(busy->pool, call_echo, NULL, &busy->future), 0);
}

static void expect_ends(struct busy *busy, unsigned runs, unsigned drops) {
    for (int i = 0; i < QUEUED; i++) {
        assert_int_equal(number_of(&busy->counted[i].runs), runs);
        assert_int_equal(number_of(&busy->counted[i].drops), drops);
    }
}

static void expect_all_refused(struct weir_pool *pool) {
    struct counted counted;
    struct weir_task *list[1] = {counted_init(&counted)};
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_submit(pool, list[0]), -ESHUTDOWN);
    assert_int_equal(weir_pool_submit_until(pool, list[0], WEIR_FOREVER), -ESHUTDOWN);
    assert_int_equal(weir_pool_submit_batch(pool, list, 1), -ESHUTDOWN);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &future), -ESHUTDOWN);
    assert_int_equal(number_of(&counted.runs) + number_of(&counted.drops), 0);
}

static void drain_refuses_new_tasks_and_runs_the_queued(void **state) {
    struct busy busy;

    make_busy(&busy, state);
    assert_int_equal(weir_pool_await(busy.pool, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_pool_await(busy.pool, weir_after(1000)), -ETIMEDOUT);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_DRAIN), 0);
    expect_all_refused(busy.pool);
    assert_int_equal(weir_pool_await(busy.pool, WEIR_NOW), -EAGAIN);
    expect_ends(&busy, 0, 0);
    event_raise(&busy.plug.release);
    assert_int_equal(weir_pool_await(busy.pool, WEIR_FOREVER), 0);
    expect_ends(&busy, 1, 0);
    assert_int_equal(unit_stats(busy.pool).workers, 0);
    assert_int_equal(unit_stats(busy.pool).completed, QUEUED + 2);
    assert_int_equal(weir_future_get(busy.future, NULL, WEIR_NOW), 0);
    weir_future_unref(busy.future);
    assert_int_equal(weir_pool_free(busy.pool), 0);
}

static void *get_main(void *arg) {
    return (void *)(intptr_t)weir_future_get(arg, NULL, WEIR_FOREVER);
}

static void cancel_drops_the_queued_and_releases_their_waiters(void **state) {
    struct busy busy;
    void *rc = NULL;

    make_busy(&busy, state);
    pthread_t waiter = unit_thread(get_main, busy.future);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_CANCEL_PENDING), 0);
    expect_ends(&busy, 0, 1); /* on this thread, before shutdown returned */
    assert_int_equal(pthread_join(waiter, &rc), 0);
    assert_int_equal((intptr_t)rc, -ECANCELED);
    assert_int_equal(weir_future_state(busy.future), WEIR_FUTURE_CANCELLED);
    expect_all_refused(busy.pool);
    assert_int_equal(unit_stats(busy.pool).cancelled, QUEUED + 1);
    event_raise(&busy.plug.release);
    assert_int_equal(weir_pool_await(busy.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(busy.pool).completed, 1); /* what ran goes on to its end */
    weir_future_unref(busy.future);
    assert_int_equal(weir_pool_free(busy.pool), 0);
}

static void shutdown_escalates_and_never_goes_back(void **state) {
    struct busy busy;

    make_busy(&busy, state);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_DRAIN), 0);
    expect_ends(&busy, 0, 0);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_CANCEL_PENDING), 0);
    expect_ends(&busy, 0, 1);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_DRAIN), 0);
    event_raise(&busy.plug.release);
    weir_future_unref(busy.future);
    assert_int_equal(weir_pool_free(busy.pool), 0);
    expect_ends(&busy, 0, 1);
}

static void free_drains(void **state) {
    struct busy busy;

    make_busy(&busy, state);
    event_raise(&busy.plug.release);
    assert_int_equal(weir_pool_free(busy.pool), 0);
    expect_ends(&busy, 1, 0);
    assert_int_equal(weir_future_get(busy.future, NULL, WEIR_NOW), 0);
    weir_future_unref(busy.future);
}

/* ---- From inside ---- */

struct inside {
    struct weir_pool *pool;
    struct weir_pool *other;
    enum weir_shutdown_mode mode;
    struct counted late;
    int shutdown_rc, submit_rc, await_rc, idle_rc, free_rc, other_rc;
    _Atomic unsigned ended;
};

static void try_all(struct inside *inside) {
    inside->await_rc = weir_pool_await(inside->pool, WEIR_FOREVER);
    inside->idle_rc = weir_pool_await_idle(inside->pool, WEIR_FOREVER);
    inside->free_rc = weir_pool_free(inside->pool);
    inside->other_rc = weir_pool_await_idle(inside->other, WEIR_FOREVER);
    inside->shutdown_rc = weir_pool_shutdown(inside->pool, inside->mode);
    inside->submit_rc = weir_pool_submit(inside->pool, counted_init(&inside->late));
    add_one(&inside->ended);
}

static void expect_tried(struct inside *inside) {
    assert_int_equal(number_of(&inside->ended), 1);
    assert_int_equal(inside->await_rc, -EDEADLK);
    assert_int_equal(inside->idle_rc, -EDEADLK);
    assert_int_equal(inside->free_rc, -EDEADLK);
    assert_int_equal(inside->other_rc, 0); /* another pool may be waited for */
    assert_int_equal(inside->shutdown_rc, 0);
    assert_int_equal(inside->submit_rc, -ESHUTDOWN);
}

static int try_in_call(void *arg, void **value) {
    (void)value;
    try_all(arg);
    return 0;
}

static void task_may_shut_down_but_not_wait_for_its_pool(void **state) {
    const enum weir_shutdown_mode modes[] = {WEIR_DRAIN, WEIR_CANCEL_PENDING};

    for (int i = 0; i < 2; i++) {
        struct inside inside = {.mode = modes[i]};
        struct weir_future future;
        struct counted behind;
        struct plug plug = PLUG;
        inside.pool = unit_pool(unit_scheduler(state), 1, NULL);
        inside.other = unit_pool(unit_scheduler(state), 1, NULL);
        weir_pool_execute(inside.pool, plug_run, &plug);
        weir_future_init(&future);
        weir_pool_submit(inside.pool, weir_future_task(&future, try_in_call, &inside, 0));
        weir_pool_submit(inside.pool, counted_init(&behind));
        event_raise(&plug.release);
        assert_int_equal(weir_pool_await(inside.pool, WEIR_FOREVER), 0);
        expect_tried(&inside);
        assert_int_equal(number_of(&behind.runs), modes[i] == WEIR_DRAIN);
        assert_int_equal(number_of(&behind.drops), modes[i] == WEIR_CANCEL_PENDING);
        assert_int_equal(weir_future_fini(&future), 0);
        assert_int_equal(weir_pool_free(inside.pool), 0);
        assert_int_equal(weir_pool_free(inside.other), 0);
    }
}

static void try_in_callback(struct weir_future *future, void *arg) {
    (void)future;
    try_all(arg);
}

static void callback_may_shut_down_but_not_wait_for_its_pool(void **state) {
    struct inside inside = {.mode = WEIR_CANCEL_PENDING};
    struct weir_callback callback = {.fn = try_in_callback, .arg = &inside};
    struct weir_future future;
    struct plug plug = PLUG;

    inside.pool = unit_pool(unit_scheduler(state), 1, NULL);
    inside.other = unit_pool(unit_scheduler(state), 1, NULL);
    weir_future_init(&future);
    struct weir_task *task = weir_future_task(&future, plug_call, &plug, 0);
    weir_future_on_done(&future, &callback);
    assert_int_equal(weir_pool_submit(inside.pool, task), 0);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await(inside.pool, WEIR_FOREVER), 0);
    expect_tried(&inside);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_pool_free(inside.pool), 0);
    assert_int_equal(weir_pool_free(inside.other), 0);
}

/* The same on the outside thread that cancels the call. */
static void callback_of_a_canceller_may_shut_down(void **state) {
    struct inside inside = {.mode = WEIR_DRAIN};
    struct weir_callback callback = {.fn = try_in_callback, .arg = &inside};
    struct busy busy;

    make_busy(&busy, state);
    inside.pool = busy.pool;
    inside.other = unit_pool(unit_scheduler(state), 1, NULL);
    weir_future_on_done(busy.future, &callback);
    assert_int_equal(weir_future_cancel(busy.future), 0);
    expect_tried(&inside);
    weir_future_unref(busy.future);
    event_raise(&busy.plug.release);
    assert_int_equal(weir_pool_free(busy.pool), 0);
    expect_ends(&busy, 1, 0);
    assert_int_equal(weir_pool_free(inside.other), 0);
}

struct dropping {
    struct weir_task task;
    struct inside *inside;
};

static int never_run(struct weir_task *task) {
    (void)task;
    return -EPROTO;
}

static void try_in_drop(struct weir_task *task, int error) {
    struct dropping *dropping = (struct dropping *)(void *)task;

    if (error == -ECANCELED)
        try_all(dropping->inside);
}

static void drop_may_shut_down_but_not_wait_for_its_pool(void **state) {
    struct inside inside = {.mode = WEIR_CANCEL_PENDING};
    struct dropping dropping = {{.run = never_run, .drop = try_in_drop}, &inside};
    struct busy busy;

    make_busy(&busy, state);
    inside.pool = busy.pool;
    inside.other = unit_pool(unit_scheduler(state), 1, NULL);
    weir_pool_submit(busy.pool, &dropping.task);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_CANCEL_PENDING), 0);
    expect_tried(&inside);
    expect_ends(&busy, 0, 1);
    event_raise(&busy.plug.release);
    weir_future_unref(busy.future);
    assert_int_equal(weir_pool_free(busy.pool), 0);
    assert_int_equal(weir_pool_free(inside.other), 0);
}

/* ---- Races ---- */

#define SUBMITTERS 3
#define TURNS      30
#define ALL_MODES  200u

struct race {
    struct weir_pool *pool;
    struct event go;
    _Atomic unsigned accepted, ran, dropped;
};

struct racer {
    struct weir_task task;
    struct race *race;
    unsigned children; /* submitted by the task itself */
};

static int race_run(struct weir_task *task);

static void race_drop(struct weir_task *task, int error) {
    (void)error;
    add_one(&((struct racer *)(void *)task)->race->dropped);
    free(task);
}

static void race_submit(struct race *race, unsigned children) {
    struct racer *racer = malloc(sizeof *racer);

    if (!racer)
        abort();
    *racer = (struct racer){{.run = race_run, .drop = race_drop}, race, children};
    if (weir_pool_submit(race->pool, &racer->task) == 0)
        add_one(&race->accepted);
    else
        free(racer);
}

static int race_run(struct weir_task *task) {
    struct racer *racer = (struct racer *)(void *)task;

    for (unsigned i = 0; i < racer->children; i++)
        race_submit(racer->race, 0);
    add_one(&racer->race->ran);
    free(racer);
    return 0;
}

static void *race_main(void *arg) {
    struct race *race = arg;

    event_await(&race->go, 1);
    for (unsigned i = 0; i < ALL_MODES; i++)
        race_submit(race, i % 4);
    return NULL;
}

static void run_race(void **state, enum weir_shutdown_mode mode, size_t capacity) {
    struct weir_pool_options options;
    pthread_t threads[SUBMITTERS];
    struct race race = {.pool = NULL};

    weir_pool_options_init(&options);
    options.capacity = capacity;
    race.pool = unit_pool(unit_scheduler(state), 2, &options);
    for (int i = 0; i < SUBMITTERS; i++)
        threads[i] = unit_thread(race_main, &race);
    event_raise(&race.go);
    UNTIL(number_of(&race.accepted) > ALL_MODES / 2);
    assert_int_equal(weir_pool_shutdown(race.pool, mode), 0);
    assert_int_equal(weir_pool_await(race.pool, WEIR_FOREVER), 0);
    for (int i = 0; i < SUBMITTERS; i++)
        unit_join(threads[i]);
    assert_int_equal(number_of(&race.accepted), number_of(&race.ran) + number_of(&race.dropped));
    if (mode == WEIR_DRAIN)
        assert_int_equal(number_of(&race.dropped), 0);
    assert_int_equal(unit_stats(race.pool).submitted, number_of(&race.accepted));
    assert_int_equal(weir_pool_free(race.pool), 0);
}

static void what_races_with_shutdown_runs_or_is_dropped_and_nothing_is_lost(void **state) {
    for (int i = 0; i < TURNS; i++) {
        run_race(state, WEIR_DRAIN, 0);
        run_race(state, WEIR_CANCEL_PENDING, 0);
        run_race(state, WEIR_DRAIN, 2);
        run_race(state, WEIR_CANCEL_PENDING, 2);
    }
}

/* One worker stays inside a task until another queued one has run: the other worker must not have
 * left before it. */
static void tasks_that_need_each_other_both_run_in_a_drain(void **state) {
    for (int i = 0; i < 300; i++) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
        struct plug plug = PLUG;
        struct weir_future *release = NULL;
        weir_pool_execute(pool, plug_run, &plug);
        assert_int_equal(weir_pool_async(pool, call_echo, NULL, &release), 0);
        weir_pool_shutdown(pool, WEIR_DRAIN);
        assert_int_equal(weir_future_get(release, NULL, WEIR_FOREVER), 0);
        event_raise(&plug.release);
        weir_future_unref(release);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

struct pair {
    struct weir_pool *pool;
    struct event begun, second_ran;
    int rc;
};

static void run_second(void *arg) {
    event_raise(&((struct pair *)arg)->second_ran);
}

static void run_first(void *arg) {
    struct pair *pair = arg;

    event_raise(&pair->begun);
    pair->rc = weir_pool_execute(pair->pool, run_second, pair);
    if (pair->rc == 0)
        event_await(&pair->second_ran, 1); /* not a future: nobody can claim it for us */
}

/* The other worker must not have left when the submission was accepted a moment before the end. */
static void task_accepted_beside_a_shutdown_runs_while_its_submitter_waits(void **state) {
    for (int i = 0; i < 1000; i++) {
        struct pair pair = {.pool = unit_pool(unit_scheduler(state), 2, NULL)};
        assert_int_equal(weir_pool_execute(pair.pool, run_first, &pair), 0);
        event_await(&pair.begun, 1);
        assert_int_equal(weir_pool_shutdown(pair.pool, WEIR_DRAIN), 0);
        assert_int_equal(weir_pool_await(pair.pool, WEIR_FOREVER), 0);
        assert_true(pair.rc == 0 || pair.rc == -ESHUTDOWN);
        assert_int_equal(unit_stats(pair.pool).completed, pair.rc == 0 ? 2 : 1);
        assert_int_equal(weir_pool_free(pair.pool), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(drain_refuses_new_tasks_and_runs_the_queued),
        EACH(cancel_drops_the_queued_and_releases_their_waiters),
        EACH(shutdown_escalates_and_never_goes_back),
        EACH(free_drains),
        EACH(task_may_shut_down_but_not_wait_for_its_pool),
        EACH(callback_may_shut_down_but_not_wait_for_its_pool),
        EACH(callback_of_a_canceller_may_shut_down),
        EACH(drop_may_shut_down_but_not_wait_for_its_pool),
        EACH(what_races_with_shutdown_runs_or_is_dropped_and_nothing_is_lost),
        EACH(tasks_that_need_each_other_both_run_in_a_drain),
        EACH(task_accepted_beside_a_shutdown_runs_while_its_submitter_waits),
    };
    return cmocka_run_group_tests_name("shutdown", tests, NULL, NULL);
}
