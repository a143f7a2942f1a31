/* Takers that run what they would wait for. */
#include "test/unit.h"

static struct weir_completion *new_completion(void) {
    struct weir_completion *completion = NULL;

    assert_int_equal(weir_completion_new(&completion), 0);
    return completion;
}

static int next(struct weir_completion *completion, uint64_t deadline_ns) {
    return weir_completion_next(completion, NULL, NULL, deadline_ns);
}

struct takers {
    struct weir_completion *completion;
    struct event waiting;
    _Atomic unsigned taken, over;
};

static void *take_main(void *arg) {
    struct takers *takers = arg;
    void *user;
    int rc;

    event_raise(&takers->waiting);
    while ((rc = weir_completion_next(takers->completion, NULL, &user, WEIR_FOREVER)) == 0) {
        if (user) /* plain: ordered by taking alone */
            ++*(unsigned *)user;
        add_one(&takers->taken);
    }
    if (rc == -ENOENT)
        add_one(&takers->over);
    return NULL;
}

static int write_one(void *arg, void **value) {
    *(unsigned *)arg = 1;
    *value = NULL;
    return 0;
}

struct nest {
    struct weir_pool *pool;
    unsigned depth;
};

/* Each level takes the two below it: with few workers it ends only if the taker runs them. */
static int nest_call(void *arg, void **value) {
    struct nest *nest = arg, below = {nest->pool, nest->depth - 1};
    struct weir_completion *completion;
    struct weir_future *future;
    uintptr_t sum = 1;

    *value = (void *)sum;
    if (nest->depth == 0)
        return 0;
    int rc = weir_completion_new(&completion);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = weir_completion_async(completion, nest->pool, nest_call, &below, NULL);
    if (rc)
        return rc;
    while (weir_completion_next(completion, &future, NULL, WEIR_FOREVER) == 0) {
        void *part = NULL;
        weir_future_get(future, &part, WEIR_NOW);
        sum += (uintptr_t)part;
        weir_future_unref(future);
    }
    weir_completion_free(completion);
    *value = (void *)sum;
    return 0;
}

static void worker_runs_what_it_would_wait_for(void **state) {
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct nest nest = {unit_pool(unit_scheduler(state), workers, NULL), 8};
        struct weir_future *future = NULL;
        void *value = NULL;
        assert_int_equal(weir_pool_async(nest.pool, nest_call, &nest, &future), 0);
        assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), 0);
        assert_int_equal((uintptr_t)value, (1u << 9) - 1);
        weir_future_unref(future);
        assert_int_equal(weir_pool_free(nest.pool), 0);
    }
}

static int take_call(void *arg, void **value) {
    *value = NULL;
    take_main(arg);
    return 0;
}

/* Takers on workers and outside, all of them claiming from one queue. */
static void takers_that_claim_share_one_queue(void **state) {
    enum { TAKERS = 2, CALLS = 300 };

    for (int turn = 0; turn < 20; turn++) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), TAKERS, NULL);
        struct takers takers = {.completion = new_completion()};
        struct weir_future futures[CALLS];
        struct weir_future *workers[TAKERS];
        unsigned written[CALLS] = {0};
        struct weir_future more;
        weir_future_init(&more);
        weir_completion_add(takers.completion, &more, NULL);
        pthread_t outside = unit_thread(take_main, &takers);
        for (int i = 0; i < TAKERS; i++)
            assert_int_equal(weir_pool_async(pool, take_call, &takers, &workers[i]), 0);
        for (int i = 0; i < CALLS; i++) {
            weir_future_init(&futures[i]);
            struct weir_task *task =
                weir_future_task(&futures[i], write_one, &written[i], WEIR_TASK_ANY_THREAD);
            assert_int_equal(weir_completion_add(takers.completion, &futures[i], &written[i]), 0);
            assert_int_equal(weir_pool_submit(pool, task), 0);
        }
        weir_future_set(&more, NULL);
        unit_join(outside);
        for (int i = 0; i < TAKERS; i++) {
            assert_int_equal(weir_future_get(workers[i], NULL, WEIR_FOREVER), 0);
            weir_future_unref(workers[i]);
        }
        assert_int_equal(number_of(&takers.taken), CALLS + 1);
        assert_int_equal(number_of(&takers.over), TAKERS + 1);
        for (int i = 0; i < CALLS; i++) {
            assert_int_equal(written[i], 2);
            assert_int_equal(weir_future_fini(&futures[i]), 0);
        }
        weir_completion_free(takers.completion);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

static int note_thread(void *arg, void **value) {
    (void)arg;
    *value = (void *)(uintptr_t)pthread_self();
    return 0;
}

static void outside_taker_runs_only_what_any_thread_may_run(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_completion *completion = new_completion();
    struct weir_future own, any, *got = NULL;
    struct plug plug = PLUG;
    void *value = NULL;

    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    weir_future_init(&own);
    weir_future_init(&any);
    weir_pool_submit(pool, weir_future_task(&own, note_thread, NULL, 0));
    weir_completion_add(completion, &own, NULL);
    assert_int_equal(next(completion, weir_after(1000)), -ETIMEDOUT);
    weir_pool_submit(pool, weir_future_task(&any, note_thread, NULL, WEIR_TASK_ANY_THREAD));
    weir_completion_add(completion, &any, NULL);
    assert_int_equal(next(completion, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_completion_next(completion, &got, NULL, WEIR_FOREVER), 0);
    assert_ptr_equal(got, &any);
    assert_int_equal(weir_future_get(got, &value, WEIR_NOW), 0);
    assert_true(pthread_equal((pthread_t)(uintptr_t)value, pthread_self()));
    event_raise(&plug.release);
    assert_int_equal(weir_completion_next(completion, &got, NULL, WEIR_FOREVER), 0);
    assert_ptr_equal(got, &own);
    weir_completion_free(completion);
    assert_int_equal(weir_future_fini(&own), 0);
    assert_int_equal(weir_future_fini(&any), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct own {
    struct weir_future future;
    struct weir_completion *completion;
    int rc, now_rc;
};

static int take_own(void *arg, void **value) {
    struct own *own = arg;

    *value = NULL;
    own->now_rc = next(own->completion, WEIR_NOW);
    own->rc = next(own->completion, WEIR_FOREVER);
    return 0;
}

static void call_that_would_take_itself_gets_edeadlk(void **state) {
    struct own own = {.completion = new_completion()};
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);

    weir_future_init(&own.future);
    weir_completion_add(own.completion, &own.future, NULL);
    weir_pool_submit(pool, weir_future_task(&own.future, take_own, &own, 0));
    assert_int_equal(weir_future_get(&own.future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(own.rc, -EDEADLK);
    assert_int_equal(own.now_rc, -EAGAIN);
    assert_int_equal(next(own.completion, WEIR_FOREVER),
                     0); /* its callback may yet be on its way */
    weir_completion_free(own.completion);
    assert_int_equal(weir_future_fini(&own.future), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct spared {
    struct weir_pool *pool;
    struct weir_future promise;
    int rc;
};

static void set_promise(void *arg) {
    weir_future_set(arg, NULL);
}

static int take_what_another_task_ends(void *arg, void **value) {
    struct spared *spared = arg;
    struct weir_completion *completion;

    *value = NULL;
    spared->rc = weir_completion_new(&completion);
    if (spared->rc)
        return spared->rc;
    weir_completion_add(completion, &spared->promise, NULL);
    weir_pool_execute(spared->pool, set_promise, &spared->promise);
    spared->rc = next(completion, WEIR_FOREVER);
    weir_completion_free(completion);
    return 0;
}

/* The promise is set by a task that nobody can claim, behind the one that takes. */
static const enum weir_wait_policy helpful[] = {WEIR_WAIT_SPARE, WEIR_WAIT_HELP};

static void run_spared(struct spared *spared) {
    struct weir_future *future = NULL;

    weir_future_init(&spared->promise);
    assert_int_equal(weir_pool_async(spared->pool, take_what_another_task_ends, spared, &future),
                     0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(spared->rc, 0);
    weir_future_unref(future);
    assert_int_equal(weir_future_fini(&spared->promise), 0);
}

static struct weir_pool *helpful_pool(void **state, unsigned i, unsigned threads) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.wait = helpful[i];
    options.max_spares = helpful[i] == WEIR_WAIT_SPARE;
    return unit_pool(unit_scheduler(state), threads, &options);
}

/* The promise is set by a task that nobody can claim, behind the one that takes. */
static void taker_that_waits_has_its_pools_tasks_go_on(void **state) {
    for (unsigned i = 0; i < 2; i++) {
        struct spared spared = {.pool = helpful_pool(state, i, 1)};
        for (int turn = 0; turn < 50; turn++)
            run_spared(&spared);
        assert_int_equal(weir_pool_free(spared.pool), 0);
    }
}

struct late {
    struct weir_completion *completion;
    int rc;
    uint64_t deadline_ns;
};

static int take_too_late(void *arg, void **value) {
    struct late *late = arg;

    *value = NULL;
    late->deadline_ns = weir_after(2000000);
    late->rc = next(late->completion, late->deadline_ns);
    return weir_now_ns() >= late->deadline_ns ? 0 : -ETIME;
}

static void deadline_holds_for_takers_that_help_or_are_spared(void **state) {
    for (unsigned i = 0; i < 2; i++) {
        struct weir_pool *pool = helpful_pool(state, i, 1);
        struct late late = {.completion = new_completion()};
        struct weir_future promise, *future = NULL;
        weir_future_init(&promise);
        weir_completion_add(late.completion, &promise, NULL);
        assert_int_equal(weir_pool_async(pool, take_too_late, &late, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        assert_int_equal(late.rc, -ETIMEDOUT);
        weir_future_unref(future);
        weir_future_set(&promise, NULL); /* finds no helper any more */
        assert_int_equal(next(late.completion, WEIR_FOREVER), 0);
        weir_completion_free(late.completion);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

/* One is taken on each worker at a time; the last one sends all home. */
static void helping_takers_share_one_queue(void **state) {
    enum { TAKERS = 3, CALLS = 500 };

    for (int turn = 0; turn < 10; turn++) {
        struct weir_pool *pool = helpful_pool(state, 1, TAKERS);
        struct takers takers = {.completion = new_completion()};
        struct weir_future *workers[TAKERS];
        unsigned written[CALLS] = {0};
        struct weir_future more;
        weir_future_init(&more);
        weir_completion_add(takers.completion, &more, NULL);
        for (int i = 0; i < TAKERS; i++)
            assert_int_equal(weir_pool_async(pool, take_call, &takers, &workers[i]), 0);
        for (int i = 0; i < CALLS; i++)
            assert_int_equal(
                weir_completion_async(takers.completion, pool, write_one, &written[i], &written[i]),
                0);
        weir_future_set(&more, NULL);
        for (int i = 0; i < TAKERS; i++) {
            assert_int_equal(weir_future_get(workers[i], NULL, WEIR_FOREVER), 0);
            weir_future_unref(workers[i]);
        }
        assert_int_equal(number_of(&takers.taken), CALLS + 1);
        assert_int_equal(number_of(&takers.over), TAKERS);
        for (int i = 0; i < CALLS; i++)
            assert_int_equal(written[i], 2);
        assert_int_equal(weir_future_fini(&more), 0);
        weir_completion_free(takers.completion);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

static int end_thread(void *arg, void **value) {
    (void)value;
    event_raise(arg);
    pthread_exit(NULL);
}

struct ended {
    struct weir_pool *pool;
    struct weir_completion *completion;
    struct event ended;
};

static int take_until_the_thread_ends(void *arg, void **value) {
    struct ended *ended = arg;
    struct weir_future *never = NULL;

    *value = NULL;
    if (weir_pool_async(ended->pool, end_thread, &ended->ended, &never) != 0)
        return -EPROTO;
    weir_future_unref(never);
    return next(ended->completion, WEIR_FOREVER);
}

/* What it ran meanwhile ended the thread: nobody may wake it through its old stack. */
static void taker_whose_thread_ends_is_forgotten(void **state) {
    struct ended ended = {.pool = helpful_pool(state, 1, 1), .completion = new_completion()};
    struct weir_future promise, *future = NULL;

    weir_future_init(&promise);
    weir_completion_add(ended.completion, &promise, NULL);
    assert_int_equal(weir_pool_async(ended.pool, take_until_the_thread_ends, &ended, &future), 0);
    event_await(&ended.ended, 1);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
    weir_future_unref(future);
    weir_future_set(&promise, NULL);
    assert_int_equal(next(ended.completion, WEIR_FOREVER), 0);
    weir_completion_free(ended.completion);
    assert_int_equal(weir_pool_free(ended.pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(worker_runs_what_it_would_wait_for),
        EACH(takers_that_claim_share_one_queue),
        EACH(outside_taker_runs_only_what_any_thread_may_run),
        EACH(taker_that_waits_has_its_pools_tasks_go_on),
        EACH(deadline_holds_for_takers_that_help_or_are_spared),
        EACH(helping_takers_share_one_queue),
        EACH(taker_whose_thread_ends_is_forgotten),
        EACH(call_that_would_take_itself_gets_edeadlk),
    };
    return cmocka_run_group_tests_name("completion claim", tests, NULL, NULL);
}
