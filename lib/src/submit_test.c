/* What becomes of a task that finds the pool full, by every policy and on every way in. */
#include <weir/pool.h>

#include "test/full.h"

/* ---- From outside ---- */

static void reject_refuses_on_every_way_in_and_tells_the_hook(void **state) {
    struct full full;
    struct told one, two;
    struct weir_task *batch[2] = {told_init(&one), told_init(&two)};
    struct weir_future *future = NULL;

    fill(&full, state, WEIR_FULL_REJECT);
    assert_int_equal(weir_pool_submit(full.pool, &one.task), -EAGAIN);
    expect_rejection(&full, 1, &one.task, -EAGAIN);
    assert_int_equal(weir_pool_submit_batch(full.pool, batch, 2), -EAGAIN);
    expect_rejection(&full, 2, &one.task, -EAGAIN);
    assert_int_equal(weir_pool_submit_until(full.pool, &two.task, weir_after(1000)), -ETIMEDOUT);
    expect_rejection(&full, 3, &two.task, -ETIMEDOUT);
    assert_int_equal(weir_pool_submit_until(full.pool, &two.task, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir_pool_async(full.pool, call_echo, NULL, &future), -EAGAIN);
    assert_int_equal(weir_pool_execute(full.pool, plug_run, NULL), -EAGAIN);
    assert_null(future);
    assert_int_equal(number_of(&full.asked.rejections), 6);
    assert_int_equal(unit_stats(full.pool).rejected, 6);
    assert_int_equal(unit_stats(full.pool).queued, CAPACITY);
    drain(&full, 0);
    expect_untouched(&one);
    expect_untouched(&two);
}

static void block_with_a_deadline_gives_up_at_it(void **state) {
    struct full full;
    struct told told;

    fill(&full, state, WEIR_FULL_BLOCK);
    uint64_t deadline_ns = weir_after(2000000);
    assert_int_equal(weir_pool_submit_until(full.pool, told_init(&told), deadline_ns), -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
    expect_rejection(&full, 1, &told.task, -ETIMEDOUT);
    assert_int_equal(weir_pool_submit_until(full.pool, &told.task, WEIR_NOW), -EAGAIN);
    expect_rejection(&full, 2, &told.task, -EAGAIN);
    assert_int_equal(unit_stats(full.pool).rejected, 2);
    drain(&full, 0);
    expect_untouched(&told);
}

struct late {
    struct full *full;
    struct told told[3];
    struct event trying;
    ptrdiff_t rc;
    bool batch;
};

static void *submit_late(void *arg) {
    struct late *late = arg;
    struct weir_task *tasks[3];

    for (int i = 0; i < 3; i++)
        tasks[i] = told_init(&late->told[i]);
    event_raise(&late->trying);
    late->rc = late->batch ? weir_pool_submit_batch(late->full->pool, tasks, 3)
                           : weir_pool_submit_until(late->full->pool, tasks[0], WEIR_FOREVER);
    return NULL;
}

static void block_waits_for_room_with_one_task_or_a_batch(void **state) {
    for (int batch = 0; batch < 2; batch++) {
        struct full full;
        struct late late = {.full = &full, .batch = batch};
        fill(&full, state, WEIR_FULL_BLOCK);
        pthread_t thread = unit_thread(submit_late, &late);
        event_await(&late.trying, 1);
        event_raise(&full.plug.release);
        unit_join(thread);
        assert_int_equal(late.rc, batch ? 3 : 0);
        drain(&full, 0);
        for (int i = 0; i < (batch ? 3 : 1); i++)
            assert_int_equal(number_of(&late.told[i].runs), 1);
        assert_int_equal(number_of(&full.asked.rejections), 0);
    }
}

static void caller_runs_what_does_not_fit_before_submit_returns(void **state) {
    struct full full;
    struct told one, batched[3];
    struct weir_task *batch[3];
    struct weir_future *future = NULL;
    int mark;
    void *value = NULL;

    fill(&full, state, WEIR_FULL_CALLER_RUNS);
    assert_int_equal(weir_pool_submit(full.pool, told_init(&one)), 0);
    assert_int_equal(number_of(&one.runs), 1);
    assert_true(pthread_equal(one.thread, pthread_self()));
    for (int i = 0; i < 3; i++)
        batch[i] = told_init(&batched[i]);
    assert_int_equal(weir_pool_submit_batch(full.pool, batch, 3), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(&batched[i].runs), 1);
    assert_int_equal(weir_pool_async(full.pool, call_echo, &mark, &future), 0);
    assert_int_equal(weir_future_get(future, &value, WEIR_NOW), 0);
    assert_ptr_equal(value, &mark);
    weir_future_unref(future);
    assert_int_equal(unit_stats(full.pool).caller_ran, 5);
    assert_int_equal(unit_stats(full.pool).rejected, 0);
    assert_int_equal(number_of(&full.asked.rejections), 0);
    drain(&full, 0);
}

/* ---- The handler ---- */

static void handlers_answer_is_what_happens(void **state) {
    struct full full;
    struct told told[5];

    fill(&full, state, WEIR_FULL_HANDLER);
    full.asked.answer = WEIR_FULL_REJECT;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told[0])), -EAGAIN);
    assert_ptr_equal(full.asked.pool, full.pool);
    assert_ptr_equal(full.asked.questioned, &told[0].task);
    assert_true(pthread_equal(full.asked.thread, pthread_self()));
    expect_untouched(&told[0]);
    full.asked.answer = WEIR_FULL_HANDLER; /* is no answer: refused */
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told[1])), -EAGAIN);
    full.asked.answer = WEIR_FULL_CALLER_RUNS;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told[2])), 0);
    assert_int_equal(number_of(&told[2].runs), 1);
    full.asked.answer = WEIR_FULL_DISCARD;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told[3])), 0);
    assert_int_equal(number_of(&told[3].drops), 1);
    full.asked.answer = WEIR_FULL_DISCARD_OLDEST;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told[4])), 0);
    assert_int_equal(number_of(&full.queued[0].drops), 1);
    full.asked.answer = WEIR_FULL_BLOCK;
    assert_int_equal(weir_pool_submit_until(full.pool, told_init(&told[0]), weir_after(1000)),
                     -ETIMEDOUT);
    assert_int_equal(number_of(&full.asked.questions), 6);
    assert_int_equal(unit_stats(full.pool).rejected, 3);
    assert_int_equal(unit_stats(full.pool).discarded, 2);
    drain(&full, 1);
    assert_int_equal(number_of(&told[4].runs), 1);
}

static void make_room(struct asked *asked) {
    struct weir_taken taken;

    weir_pool_take_back(asked->pool, &taken, 1);
}

static void handler_may_make_room_and_ask_to_try_again(void **state) {
    struct full full;
    struct told told;

    fill(&full, state, WEIR_FULL_HANDLER);
    full.asked.answer = WEIR_FULL_BLOCK;
    full.asked.before_answer = make_room;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told)), 0);
    assert_int_equal(number_of(&full.asked.questions), 1);
    drain(&full, 1);
    assert_int_equal(number_of(&told.runs), 1);
}

static void release_plug(struct asked *asked) {
    struct full *full = (struct full *)(void *)((char *)asked - offsetof(struct full, asked));

    event_raise(&full->plug.release);
}

static void handler_that_says_block_has_the_caller_wait_for_room(void **state) {
    struct full full;
    struct told told;

    fill(&full, state, WEIR_FULL_HANDLER);
    full.asked.answer = WEIR_FULL_BLOCK;
    full.asked.before_answer = release_plug;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told)), 0);
    drain(&full, 0);
    assert_int_equal(number_of(&told.runs), 1);
}

static void resize_up(struct asked *asked) {
    weir_pool_resize(asked->pool, 2, 2);
}

static void handler_may_resize_the_pool(void **state) {
    struct full full;
    struct told told;

    fill(&full, state, WEIR_FULL_HANDLER);
    full.asked.answer = WEIR_FULL_BLOCK;
    full.asked.before_answer = resize_up;
    assert_int_equal(weir_pool_submit(full.pool, told_init(&told)), 0);
    UNTIL(number_of(&told.runs) == 1); /* by the second thread: the first is in its plug */
    drain(&full, 0);
}

/* ---- From a worker ---- */

struct inside {
    struct full *full;
    struct told told[CAPACITY + 2];
    int rc[4];
    unsigned queued;
};

/* Fills the pool from its own worker, then submits two more, the second with a deadline, and a
 * batch of one. */
static int overfill(void *arg, void **value) {
    struct inside *inside = arg;
    struct weir_pool *pool = inside->full->pool;
    struct weir_task *batch[1] = {&inside->told[CAPACITY + 1].task};

    (void)value;
    for (unsigned i = 0; i < CAPACITY; i++)
        inside->rc[3] |= weir_pool_submit(pool, told_init(&inside->told[i]));
    inside->rc[0] = weir_pool_submit(pool, told_init(&inside->told[CAPACITY]));
    told_init(&inside->told[CAPACITY + 1]);
    inside->rc[1] = (int)weir_pool_submit_batch(pool, batch, 1);
    inside->rc[2] = inside->rc[1] < 0 ? weir_pool_submit_until(pool, batch[0], WEIR_FOREVER) : 0;
    inside->queued = (unsigned)unit_stats(pool).queued;
    return 0;
}

static void run_inside(struct full *full, struct inside *inside, void **state,
                       enum weir_full_policy policy, enum weir_full_policy answer) {
    struct weir_future *future = NULL;

    memset(inside, 0, sizeof *inside);
    inside->full = full;
    fill(full, state, policy);
    full->asked.answer = answer;
    event_raise(&full->plug.release);
    assert_int_equal(weir_pool_await_idle(full->pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_async(full->pool, overfill, inside, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(weir_pool_await_idle(full->pool, WEIR_FOREVER), 0);
    assert_int_equal(inside->rc[3], 0);
    assert_int_equal(inside->queued, CAPACITY);
}

static void worker_that_finds_the_pool_full_is_refused_and_never_blocks(void **state) {
    static const enum weir_full_policy cases[][2] = {{WEIR_FULL_BLOCK, WEIR_FULL_BLOCK},
                                                     {WEIR_FULL_REJECT, WEIR_FULL_BLOCK},
                                                     {WEIR_FULL_HANDLER, WEIR_FULL_BLOCK},
                                                     {WEIR_FULL_HANDLER, WEIR_FULL_REJECT}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct full full;
        struct inside inside;
        run_inside(&full, &inside, state, cases[i][0], cases[i][1]);
        for (int n = 0; n < 3; n++)
            assert_int_equal(inside.rc[n], -EAGAIN);
        assert_int_equal(unit_stats(full.pool).rejected, 3);
        assert_int_equal(number_of(&full.asked.rejections), 3);
        drain(&full, 0);
        for (unsigned n = 0; n < CAPACITY + 2; n++)
            assert_int_equal(number_of(&inside.told[n].runs), n < CAPACITY);
    }
}

static void worker_runs_discards_or_replaces_what_does_not_fit(void **state) {
    static const enum weir_full_policy policies[] = {WEIR_FULL_CALLER_RUNS, WEIR_FULL_DISCARD,
                                                     WEIR_FULL_DISCARD_OLDEST};

    for (int handled = 0; handled < 2; handled++) {
        for (int i = 0; i < 3; i++) {
            struct full full;
            struct inside inside;
            unsigned drops = 0, runs = 0;
            run_inside(&full, &inside, state, handled ? WEIR_FULL_HANDLER : policies[i],
                       policies[i]);
            assert_int_equal(inside.rc[0], 0);
            assert_int_equal(inside.rc[1], 1);
            for (unsigned n = 0; n < CAPACITY + 2; n++) {
                runs += number_of(&inside.told[n].runs);
                drops += number_of(&inside.told[n].drops);
            }
            assert_int_equal(drops, policies[i] == WEIR_FULL_CALLER_RUNS ? 0 : 2);
            assert_int_equal(runs, CAPACITY + 2 - drops);
            bool oldest = policies[i] == WEIR_FULL_DISCARD_OLDEST;
            assert_int_equal(number_of(&inside.told[0].runs), !oldest);
            assert_int_equal(unit_stats(full.pool).discarded, drops);
            drain(&full, 0);
        }
    }
}

/* ---- Futures that end on the way ---- */

static void cancelled_future_is_no_queued_task_whatever_the_policy(void **state) {
    for (int policy = WEIR_FULL_BLOCK; policy <= WEIR_FULL_DISCARD_OLDEST; policy++) {
        struct weir_future future;
        struct full full;

        fill(&full, state, (enum weir_full_policy)policy);
        weir_future_init(&future);
        struct weir_task *task = weir_future_task(&future, call_echo, NULL, 0);
        assert_int_equal(weir_future_cancel(&future), 0);
        if (policy == WEIR_FULL_CALLER_RUNS || policy == WEIR_FULL_DISCARD)
            assert_int_equal(weir_pool_submit(full.pool, task), -ECANCELED);
        event_raise(&full.plug.release);
        assert_int_equal(weir_pool_await_idle(full.pool, WEIR_FOREVER), 0);
        assert_int_equal(weir_pool_submit(full.pool, task), -ECANCELED);
        assert_int_equal(weir_pool_submit_batch(full.pool, &task, 1), 1); /* it has its outcome */
        assert_int_equal(weir_pool_await_idle(full.pool, WEIR_FOREVER), 0);
        assert_int_equal(unit_stats(full.pool).rejected, 0);
        assert_int_equal(weir_future_fini(&future), 0);
        drain(&full, 0);
    }
}

struct cancelled {
    struct full *full;
    struct weir_future future;
    int rc[2];
};

static int submit_cancelled(void *arg, void **value) {
    struct cancelled *cancelled = arg;
    struct weir_pool *pool = cancelled->full->pool;

    (void)value;
    for (int i = 0; i < 2; i++)
        cancelled->rc[i] =
            weir_pool_submit(pool, weir_future_task(&cancelled->future, call_echo, NULL, 0));
    return 0;
}

static void cancelled_future_takes_no_room_when_a_worker_submits_it(void **state) {
    struct full full;
    struct cancelled cancelled = {.full = &full};
    struct weir_future *future = NULL;

    fill(&full, state, WEIR_FULL_REJECT);
    event_raise(&full.plug.release);
    assert_int_equal(weir_pool_await_idle(full.pool, WEIR_FOREVER), 0);
    weir_future_init(&cancelled.future);
    assert_int_equal(weir_future_cancel(&cancelled.future), 0);
    assert_int_equal(weir_pool_async(full.pool, submit_cancelled, &cancelled, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(cancelled.rc[0], -ECANCELED);
    assert_int_equal(cancelled.rc[1], -ECANCELED);
    assert_int_equal(weir_pool_await_idle(full.pool, WEIR_FOREVER), 0);
    struct told told[CAPACITY]; /* there is room for as many as ever */
    assert_int_equal(weir_pool_pause(full.pool), 0);
    for (unsigned i = 0; i < CAPACITY; i++)
        assert_int_equal(weir_pool_submit(full.pool, told_init(&told[i])), 0);
    assert_int_equal(weir_pool_resume(full.pool), 0);
    drain(&full, 0);
}

static void revoked_call_is_dropped_by_a_caller_that_would_run_it(void **state) {
    struct weir_future future;
    struct weir_token token;
    struct full full;

    fill(&full, state, WEIR_FULL_CALLER_RUNS);
    weir_token_init(&token, NULL, WEIR_FOREVER);
    weir_future_init(&future);
    struct weir_task *task = weir_future_task(&future, call_echo, NULL, 0);
    assert_int_equal(weir_future_set_token(&future, &token), 0);
    assert_int_equal(weir_token_cancel(&token), 0);
    assert_int_equal(weir_pool_submit(full.pool, task), 0);
    assert_int_equal(weir_future_get(&future, NULL, WEIR_NOW), -ECANCELED);
    assert_int_equal(weir_future_fini(&future), 0);
    assert_int_equal(weir_token_fini(&token), 0);
    drain(&full, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(reject_refuses_on_every_way_in_and_tells_the_hook),
        EACH(block_with_a_deadline_gives_up_at_it),
        EACH(block_waits_for_room_with_one_task_or_a_batch),
        EACH(caller_runs_what_does_not_fit_before_submit_returns),
        EACH(handlers_answer_is_what_happens),
        EACH(handler_may_make_room_and_ask_to_try_again),
        EACH(handler_that_says_block_has_the_caller_wait_for_room),
        EACH(handler_may_resize_the_pool),
        EACH(worker_that_finds_the_pool_full_is_refused_and_never_blocks),
        EACH(worker_runs_discards_or_replaces_what_does_not_fit),
        EACH(cancelled_future_is_no_queued_task_whatever_the_policy),
        EACH(cancelled_future_takes_no_room_when_a_worker_submits_it),
        EACH(revoked_call_is_dropped_by_a_caller_that_would_run_it),
    };
    return cmocka_run_group_tests_name("submit", tests, NULL, NULL);
}
