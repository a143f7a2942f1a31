/* How loops end early, and weir_map. */
#include "test/fault.h"
#include "test/unit.h"

/* ---- Errors and cancellation ---- */

struct failing {
    size_t at;
    _Atomic unsigned calls;
};

static int fail_at(void *arg, size_t low, size_t high) {
    struct failing *failing = arg;

    add_one(&failing->calls);
    if (low <= failing->at && failing->at < high)
        return -EIO;
    return 7; /* no error */
}

static void error_of_a_body_ends_the_loop_and_is_returned(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    struct weir_pool_options options;

    for (size_t at = 0; at < 200; at += 13) {
        struct failing failing = {.at = at};
        assert_int_equal(weir_for(pool, 0, 200, 3, fail_at, &failing), -EIO);
    }
    assert_int_equal(weir_pool_free(pool), 0);

    weir_pool_options_init(&options);
    options.deferred_start = true; /* alone, so that it is known what is called */
    pool = unit_pool(unit_scheduler(state), 1, &options);
    struct failing failing = {.at = 10};
    assert_int_equal(weir_for(pool, 0, 1000, 1, fail_at, &failing), -EIO);
    assert_int_equal(number_of(&failing.calls), 11);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct first {
    struct weir_pool *pool;
    pthread_t caller;
    struct event caller_in;
    _Atomic unsigned calls;
};

/* The helper fails while the caller is inside a body, which fails later. */
static int fail_elsewhere_first(void *arg, size_t low, size_t high) {
    struct first *first = arg;

    (void)low;
    (void)high;
    add_one(&first->calls);
    if (!pthread_equal(pthread_self(), first->caller)) {
        event_await(&first->caller_in, 1);
        return -EIO;
    }
    event_raise(&first->caller_in);
    UNTIL(unit_stats(first->pool).completed == 1); /* the helper has left */
    return -EPERM;
}

static void first_error_is_kept_and_stops_all_participants(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    struct first first = {.pool = pool, .caller = pthread_self()};

    assert_int_equal(weir_for(pool, 0, 100000, 1, fail_elsewhere_first, &first), -EIO);
    assert_int_equal(number_of(&first.calls), 2);
    assert_int_equal(weir_pool_free(pool), 0);
}

struct revoked {
    struct weir_pool *pool;
    struct weir_token token;
    size_t cancel_at, n;
    _Atomic unsigned calls, seen_elsewhere;
    pthread_t caller;
    struct event helper_in;
    bool meet;
    int rc;
};

static int cancel_at(void *arg, size_t low, size_t high) {
    struct revoked *revoked = arg;

    add_one(&revoked->calls);
    if (revoked->meet && !pthread_equal(pthread_self(), revoked->caller)) {
        event_raise(&revoked->helper_in);
        UNTIL(weir_cancelled()); /* the caller's token */
        add_one(&revoked->seen_elsewhere);
        return 0;
    }
    if (revoked->meet)
        event_await(&revoked->helper_in, 1);
    if (low <= revoked->cancel_at && revoked->cancel_at < high)
        weir_token_cancel(&revoked->token);
    return 0;
}

static int run_revoked(void *arg, void **value) {
    struct revoked *revoked = arg;

    *value = NULL;
    revoked->caller = pthread_self();
    revoked->rc = weir_for(revoked->pool, 0, revoked->n, 1, cancel_at, revoked);
    return 0;
}

static void run_with_token(struct revoked *revoked) {
    struct weir_future future;

    weir_token_init(&revoked->token, NULL, WEIR_FOREVER);
    weir_future_init(&future);
    struct weir_task *task = weir_future_task(&future, run_revoked, revoked, 0);
    assert_int_equal(weir_future_set_token(&future, &revoked->token), 0);
    assert_int_equal(weir_pool_submit(revoked->pool, task), 0);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&revoked->token), 0);
}

static void token_of_the_calling_task_ends_the_loop_everywhere(void **state) {
    struct weir_pool *one = unit_pool(unit_scheduler(state), 1, NULL);
    struct revoked alone = {.pool = one, .cancel_at = 10, .n = 1000};
    struct revoked last = {.pool = one, .cancel_at = 999, .n = 1000};

    run_with_token(&alone);
    assert_int_equal(alone.rc, -ECANCELED);
    assert_int_equal(number_of(&alone.calls), 11);
    run_with_token(&last);
    assert_int_equal(last.rc, 0); /* all was done */
    assert_int_equal(number_of(&last.calls), 1000);
    assert_int_equal(weir_pool_free(one), 0);

    struct weir_pool *two = unit_pool(unit_scheduler(state), 2, NULL);
    struct revoked both = {.pool = two, .cancel_at = 0, .n = 100000, .meet = true};
    run_with_token(&both);
    assert_int_equal(both.rc, -ECANCELED);
    assert_int_equal(number_of(&both.seen_elsewhere), 1);
    assert_int_equal(number_of(&both.calls), 2);
    assert_int_equal(weir_pool_free(two), 0);
}

struct exiting {
    struct weir_pool *pool;
    struct event begun, release;
    bool caller_ends;
    pthread_t caller;
    _Atomic unsigned ended;
};

/* At least two are in a body; one of them ends its thread there. */
static int end_one_thread(void *arg, size_t low, size_t high) {
    struct exiting *exiting = arg;
    bool caller = pthread_equal(pthread_self(), exiting->caller);

    (void)low;
    (void)high;
    event_raise(&exiting->begun);
    event_await(&exiting->begun, 2);
    if (caller == exiting->caller_ends) {
        event_raise(&exiting->release);
        pthread_exit(NULL);
    }
    event_await(&exiting->release, 1);
    add_one(&exiting->ended);
    return 0;
}

static int loop_that_ends_its_thread(void *arg, void **value) {
    struct exiting *exiting = arg;

    *value = NULL;
    exiting->caller = pthread_self();
    return weir_for(exiting->pool, 0, 20, 1, end_one_thread, exiting);
}

static void body_that_ends_a_helpers_thread_fails_the_loop(void **state) {
    struct exiting exiting = {.pool = unit_pool(unit_scheduler(state), 1, NULL)};

    exiting.caller = pthread_self();
    assert_int_equal(weir_for(exiting.pool, 0, 2, 1, end_one_thread, &exiting), -EOWNERDEAD);
    assert_int_equal(number_of(&exiting.ended), 1);
    assert_int_equal(weir_pool_free(exiting.pool), 0);
}

static void body_that_ends_the_callers_thread_leaves_no_helper_behind(void **state) {
    long blocks = fault_blocks();

    for (unsigned workers = 2; workers <= 10; workers += 8) {
        struct exiting exiting = {.pool = unit_pool(unit_scheduler(state), workers, NULL)};
        struct weir_future *future = NULL;
        exiting.caller_ends = true;
        assert_int_equal(
            weir_pool_async(exiting.pool, loop_that_ends_its_thread, &exiting, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
        assert_in_range(number_of(&exiting.ended), 1, 19);
        weir_future_unref(future);
        assert_int_equal(weir_pool_free(exiting.pool), 0);
    }
    assert_int_equal(fault_blocks(), blocks);
}

/* ---- Map ---- */

static int halve(void *arg, const void *in, void *out) {
    add_one(arg);
    *(short *)out = (short)(*(const int *)in / 2);
    return 0;
}

static int add_five(void *arg, const void *in, void *out) {
    (void)arg;
    *(int *)out = *(const int *)in + 5;
    return 0;
}

static int fail_on_seven(void *arg, const void *in, void *out) {
    (void)arg;
    if (out)
        return -EPROTO;
    return *(const int *)in == 7 ? -EDOM : 0;
}

static int fill(void *arg, const void *in, void *out) {
    *(int *)out = in ? -1 : *(int *)arg;
    return 0;
}

static void map_makes_each_output_from_its_input(void **state) {
    enum { N = 3000 };
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    static int in[N];
    static short out[N];
    _Atomic unsigned calls = 0;
    int five = 5;

    for (size_t grain = 0; grain < 3; grain++) {
        for (int i = 0; i < N; i++)
            in[i] = 2 * i;
        memset(out, 0, sizeof out);
        assert_int_equal(
            weir_map(pool, N, halve, (void *)&calls, in, sizeof *in, out, sizeof *out, grain), 0);
        for (int i = 0; i < N; i++)
            assert_int_equal(out[i], i);
        assert_int_equal(number_of(&calls), N * (grain + 1));
    }
    assert_int_equal(weir_map(pool, N, add_five, NULL, in, sizeof *in, in, sizeof *in, 0), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(in[i], 2 * i + 5);
    assert_int_equal(weir_map(pool, N, fail_on_seven, NULL, in, sizeof *in, NULL, 0, 0), -EDOM);
    assert_int_equal(weir_map(pool, N, fill, &five, NULL, 0, in, sizeof *in, 0), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(in[i], 5);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void map_refuses_what_it_could_not_address(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    int one = 1;

    assert_int_equal(weir_map(pool, 1, NULL, NULL, &one, 4, &one, 4, 0), -EINVAL);
    assert_int_equal(weir_map(NULL, 1, add_five, NULL, &one, 4, &one, 4, 0), -EINVAL);
    assert_int_equal(weir_map(pool, 1, add_five, NULL, &one, 0, &one, 4, 0), -EINVAL);
    assert_int_equal(weir_map(pool, 1, add_five, NULL, &one, 4, &one, 0, 0), -EINVAL);
    assert_int_equal(weir_map(pool, 1, add_five, NULL, NULL, 4, &one, 4, 0), -EINVAL);
    assert_int_equal(weir_map(pool, 1, add_five, NULL, &one, 4, NULL, 4, 0), -EINVAL);
    assert_int_equal(weir_map(pool, SIZE_MAX / 4, add_five, NULL, &one, 4, &one, 4, 0), -EINVAL);
    assert_int_equal(weir_map(pool, 0, add_five, NULL, &one, 4, &one, 4, 0), 0);
    assert_int_equal(one, 1);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(error_of_a_body_ends_the_loop_and_is_returned),
        EACH(first_error_is_kept_and_stops_all_participants),
        EACH(token_of_the_calling_task_ends_the_loop_everywhere),
        EACH(body_that_ends_a_helpers_thread_fails_the_loop),
        EACH(body_that_ends_the_callers_thread_leaves_no_helper_behind),
        EACH(map_makes_each_output_from_its_input),
        EACH(map_refuses_what_it_could_not_address),
    };
    return cmocka_run_group_tests_name("parallel error", tests, NULL, NULL);
}
