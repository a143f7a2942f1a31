/* WEIR_WAIT_HELP: a worker that waits runs other tasks meanwhile. */
#include <weir/pool.h>

#include "test/unit.h"

static struct weir_pool *open_pool(void **state, unsigned threads) {
    struct weir_pool_options options = unit_options();

    options.wait = WEIR_WAIT_HELP;
    return unit_pool(unit_scheduler(state), threads, &options);
}

/* A call that waits, in one of the ways, for promises. */
struct waiter {
    struct weir_pool *pool;
    struct weir_future promises[2];
    struct event begun, go, leave;
    bool stays; /* after the wait it occupies its worker until it may leave */
    int how;    /* -1: weir_future_get of the first, else a mode of weir_wait */
    uint64_t deadline_ns;
    struct weir_future *future;
};

static int wait_helping(void *arg, void **value) {
    struct waiter *waiter = arg;
    struct weir_future *list[2] = {&waiter->promises[0], &waiter->promises[1]};

    event_raise(&waiter->begun);
    event_await(&waiter->go, 1);
    if (waiter->how < 0)
        return weir_future_get(list[0], value, waiter->deadline_ns);
    ptrdiff_t rc = weir_wait(list, 2, (enum weir_wait_mode)waiter->how, waiter->deadline_ns);
    if (waiter->stays)
        event_await(&waiter->leave, 1);
    *value = (void *)(intptr_t)rc;
    return rc < 0 ? (int)rc : 0;
}

static void begin_to_wait(struct waiter *waiter, struct weir_pool *pool, int how,
                          uint64_t deadline_ns) {
    *waiter = (struct waiter){.pool = pool, .how = how, .deadline_ns = deadline_ns};
    for (int i = 0; i < 2; i++)
        weir_future_init(&waiter->promises[i]);
    assert_int_equal(weir_pool_async(pool, wait_helping, waiter, &waiter->future), 0);
    event_await(&waiter->begun, 1);
}

static int end_wait(struct waiter *waiter, void **value) {
    int rc = weir_future_get(waiter->future, value, WEIR_FOREVER);

    weir_future_unref(waiter->future);
    return rc;
}

/* ---- What it runs ---- */

static void waiting_worker_runs_what_is_queued_and_what_comes(void **state) {
    struct weir_pool *pool = open_pool(state, 1);

    for (int how = -1; how <= WEIR_FIRST_ERROR; how++) {
        struct counted counted[8];
        struct waiter waiter;
        begin_to_wait(&waiter, pool, how, WEIR_FOREVER);
        for (int i = 0; i < 4; i++)
            assert_int_equal(weir_pool_submit(pool, counted_init(&counted[i])), 0);
        event_raise(&waiter.go);
        for (int i = 0; i < 4; i++)
            UNTIL(number_of(&counted[i].runs) == 1);
        for (int i = 4; i < 8; i++) { /* now it sleeps, or is about to */
            assert_int_equal(weir_pool_submit(pool, counted_init(&counted[i])), 0);
            UNTIL(number_of(&counted[i].runs) == 1);
        }
        assert_int_equal(weir_future_state(waiter.future), WEIR_FUTURE_RUNNING);
        assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
        if (how == WEIR_ALL || how == WEIR_FIRST_ERROR)
            assert_int_equal(weir_future_set(&waiter.promises[1], NULL), 0);
        assert_int_equal(end_wait(&waiter, NULL), 0);
    }
    assert_int_equal(weir_pool_size(pool), 1);
    assert_int_equal(unit_stats(pool).largest, 1);
    unit_free(pool);
}

static void sleeping_helper_is_woken_by_the_end_that_decides(void **state) {
    struct weir_pool *pool = open_pool(state, 2);
    static const intptr_t answers[] = {0, 1, 1};

    for (int turn = 0; turn < 60; turn++) {
        struct waiter waiter;
        void *value = NULL;
        int how = turn % 3;
        begin_to_wait(&waiter, pool, how, WEIR_FOREVER);
        event_raise(&waiter.go);
        for (int yields = turn; yields > 0; yields--) /* it sleeps by then, now and then */
            unit_yield();
        int rc = how == WEIR_FIRST_ERROR ? weir_future_fail(&waiter.promises[1], -EIO)
                                         : weir_future_set(&waiter.promises[1], NULL);
        assert_int_equal(rc, 0);
        if (how == WEIR_ALL)
            assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
        assert_int_equal(end_wait(&waiter, &value), 0);
        assert_int_equal((intptr_t)value, answers[how]);
    }
    unit_free(pool);
}

static void helper_gives_up_at_its_deadline(void **state) {
    struct weir_pool *pool = open_pool(state, 1);

    for (int how = -1; how <= WEIR_FIRST_ERROR; how++) {
        struct counted counted;
        struct waiter waiter;
        begin_to_wait(&waiter, pool, how, weir_after(3000000));
        event_raise(&waiter.go);
        assert_int_equal(end_wait(&waiter, NULL), -ETIMEDOUT);
        begin_to_wait(&waiter, pool, how, WEIR_NOW);
        event_raise(&waiter.go);
        assert_int_equal(end_wait(&waiter, NULL), -EAGAIN);
        /* It counts no more as one who sleeps and helps. */
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        assert_int_equal(number_of(&counted.runs), 1);
        /* The promises have nobody's callback left on them. */
        assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
    }
    unit_free(pool);
}

/* A task's failure while somebody helps is not the waiter's. */
static int run_badly(struct weir_task *task) {
    (void)task;
    return -EIO;
}

static void helper_keeps_its_own_outcome(void **state) {
    struct weir_pool *pool = open_pool(state, 1);
    struct weir_task failing = WEIR_TASK_INIT(run_badly);
    struct waiter waiter;
    void *value = NULL;
    int mark;

    begin_to_wait(&waiter, pool, -1, WEIR_FOREVER);
    assert_int_equal(weir_pool_submit(pool, &failing), 0);
    event_raise(&waiter.go);
    UNTIL(unit_stats(pool).failed == 1);
    assert_int_equal(unit_stats(pool).active, 1); /* inside the one that waits */
    assert_int_equal(weir_future_set(&waiter.promises[0], &mark), 0);
    assert_int_equal(end_wait(&waiter, &value), 0);
    assert_ptr_equal(value, &mark);
    unit_free(pool);
}

/* ---- Recursion ---- */

struct fib {
    struct weir_pool *pool;
    unsigned n;
};

static int call_fib(void *arg, void **value) {
    struct fib *fib = arg;
    struct fib below[2] = {{fib->pool, fib->n - 1}, {fib->pool, fib->n - 2}};
    struct weir_future *futures[2];
    uintptr_t sum = 0;

    if (fib->n < 2) {
        *value = (void *)(uintptr_t)fib->n;
        return 0;
    }
    for (int i = 0; i < 2; i++)
        if (weir_pool_async(fib->pool, call_fib, &below[i], &futures[i]) != 0)
            abort();
    for (int i = 0; i < 2; i++) { /* the older one first: others are in the way */
        void *part = NULL;
        if (weir_future_get(futures[i], &part, WEIR_FOREVER) != 0)
            abort();
        sum += (uintptr_t)part;
        weir_future_unref(futures[i]);
    }
    *value = (void *)sum;
    return 0;
}

static void nested_waits_end_on_any_number_of_workers(void **state) {
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct weir_pool *pool = open_pool(state, threads);
        struct fib fib = {pool, 12};
        struct weir_future *future = NULL;
        void *value = NULL;
        assert_int_equal(weir_pool_async(pool, call_fib, &fib, &future), 0);
        assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), 0);
        assert_int_equal((uintptr_t)value, 144);
        weir_future_unref(future);
        assert_int_equal(unit_stats(pool).largest, threads);
        unit_free(pool);
    }
}

/* Two calls that wait for each other's promise on one worker: helping runs the second inside the
 * first, which CLAIM could not. */
struct other {
    struct weir_future *mine, *theirs;
    int rc;
};

static int set_then_wait(void *arg, void **value) {
    struct other *other = arg;

    (void)value;
    weir_future_set(other->mine, NULL);
    return other->theirs ? weir_future_get(other->theirs, NULL, WEIR_FOREVER) : 0;
}

static void wait_for_a_promise_that_a_queued_task_sets_ends_on_one_worker(void **state) {
    struct weir_pool *pool = open_pool(state, 1);
    struct weir_future promises[2], *futures[2];
    struct other first = {&promises[0], &promises[1], 0}, second = {&promises[1], NULL, 0};
    struct plug plug = PLUG;

    for (int i = 0; i < 2; i++)
        weir_future_init(&promises[i]);
    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    assert_int_equal(weir_pool_async(pool, set_then_wait, &first, &futures[0]), 0);
    assert_int_equal(weir_pool_async(pool, set_then_wait, &second, &futures[1]), 0);
    event_raise(&plug.release);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_future_get(futures[i], NULL, WEIR_FOREVER), 0);
        weir_future_unref(futures[i]);
    }
    unit_free(pool);
}

/* ---- The end, and other surroundings ---- */

static void draining_pool_does_not_end_while_a_worker_helps(void **state) {
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct weir_pool *pool = open_pool(state, threads);
        struct counted counted;
        struct waiter waiter;
        begin_to_wait(&waiter, pool, -1, WEIR_FOREVER);
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
        event_raise(&waiter.go);
        assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
        UNTIL(number_of(&counted.runs) == 1);
        assert_int_equal(weir_pool_await(pool, weir_after(2000000)), -ETIMEDOUT);
        assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
        assert_int_equal(end_wait(&waiter, NULL), 0);
        assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), 0);
        unit_free(pool);
    }
}

static void cancelling_shutdown_drops_what_a_helper_would_run(void **state) {
    struct weir_pool *pool = open_pool(state, 1);
    struct counted counted;
    struct waiter waiter;

    begin_to_wait(&waiter, pool, -1, WEIR_FOREVER);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    event_raise(&waiter.go);
    assert_int_equal(number_of(&counted.drops), 1);
    assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
    assert_int_equal(end_wait(&waiter, NULL), 0);
    unit_free(pool);
}

static void helper_takes_nothing_during_a_pause(void **state) {
    struct weir_pool *pool = open_pool(state, 1);
    struct counted counted;
    struct waiter waiter;

    begin_to_wait(&waiter, pool, -1, WEIR_FOREVER);
    assert_int_equal(weir_pool_pause(pool), 0);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    event_raise(&waiter.go);
    assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
    assert_int_equal(end_wait(&waiter, NULL), 0);
    assert_int_equal(number_of(&counted.runs), 0);
    assert_int_equal(weir_pool_resume(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&counted.runs), 1);
    unit_free(pool);
}

static void helper_that_sleeps_through_a_pause_helps_again_after_it(void **state) {
    struct weir_pool *pool = open_pool(state, 1);
    struct counted counted;
    struct waiter waiter;

    begin_to_wait(&waiter, pool, -1, WEIR_FOREVER);
    assert_int_equal(weir_pool_pause(pool), 0);
    event_raise(&waiter.go);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_resume(pool), 0);
    UNTIL(number_of(&counted.runs) == 1);
    assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
    assert_int_equal(end_wait(&waiter, NULL), 0);
    unit_free(pool);
}

#define TURNS 400u

static void yield_often(void) {
    for (int i = 0; i < 20; i++)
        unit_yield();
}

/* Whoever is woken for a task while he also gets what he waits for must not keep it from others. */
static void no_task_is_left_behind_by_a_helper_that_returns(void **state) {
    struct weir_pool *pool = open_pool(state, 2);

    for (unsigned i = 0; i < TURNS; i++) {
        struct counted first, counted;
        struct waiter waiter;
        begin_to_wait(&waiter, pool, WEIR_ANY, WEIR_FOREVER);
        waiter.stays = true;
        event_raise(&waiter.go);
        if (i % 4) { /* the other worker goes to sleep after the helper, and is called after it */
            yield_often();
            assert_int_equal(weir_pool_submit(pool, counted_init(&first)), 0);
            UNTIL(number_of(&first.runs) == 1);
            yield_often();
        }
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
        assert_int_equal(weir_future_set(&waiter.promises[0], NULL), 0);
        UNTIL(number_of(&counted.runs) == 1); /* by the other worker, or while helping */
        event_raise(&waiter.leave);
        assert_int_equal(end_wait(&waiter, NULL), 0);
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        assert_int_equal(number_of(&counted.runs), 1);
    }
    unit_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(waiting_worker_runs_what_is_queued_and_what_comes),
        EACH(sleeping_helper_is_woken_by_the_end_that_decides),
        EACH(helper_gives_up_at_its_deadline),
        EACH(helper_keeps_its_own_outcome),
        EACH(nested_waits_end_on_any_number_of_workers),
        EACH(wait_for_a_promise_that_a_queued_task_sets_ends_on_one_worker),
        EACH(draining_pool_does_not_end_while_a_worker_helps),
        EACH(cancelling_shutdown_drops_what_a_helper_would_run),
        EACH(helper_takes_nothing_during_a_pause),
        EACH(helper_that_sleeps_through_a_pause_helps_again_after_it),
        EACH(no_task_is_left_behind_by_a_helper_that_returns),
    };
    return cmocka_run_group_tests_name("help", tests, NULL, NULL);
}
