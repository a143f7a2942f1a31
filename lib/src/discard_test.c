/* What is dropped when a pool is full: the newest, or the one that has been queued for longest. */
#include "test/full.h"

static void discard_drops_the_new_task_at_once_and_ends_its_future(void **state) {
    struct full full;
    struct told one, batched[2];
    struct weir_task *batch[2] = {told_init(&batched[0]), told_init(&batched[1])};
    struct weir_future *future = NULL;

    fill(&full, state, WEIR_FULL_DISCARD);
    assert_int_equal(weir_pool_submit(full.pool, told_init(&one)), 0);
    assert_int_equal(number_of(&one.drops), 1);
    assert_int_equal(one.error, -ECANCELED);
    expect_rejection(&full, 1, &one.task, -ECANCELED);
    assert_int_equal(weir_pool_submit_batch(full.pool, batch, 2), 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(number_of(&batched[i].drops), 1);
    assert_int_equal(weir_pool_async(full.pool, call_echo, NULL, &future), 0);
    assert_int_equal(weir_future_state(future), WEIR_FUTURE_CANCELLED);
    assert_int_equal(weir_future_get(future, NULL, WEIR_NOW), -ECANCELED);
    weir_future_unref(future);
    assert_int_equal(weir_pool_execute(full.pool, plug_run, NULL), 0);
    assert_int_equal(unit_stats(full.pool).discarded, 5);
    assert_int_equal(unit_stats(full.pool).cancelled, 5);
    assert_int_equal(unit_stats(full.pool).rejected, 0);
    assert_int_equal(number_of(&full.asked.rejections), 5);
    drain(&full, 0);
}

static void discard_oldest_drops_the_longest_queued_and_takes_the_new_one(void **state) {
    struct full full;
    struct told one;
    struct weir_future *futures[2] = {NULL, NULL};

    fill(&full, state, WEIR_FULL_DISCARD_OLDEST);
    assert_int_equal(weir_pool_submit(full.pool, told_init(&one)), 0);
    assert_int_equal(number_of(&full.queued[0].drops), 1);
    assert_int_equal(full.queued[0].error, -ECANCELED);
    assert_true(pthread_equal(full.queued[0].thread, pthread_self()));
    assert_int_equal(number_of(&full.queued[1].drops), 0);
    expect_untouched(&one);
    expect_rejection(&full, 1, &full.queued[0].task, -ECANCELED);
    assert_int_equal(weir_pool_async(full.pool, call_echo, NULL, &futures[0]), 0);
    assert_int_equal(number_of(&full.queued[1].drops), 1);
    assert_int_equal(weir_pool_async(full.pool, call_echo, NULL, &futures[1]), 0);
    assert_int_equal(number_of(&one.drops), 1);
    assert_int_equal(weir_pool_execute(full.pool, plug_run, &full.plug), 0); /* for futures[0] */
    assert_int_equal(weir_future_get(futures[0], NULL, WEIR_NOW), -ECANCELED);
    assert_int_equal(unit_stats(full.pool).discarded, 4);
    assert_int_equal(unit_stats(full.pool).cancelled, 4);
    assert_int_equal(unit_stats(full.pool).queued, CAPACITY);
    drain(&full, 2);
    assert_int_equal(weir_future_get(futures[1], NULL, WEIR_NOW), 0);
    for (int i = 0; i < 2; i++)
        weir_future_unref(futures[i]);
}

static void future_that_is_discarded_is_pending_until_its_drop(void **state) {
    struct full full;
    struct told told[2];
    struct weir_future *future = NULL;

    fill(&full, state, WEIR_FULL_DISCARD_OLDEST);
    full.asked.state = WEIR_FUTURE_RUNNING;
    assert_int_equal(weir_pool_async(full.pool, call_echo, NULL, &future), 0);
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told[0])), 0);
    full.asked.watched = future;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told[1])), 0);
    assert_int_equal(full.asked.state, WEIR_FUTURE_PENDING);
    assert_int_equal(weir_future_state(future), WEIR_FUTURE_CANCELLED);
    weir_future_unref(future);
    drain(&full, 2);
}

static void room_that_somebody_else_takes_is_made_again(void **state) {
    struct full full;
    struct told one, intruder;

    fill(&full, state, WEIR_FULL_DISCARD_OLDEST);
    full.asked.pool = full.pool;
    full.asked.intruder = told_init(&intruder);
    assert_int_equal(weir_pool_submit(full.pool, told_init(&one)), 0);
    assert_int_equal(number_of(&full.asked.rejections), 2);
    assert_int_equal(number_of(&full.queued[1].drops), 1);
    drain(&full, 2);
    assert_int_equal(number_of(&intruder.runs), 1);
    assert_int_equal(number_of(&one.runs), 1);
}

static void batch_that_discards_the_oldest_is_accepted_whole(void **state) {
    struct full full;
    struct told batched[5];
    struct weir_task *batch[5];

    fill(&full, state, WEIR_FULL_DISCARD_OLDEST);
    for (int i = 0; i < 5; i++)
        batch[i] = told_init(&batched[i]);
    assert_int_equal(weir_pool_submit_batch(full.pool, batch, 5), 5);
    assert_int_equal(unit_stats(full.pool).queued, CAPACITY);
    drain(&full, 2);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(number_of(&batched[i].drops), i < 3);
        assert_int_equal(number_of(&batched[i].runs), i >= 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(discard_drops_the_new_task_at_once_and_ends_its_future),
        EACH(discard_oldest_drops_the_longest_queued_and_takes_the_new_one),
        EACH(future_that_is_discarded_is_pending_until_its_drop),
        EACH(room_that_somebody_else_takes_is_made_again),
        EACH(batch_that_discards_the_oldest_is_accepted_whole),
    };
    return cmocka_run_group_tests_name("discard", tests, NULL, NULL);
}
