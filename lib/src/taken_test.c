/* Tasks that are taken out of the queue again: weir_pool_take_back and weir_pool_remove. */
#include <weir/pool.h>

#include "test/unit.h"

#define QUEUED 6u

/* A task with the order and the thread of its end. */
struct ending {
    struct weir_task task;
    _Atomic unsigned runs, drops;
    int error;
    unsigned order;
    pthread_t thread;
};

static _Atomic unsigned endings;

static int run_ending(struct weir_task *task) {
    struct ending *ending = (struct ending *)(void *)task;

    ending->order = atomic_fetch_add_explicit(&endings, 1, memory_order_relaxed);
    add_one(&ending->runs);
    return 0;
}

static void drop_ending(struct weir_task *task, int error) {
    struct ending *ending = (struct ending *)(void *)task;

    ending->order = atomic_fetch_add_explicit(&endings, 1, memory_order_relaxed);
    ending->error = error;
    ending->thread = pthread_self();
    add_one(&ending->drops);
}

static struct weir_task *ending_init(struct ending *ending) {
    *ending = (struct ending){.task = {.run = run_ending, .drop = drop_ending}};
    return &ending->task;
}

static void expect_dropped_here(struct ending *ending) {
    assert_int_equal(number_of(&ending->drops), 1);
    assert_int_equal(number_of(&ending->runs), 0);
    assert_int_equal(ending->error, -ECANCELED);
    assert_true(pthread_equal(ending->thread, pthread_self()));
}

struct busy {
    struct weir_pool *pool;
    struct plug plug;
    struct ending queued[QUEUED];
};

static void open_busy(struct busy *busy, void **state, const struct weir_pool_options *options) {
    memset(busy, 0, sizeof *busy);
    busy->pool = unit_pool(unit_scheduler(state), 1, options);
    assert_int_equal(weir_pool_execute(busy->pool, plug_run, &busy->plug), 0);
    event_await(&busy->plug.begun, 1);
}

static void queue_all(struct busy *busy) {
    for (unsigned i = 0; i < QUEUED; i++)
        assert_int_equal(weir_pool_submit(busy->pool, ending_init(&busy->queued[i])), 0);
}

static void close_busy(struct busy *busy) {
    event_raise(&busy->plug.release);
    assert_int_equal(weir_pool_await_idle(busy->pool, WEIR_FOREVER), 0);
    struct weir_pool_stats stats = unit_stats(busy->pool);
    assert_int_equal(stats.submitted, stats.completed + stats.cancelled);
    assert_int_equal(stats.queued, 0);
    unit_free(busy->pool);
}

/* ---- Taking back ---- */

static void oldest_are_taken_back_first_and_dropped_here(void **state) {
    struct weir_taken taken[QUEUED];
    struct busy busy;

    open_busy(&busy, state, NULL);
    queue_all(&busy);
    assert_int_equal(weir_pool_take_back(busy.pool, taken, 2), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_ptr_equal(taken[i].task, &busy.queued[i].task);
        assert_null(taken[i].fn);
        expect_dropped_here(&busy.queued[i]);
    }
    assert_true(busy.queued[0].order < busy.queued[1].order);
    assert_int_equal(unit_stats(busy.pool).queued, QUEUED - 2);
    assert_int_equal(unit_stats(busy.pool).cancelled, 2);
    assert_int_equal(weir_pool_submit(busy.pool, ending_init(&busy.queued[0])), 0);
    assert_int_equal(weir_pool_take_back(busy.pool, taken, QUEUED), QUEUED - 1);
    for (unsigned i = 0; i < QUEUED - 2; i++)
        assert_ptr_equal(taken[i].task, &busy.queued[i + 2].task);
    assert_ptr_equal(taken[QUEUED - 2].task, &busy.queued[0].task);
    assert_int_equal(weir_pool_take_back(busy.pool, taken, QUEUED), 0);
    close_busy(&busy);
}

static void execution_is_given_back_as_function_and_argument(void **state) {
    struct weir_taken taken[3];
    struct weir_future *future = NULL;
    struct busy busy;
    int mark;

    open_busy(&busy, state, NULL);
    assert_int_equal(weir_pool_execute(busy.pool, plug_run, &mark), 0);
    assert_int_equal(weir_pool_async(busy.pool, call_echo, NULL, &future), 0);
    assert_int_equal(weir_pool_submit(busy.pool, ending_init(&busy.queued[0])), 0);
    assert_int_equal(weir_pool_take_back(busy.pool, taken, 3), 3);
    assert_null(taken[0].task);
    assert_true(taken[0].fn == plug_run);
    assert_ptr_equal(taken[0].arg, &mark);
    assert_non_null(taken[1].task);
    assert_null(taken[1].fn);
    assert_int_equal(weir_future_get(future, NULL, WEIR_NOW), -ECANCELED);
    assert_ptr_equal(taken[2].task, &busy.queued[0].task);
    weir_future_unref(future);
    close_busy(&busy);
}

static void nothing_is_left_to_take_back_after_a_cancel(void **state) {
    struct weir_taken taken[QUEUED];
    struct busy busy;

    open_busy(&busy, state, NULL);
    queue_all(&busy);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_CANCEL_PENDING), 0);
    assert_int_equal(weir_pool_take_back(busy.pool, taken, QUEUED), 0);
    close_busy(&busy);
}

static void draining_pool_gives_back_what_has_not_begun(void **state) {
    struct weir_taken taken[QUEUED];
    struct busy busy;

    open_busy(&busy, state, NULL);
    queue_all(&busy);
    assert_int_equal(weir_pool_shutdown(busy.pool, WEIR_DRAIN), 0);
    assert_int_equal(weir_pool_take_back(busy.pool, taken, QUEUED), QUEUED);
    for (unsigned i = 0; i < QUEUED; i++)
        expect_dropped_here(&busy.queued[i]);
    close_busy(&busy);
}

static void take_back_refuses_bad_arguments(void **state) {
    struct weir_taken taken[1];
    struct busy busy;

    open_busy(&busy, state, NULL);
    assert_int_equal(weir_pool_take_back(NULL, taken, 1), -EINVAL);
    assert_int_equal(weir_pool_take_back(busy.pool, NULL, 1), -EINVAL);
    assert_int_equal(weir_pool_take_back(busy.pool, taken, SIZE_MAX), -EINVAL);
    assert_int_equal(weir_pool_take_back(busy.pool, NULL, 0), 0);
    close_busy(&busy);
}

/* ---- Removing ---- */

static void queued_task_is_removed_once_and_the_others_run(void **state) {
    static const unsigned removed[] = {2, 0, 5};
    struct busy busy;

    open_busy(&busy, state, NULL);
    queue_all(&busy);
    for (int i = 0; i < 3; i++) {
        struct ending *ending = &busy.queued[removed[i]];
        assert_int_equal(weir_pool_remove(busy.pool, &ending->task), 0);
        expect_dropped_here(ending);
        assert_int_equal(weir_pool_remove(busy.pool, &ending->task), -ENOENT);
    }
    close_busy(&busy);
    for (unsigned i = 0; i < QUEUED; i++)
        assert_int_equal(number_of(&busy.queued[i].runs), i != 0 && i != 2 && i != 5);
}

static void remove_refuses_what_is_not_queued_here(void **state) {
    struct weir_pool *other = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_future future;
    struct ending never;
    struct busy busy;

    weir_future_init(&future);
    open_busy(&busy, state, NULL);
    queue_all(&busy);
    assert_int_equal(weir_pool_remove(NULL, &busy.queued[0].task), -EINVAL);
    assert_int_equal(weir_pool_remove(busy.pool, NULL), -EINVAL);
    assert_int_equal(weir_pool_remove(busy.pool, weir_future_task(&future, call_echo, NULL, 0)),
                     -EINVAL);
    assert_int_equal(weir_pool_remove(busy.pool, ending_init(&never)), -ENOENT);
    assert_int_equal(weir_pool_remove(other, &busy.queued[0].task), -ENOENT);
    assert_int_equal(number_of(&busy.queued[0].drops), 0);
    event_raise(&busy.plug.release);
    assert_int_equal(weir_pool_await_idle(busy.pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&busy.queued[0].runs), 1);
    assert_int_equal(weir_pool_remove(busy.pool, &busy.queued[0].task), -ENOENT);
    assert_int_equal(weir_future_fini(&future), 0);
    unit_free(other);
    close_busy(&busy);
}

/* A worker's own tasks lie elsewhere than those from outside. */
struct feeder {
    struct busy *busy;
    struct plug plug;
};

static int feed_and_wait(void *arg, void **value) {
    struct feeder *feeder = arg;

    for (unsigned i = 0; i < QUEUED; i++)
        weir_pool_submit(feeder->busy->pool, ending_init(&feeder->busy->queued[i]));
    return plug_call(&feeder->plug, value);
}

static void task_of_a_worker_is_removed_by_another_thread(void **state) {
    struct weir_pool *other = unit_pool(unit_scheduler(state), 1, NULL);
    struct weir_pool *locked = unit_pool(WEIR_LOCKED, 1, NULL);
    struct busy busy;
    struct feeder feeder = {.busy = &busy};
    struct weir_future *future = NULL;

    open_busy(&busy, state, NULL);
    event_raise(&busy.plug.release);
    assert_int_equal(weir_pool_async(busy.pool, feed_and_wait, &feeder, &future), 0);
    event_await(&feeder.plug.begun, 1);
    assert_int_equal(weir_pool_remove(other, &busy.queued[1].task), -ENOENT);
    assert_int_equal(weir_pool_remove(locked, &busy.queued[1].task), -ENOENT);
    assert_int_equal(weir_pool_remove(busy.pool, &busy.queued[1].task), 0);
    expect_dropped_here(&busy.queued[1]);
    assert_int_equal(weir_pool_remove(busy.pool, &busy.queued[QUEUED - 1].task), 0);
    event_raise(&feeder.plug.release);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    close_busy(&busy);
    for (unsigned i = 0; i < QUEUED; i++)
        assert_int_equal(number_of(&busy.queued[i].runs), i != 1 && i != QUEUED - 1);
    unit_free(locked);
    unit_free(other);
}

static void removed_task_leaves_room_for_another(void **state) {
    for (uint32_t bands = 1; bands <= 3; bands += 2) {
        struct weir_pool_options options = unit_options();
        struct ending more;
        struct busy busy;

        options.capacity = QUEUED;
        options.full = WEIR_FULL_REJECT;
        options.bands = bands;
        open_busy(&busy, state, &options);
        queue_all(&busy);
        assert_int_equal(weir_pool_submit(busy.pool, ending_init(&more)), -EAGAIN);
        assert_int_equal(weir_pool_remove(busy.pool, &busy.queued[0].task), 0);
        assert_int_equal(weir_pool_submit(busy.pool, &more.task), 0);
        assert_int_equal(weir_pool_submit(busy.pool, ending_init(&busy.queued[0])), -EAGAIN);
        close_busy(&busy);
        assert_int_equal(number_of(&more.runs), 1);
    }
}

#define TURNS 3000u

/* On their way from queue to queue and to the worker tasks are removed, or run: one of the two. */
static void task_is_removed_or_run_and_never_both(void **state) {
    struct weir_pool_options options = unit_options();
    struct ending *all = calloc(TURNS, sizeof *all);
    unsigned removed = 0;

    assert_non_null(all);
    options.capacity = 64;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    for (unsigned i = 0; i < TURNS; i++) {
        assert_int_equal(weir_pool_submit(pool, ending_init(&all[i])), 0);
        if (i % 16 == 15)
            for (unsigned n = i - 15; n <= i; n += 3)
                removed += weir_pool_remove(pool, &all[n].task) == 0;
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    for (unsigned i = 0; i < TURNS; i++)
        assert_int_equal(number_of(&all[i].runs) + number_of(&all[i].drops), 1);
    assert_int_equal(unit_stats(pool).cancelled, removed);
    unit_free(pool);
    free(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(oldest_are_taken_back_first_and_dropped_here),
        EACH(execution_is_given_back_as_function_and_argument),
        EACH(nothing_is_left_to_take_back_after_a_cancel),
        EACH(draining_pool_gives_back_what_has_not_begun),
        EACH(take_back_refuses_bad_arguments),
        EACH(queued_task_is_removed_once_and_the_others_run),
        EACH(remove_refuses_what_is_not_queued_here),
        EACH(task_of_a_worker_is_removed_by_another_thread),
        EACH(removed_task_leaves_room_for_another),
        EACH(task_is_removed_or_run_and_never_both),
    };
    return cmocka_run_group_tests_name("taken", tests, NULL, NULL);
}
