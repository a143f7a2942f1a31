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
        unit_begin_child();
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
    };
    return cmocka_run_group_tests_name("parallel", tests, NULL, NULL);
}
