#include "worker.h"

#include <signal.h>
#include <sys/resource.h>

#include "pool.h"
#include "test/unit.h"

struct look {
    struct weir_pool *pool;
    char name[WEIR__THREAD_NAME];
    sigset_t mask;
    const struct weir__worker *self;
    struct rusage usage;
};

static int look_around(void *arg, void **value) {
    struct look *look = arg;

    (void)value;
    pthread_getname_np(pthread_self(), look->name, sizeof look->name);
    pthread_sigmask(SIG_SETMASK, NULL, &look->mask);
    look->self = weir__worker_self(look->pool);
    return getrusage(RUSAGE_THREAD, &look->usage);
}

static void look_inside(struct weir_pool *pool, struct look *look) {
    struct weir_future *future = NULL;

    look->pool = pool;
    assert_int_equal(weir_pool_async(pool, look_around, look, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
}

static void worker_knows_itself_in_its_own_pool_alone(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_pool *other = unit_pool(unit_scheduler(state), 1, NULL);
    struct look look;

    look_inside(pool, &look);
    assert_ptr_equal(look.self, weir__roster_at(&pool->sizing.roster, 0));
    assert_null(weir__worker_self(pool));
    assert_null(weir__worker_self(other));
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(weir_pool_free(other), 0);
}

static void workers_bear_the_pools_name_cut_to_fit_and_block_signals(void **state) {
    struct weir_pool_options options;
    struct look look;
    const struct {
        const char *given, *expected;
    } names[] = {
        {"io", "io-0"}, {"fifteen-letters", "fifteen-lette-0"}, {NULL, "weir-0"}, {"", "-0"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        weir_pool_options_init(&options);
        options.name = names[i].given;
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
        look_inside(pool, &look);
        assert_string_equal(look.name, names[i].expected);
        assert_int_equal(sigismember(&look.mask, SIGINT), 1);
        assert_int_equal(sigismember(&look.mask, SIGTERM), 1);
        assert_int_equal(sigismember(&look.mask, SIGALRM), 1);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

/* Twice the whole load on another pool must not wake a parked worker of this one. */
static void idle_pool_sleeps_on_while_another_works(void **state) {
    struct weir_pool_options options;
    struct look before, after;

    weir_pool_options_init(&options);
    options.idle_spin_ns = 1000; /* what spins must come to an end, too */
    struct weir_pool *idle = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_pool *busy = unit_pool(unit_scheduler(state), 1, &options);
    UNTIL(unit_stats(idle).parks == 1);
    look_inside(idle, &before);
    UNTIL(unit_stats(idle).parks == 2);
    for (int i = 0; i < 2000; i++) {
        struct weir_future *future = NULL;
        assert_int_equal(weir_pool_async(busy, call_echo, NULL, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        weir_future_unref(future);
    }
    assert_int_equal(unit_stats(idle).parks, 2);
    look_inside(idle, &after);
    /* It went to sleep once for all that time; the few more are of its going to sleep and waking.
     */
    assert_in_range(after.usage.ru_nvcsw - before.usage.ru_nvcsw, 0, 10);
    assert_int_equal(weir_pool_free(idle), 0);
    assert_int_equal(weir_pool_free(busy), 0);
}

struct shared {
    unsigned plain; /* no atomic: ordered by submit, run and get alone */
    struct weir_pool *pool;
};

static int step(void *arg, void **value) {
    struct shared *shared = arg;

    (void)value;
    shared->plain++;
    return 0;
}

static void run_sees_what_came_before_submit_and_get_what_run_did(void **state) {
    struct shared shared = {.pool = unit_pool(unit_scheduler(state), 2, NULL)};

    for (unsigned i = 0; i < 1000; i++) {
        struct weir_future *future = NULL;
        shared.plain++;
        assert_int_equal(weir_pool_async(shared.pool, step, &shared, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        assert_int_equal(shared.plain, 2 * i + 2);
        weir_future_unref(future);
    }
    for (unsigned i = 0; i < 1000; i++) {
        struct weir_future *future = NULL;
        unsigned before = shared.plain;
        assert_int_equal(weir_pool_async(shared.pool, step, &shared, &future), 0);
        weir_future_unref(future);
        assert_int_equal(weir_pool_await_idle(shared.pool, WEIR_FOREVER), 0);
        assert_int_equal(shared.plain, before + 1);
    }
    assert_int_equal(weir_pool_free(shared.pool), 0);
}

static void task_without_drop_is_dropped_in_silence(void **state) {
    struct weir_pool_options options;
    struct counted counted;

    weir_pool_options_init(&options);
    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    counted_init(&counted);
    counted.task.drop = NULL;
    assert_int_equal(weir_pool_submit(pool, &counted.task), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    assert_int_equal(unit_stats(pool).cancelled, 1);
    assert_int_equal(weir_pool_free(pool), 0);
    assert_int_equal(number_of(&counted.runs) + number_of(&counted.drops), 0);
}

/* Cancelled by many, got by many, run by workers: each future has one outcome. */
#define RACES  400u
#define RACERS 3

struct contest {
    struct weir_future *future;
    _Atomic unsigned runs, cancelled, started;
};

static int contest_call(void *arg, void **value) {
    struct contest *contest = arg;

    add_one(&contest->runs);
    *value = contest;
    return 0;
}

static void *contest_main(void *arg) {
    struct contest *contests = arg;

    for (unsigned i = 0; i < RACES; i++) {
        UNTIL(number_of(&contests[i].started));
        int rc = weir_future_cancel(contests[i].future);
        if (rc == 0)
            add_one(&contests[i].cancelled);
        int got = weir_future_get(contests[i].future, NULL, WEIR_FOREVER);
        if (rc == -EINPROGRESS && got != 0)
            abort(); /* it was said to run */
    }
    return NULL;
}

static void cancel_and_run_decide_each_future_once(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct contest *contests = calloc(RACES, sizeof *contests);
    pthread_t threads[RACERS];

    assert_non_null(contests);
    for (int i = 0; i < RACERS; i++)
        threads[i] = unit_thread(contest_main, contests);
    for (unsigned i = 0; i < RACES; i++) {
        assert_int_equal(weir_pool_async(pool, contest_call, &contests[i], &contests[i].future), 0);
        add_one(&contests[i].started);
    }
    for (int i = 0; i < RACERS; i++)
        unit_join(threads[i]);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    for (unsigned i = 0; i < RACES; i++) {
        assert_int_equal(number_of(&contests[i].runs) + number_of(&contests[i].cancelled), 1);
        weir_future_unref(contests[i].future);
    }
    assert_int_equal(weir_pool_free(pool), 0);
    free(contests);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(worker_knows_itself_in_its_own_pool_alone),
        EACH(workers_bear_the_pools_name_cut_to_fit_and_block_signals),
        EACH(idle_pool_sleeps_on_while_another_works),
        EACH(run_sees_what_came_before_submit_and_get_what_run_did),
        EACH(task_without_drop_is_dropped_in_silence),
        EACH(cancel_and_run_decide_each_future_once),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
