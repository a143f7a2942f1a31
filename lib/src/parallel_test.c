#include <sys/wait.h>
#include <unistd.h>

#include "test/fault.h"
#include "test/unit.h"

/* ---- Every index once ---- */

struct count {
    _Atomic unsigned *calls; /* for each index from begin on */
    size_t begin, most;
    _Atomic unsigned too_long, bodies;
};

static int count_range(void *arg, size_t low, size_t high) {
    struct count *count = arg;

    add_one(&count->bodies);
    if (high - low > count->most || high <= low)
        add_one(&count->too_long);
    for (size_t i = low; i < high; i++)
        add_one(&count->calls[i - count->begin]);
    return 0;
}

static void expect_each_once(struct weir_pool *pool, size_t begin, size_t n, size_t grain) {
    struct count count = {.begin = begin, .most = grain ? grain : n};

    count.calls = calloc(n, sizeof *count.calls);
    assert_non_null(count.calls);
    assert_int_equal(weir_for(pool, begin, begin + n, grain, count_range, &count), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(number_of(&count.calls[i]), 1);
    assert_int_equal(number_of(&count.too_long), 0);
    if (grain)
        assert_int_equal(number_of(&count.bodies), n / grain + (n % grain != 0));
    free((void *)count.calls);
}

static void each_index_is_dealt_with_once_whatever_the_grain(void **state) {
    const size_t sizes[] = {1, 2, 3, 7, 64, 1000, 20000};
    const size_t grains[] = {0, 1, 3, 64, 999, 50000};

    for (unsigned workers = 1; workers <= 3; workers++) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), workers, NULL);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t k = 0; k < sizeof grains / sizeof *grains; k++)
                for (size_t begin = 0; begin <= 1000003; begin += 1000003)
                    expect_each_once(pool, begin, sizes[i], grains[k]);
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        assert_int_equal(unit_stats(pool).failed, 0);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

static int fail_at_once(void *arg, size_t low, size_t high) {
    *(size_t *)arg = high - low;
    return -EINTR;
}

static void bad_arguments_and_the_largest_range_are_met(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    size_t length = 0;

    assert_int_equal(weir_for(NULL, 0, 1, 1, fail_at_once, &length), -EINVAL);
    assert_int_equal(weir_for(pool, 0, 1, 1, NULL, &length), -EINVAL);
    assert_int_equal(weir_for(pool, 2, 1, 1, fail_at_once, &length), -EINVAL);
    assert_int_equal(weir_for(pool, 7, 7, 1, fail_at_once, &length), 0);
    assert_int_equal(length, 0);
    /* More calls than there are numbers for: then longer ones. */
    assert_int_equal(weir_for(pool, 0, SIZE_MAX, 1, fail_at_once, &length), -EINTR);
    assert_in_range(length, SIZE_MAX / UINT32_MAX, SIZE_MAX / (UINT32_MAX / 4));
    assert_int_equal(weir_for(pool, SIZE_MAX - 2, SIZE_MAX, SIZE_MAX, fail_at_once, &length),
                     -EINTR);
    assert_int_equal(length, 2);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Who works ---- */

struct meeting {
    struct event arrived;
    uint32_t expected;
};

static int meet(void *arg, size_t low, size_t high) {
    struct meeting *meeting = arg;

    (void)low;
    (void)high;
    event_raise(&meeting->arrived);
    event_await(&meeting->arrived, meeting->expected);
    return 0;
}

/* Hangs unless each of them is in a body at the same time. */
static void caller_and_all_workers_take_part(void **state) {
    for (uint32_t workers = 1; workers <= 12; workers += workers < 3 ? 1 : 9) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), workers, NULL);
        struct meeting meeting = {.expected = workers + 1};
        assert_int_equal(weir_for(pool, 0, workers + 1, 1, meet, &meeting), 0);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

static int note_other_thread(void *arg, size_t low, size_t high) {
    pthread_t *caller = arg;

    (void)low;
    (void)high;
    return pthread_equal(*caller, pthread_self()) ? 0 : -EPERM;
}

static void expect_alone(struct weir_pool *pool) {
    pthread_t self = pthread_self();

    assert_int_equal(weir_for(pool, 0, 1000, 1, note_other_thread, &self), 0);
    expect_each_once(pool, 5, 1000, 1);
}

static void busy_workers_are_not_waited_for(void **state) {
    for (unsigned workers = 1; workers <= 10; workers += 9) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), workers, NULL);
        struct plug plug = PLUG;
        for (unsigned i = 0; i < workers; i++)
            assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
        event_await(&plug.begun, workers);
        expect_alone(pool);
        assert_int_equal(unit_stats(pool).queued, 0); /* withdrawn */
        event_raise(&plug.release);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

static void pool_that_is_not_started_or_shut_down_leaves_all_to_the_caller(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    expect_alone(pool);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    expect_alone(pool);
    assert_int_equal(weir_pool_free(pool), 0);
}

static enum weir_full_policy ask(void *arg, struct weir_pool *pool, struct weir_task *task) {
    (void)pool;
    (void)task;
    add_one(arg);
    return WEIR_FULL_DISCARD_OLDEST;
}

/* Nobody is asked, thrown out or counted as refused for the sake of help. */
static void full_pool_leaves_all_to_the_caller_whatever_its_policy(void **state) {
    for (unsigned policy = WEIR_FULL_BLOCK; policy <= WEIR_FULL_HANDLER; policy++) {
        struct weir_pool_options options;
        struct plug plug = PLUG;
        struct counted counted;
        _Atomic unsigned asked = 0;
        weir_pool_options_init(&options);
        options.capacity = 1;
        options.full = (enum weir_full_policy)policy;
        options.hooks.full = ask;
        options.hooks.arg = (void *)&asked;
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
        assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
        event_await(&plug.begun, 1);
        assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
        expect_alone(pool);
        assert_int_equal(number_of(&asked), 0);
        assert_int_equal(unit_stats(pool).rejected, 0);
        event_raise(&plug.release);
        assert_int_equal(weir_pool_free(pool), 0);
        assert_int_equal(number_of(&counted.runs), 1);
    }
}

static void pool_without_core_threads_helps_as_well(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.max_threads = 2;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), WEIR_NO_CORE, &options);
    for (int turn = 0; turn < 20; turn++) {
        struct meeting meeting = {.expected = 2};
        assert_int_equal(weir_for(pool, 0, 2, 1, meet, &meeting), 0);
        expect_each_once(pool, 0, 100, 1);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

struct leaving {
    struct weir_pool *pool;
    pthread_t caller;
    struct event helper_in, shut;
    _Atomic unsigned calls[100], elsewhere;
};

static int shut_the_helper_out(void *arg, size_t low, size_t high) {
    struct leaving *leaving = arg;

    (void)high;
    add_one(&leaving->calls[low]);
    if (!pthread_equal(pthread_self(), leaving->caller)) {
        add_one(&leaving->elsewhere);
        event_raise(&leaving->helper_in);
        event_await(&leaving->shut, 1);
    } else if (low == 0) {
        event_await(&leaving->helper_in, 1);
        weir_pool_shutdown(leaving->pool, WEIR_CANCEL_RUNNING);
        event_raise(&leaving->shut);
    }
    return 0;
}

/* It had taken half of the range by then. */
static void helper_whose_pool_is_cancelled_leaves_its_part_to_the_caller(void **state) {
    struct leaving leaving = {.pool = unit_pool(unit_scheduler(state), 1, NULL)};

    leaving.caller = pthread_self();
    assert_int_equal(weir_for(leaving.pool, 0, 100, 1, shut_the_helper_out, &leaving), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(number_of(&leaving.calls[i]), 1);
    assert_int_equal(number_of(&leaving.elsewhere), 1);
    assert_int_equal(weir_pool_free(leaving.pool), 0);
}

static void without_memory_fewer_threads_do_all_the_same(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 12, NULL);
    struct count count = {.most = 1};
    _Atomic unsigned calls[100];
    long blocks = fault_blocks();

    for (int failing = 0; failing < 2; failing++) {
        count.calls = calls;
        memset((void *)calls, 0, sizeof calls);
        fault_fail_nth(failing ? 1 : 0);
        assert_int_equal(weir_for(pool, 0, 100, 1, count_range, &count), 0);
        assert_int_equal(fault_happened(), failing);
        fault_reset();
        for (int i = 0; i < 100; i++)
            assert_int_equal(number_of(&calls[i]), 1);
        assert_int_equal(fault_blocks(), blocks);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void child_of_fork_is_told_that_the_pool_is_not_its_own(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    size_t length = 0;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        alarm(30); /* a hang is a failure */
        _exit(weir_for(pool, 0, 10, 1, fail_at_once, &length) == -EOWNERDEAD && length == 0 ? 0
                                                                                            : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Nested, and from tasks ---- */

struct nest {
    struct weir_pool *pool;
    unsigned depth;
    _Atomic unsigned *leaves;
};

static int nest_body(void *arg, size_t low, size_t high) {
    struct nest *nest = arg;
    struct nest below = {nest->pool, nest->depth - 1, nest->leaves};

    for (size_t i = low; i < high; i++) {
        if (nest->depth == 0)
            add_one(nest->leaves);
        else if (weir_for(nest->pool, 0, 5, 1, nest_body, &below) != 0)
            return -EPROTO;
    }
    return 0;
}

static int nest_call(void *arg, void **value) {
    *value = NULL;
    return nest_body(arg, 0, 1);
}

static void loops_nest_and_may_be_called_from_tasks(void **state) {
    for (unsigned workers = 1; workers <= 3; workers++) {
        _Atomic unsigned leaves = 0;
        struct nest nest = {unit_pool(unit_scheduler(state), workers, NULL), 4, &leaves};
        struct weir_future *futures[4];
        for (int i = 0; i < 4; i++)
            assert_int_equal(weir_pool_async(nest.pool, nest_call, &nest, &futures[i]), 0);
        assert_int_equal(nest_body(&nest, 0, 1), 0); /* and from outside */
        for (int i = 0; i < 4; i++) {
            assert_int_equal(weir_future_get(futures[i], NULL, WEIR_FOREVER), 0);
            weir_future_unref(futures[i]);
        }
        assert_int_equal(number_of(&leaves), 5 * 625);
        assert_int_equal(weir_pool_free(nest.pool), 0);
    }
}

/* Plain data: the bodies see what was written before, the caller what they wrote. Workers still on
 * their way are to find nothing of the loop: its frame is used again at once, its block freed. */
static int double_range(void *arg, size_t low, size_t high) {
    unsigned *numbers = arg;

    for (size_t i = low; i < high; i++)
        numbers[i] *= 2;
    return 0;
}

static void loops_in_a_row_leave_nothing_behind(void **state) {
    for (unsigned workers = 2; workers <= 9; workers += 7) {
        struct weir_pool *pool = unit_pool(unit_scheduler(state), workers, NULL);
        unsigned numbers[64];
        for (unsigned turn = 0; turn < 1000; turn++) {
            for (unsigned i = 0; i < 64; i++)
                numbers[i] = turn + i;
            assert_int_equal(weir_for(pool, 0, 64, 1 + turn % 8, double_range, numbers), 0);
            for (unsigned i = 0; i < 64; i++)
                assert_int_equal(numbers[i], 2 * (turn + i));
        }
        assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
        assert_int_equal(weir_pool_free(pool), 0);
    }
}

static void *loop_main(void *arg) {
    _Atomic unsigned calls[500] = {0};
    struct count count = {.calls = calls, .most = 1};

    for (int turn = 0; turn < 20; turn++)
        if (weir_for(arg, 0, 500, 1, count_range, &count) != 0)
            return NULL;
    for (int i = 0; i < 500; i++)
        if (number_of(&calls[i]) != 20)
            return NULL;
    return arg;
}

static void several_threads_loop_on_one_pool(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = unit_thread(loop_main, pool);
    for (int i = 0; i < 4; i++) {
        void *ok = NULL;
        assert_int_equal(pthread_join(threads[i], &ok), 0);
        assert_ptr_equal(ok, pool);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

/* Bodies that give up their CPU make participants meet at each other's ranges. */
static int count_and_yield(void *arg, size_t low, size_t high) {
    if (low % 4 == 0)
        unit_yield();
    return count_range(arg, low, high);
}

static void thieves_and_owners_take_each_index_once(void **state) {
    enum { N = 200 };
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 6, NULL);

    for (int turn = 0; turn < 150; turn++) {
        _Atomic unsigned calls[N] = {0};
        struct count count = {.calls = calls, .most = 1};
        assert_int_equal(weir_for(pool, 0, N, 1, count_and_yield, &count), 0);
        for (int i = 0; i < N; i++)
            assert_int_equal(number_of(&calls[i]), 1);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

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
        EACH(each_index_is_dealt_with_once_whatever_the_grain),
        EACH(bad_arguments_and_the_largest_range_are_met),
        EACH(caller_and_all_workers_take_part),
        EACH(busy_workers_are_not_waited_for),
        EACH(pool_that_is_not_started_or_shut_down_leaves_all_to_the_caller),
        EACH(full_pool_leaves_all_to_the_caller_whatever_its_policy),
        EACH(pool_without_core_threads_helps_as_well),
        EACH(helper_whose_pool_is_cancelled_leaves_its_part_to_the_caller),
        EACH(without_memory_fewer_threads_do_all_the_same),
        EACH(child_of_fork_is_told_that_the_pool_is_not_its_own),
        EACH(loops_nest_and_may_be_called_from_tasks),
        EACH(loops_in_a_row_leave_nothing_behind),
        EACH(several_threads_loop_on_one_pool),
        EACH(thieves_and_owners_take_each_index_once),
        EACH(error_of_a_body_ends_the_loop_and_is_returned),
        EACH(first_error_is_kept_and_stops_all_participants),
        EACH(token_of_the_calling_task_ends_the_loop_everywhere),
        EACH(map_makes_each_output_from_its_input),
        EACH(map_refuses_what_it_could_not_address),
    };
    return cmocka_run_group_tests_name("parallel", tests, NULL, NULL);
}
