/* A pool that is full, and what its hooks and its tasks were told. */
#ifndef WEIR__TEST_FULL_H
#define WEIR__TEST_FULL_H

#include <weir/pool.h>

#include "unit.h"

#define CAPACITY 2u

/* A task that tells what became of it, and on which thread. */
struct told {
    struct weir_task task;
    _Atomic unsigned runs, drops;
    _Atomic int error;
    pthread_t thread;
};

static inline int run_told(struct weir_task *task) {
    struct told *told = (struct told *)(void *)task;

    told->thread = pthread_self();
    add_one(&told->runs);
    return 0;
}

static inline void drop_told(struct weir_task *task, int error) {
    struct told *told = (struct told *)(void *)task;

    told->thread = pthread_self();
    atomic_store_explicit(&told->error, error, memory_order_relaxed);
    add_one(&told->drops);
}

static inline struct weir_task *told_init(struct told *told) {
    *told = (struct told){.task = {.run = run_told, .drop = drop_told}};
    return &told->task;
}

/* What the hooks rejected and full saw. */
struct asked {
    _Atomic unsigned rejections, questions;
    struct weir_task *rejected, *questioned;
    struct weir_pool *pool;
    int error;
    pthread_t thread;
    struct weir_future *watched;
    enum weir_future_state state; /* of watched, in the hook rejected */
    struct weir_task *intruder;   /* submitted by the hook rejected, once */
    enum weir_full_policy answer;
    struct event question;
    void (*before_answer)(struct asked *asked);
};

static inline void on_rejected(void *arg, struct weir_task *task, int error) {
    struct asked *asked = arg;

    asked->rejected = task;
    asked->error = error;
    asked->thread = pthread_self();
    if (asked->watched)
        asked->state = weir_future_state(asked->watched);
    struct weir_task *intruder = asked->intruder;
    asked->intruder = NULL;
    if (intruder)
        assert_int_equal(weir_pool_submit(asked->pool, intruder), 0);
    add_one(&asked->rejections);
}

static inline enum weir_full_policy on_full(void *arg, struct weir_pool *pool,
                                            struct weir_task *task) {
    struct asked *asked = arg;

    asked->pool = pool;
    asked->questioned = task;
    asked->thread = pthread_self();
    add_one(&asked->questions);
    event_raise(&asked->question);
    if (asked->before_answer)
        asked->before_answer(asked);
    return asked->answer;
}

/* A full pool: its worker in a plug, CAPACITY tasks queued. */
struct full {
    struct weir_pool *pool;
    struct plug plug;
    struct told queued[CAPACITY];
    struct asked asked;
};

static inline void fill(struct full *full, void **state, enum weir_full_policy policy) {
    struct weir_pool_options options = unit_options();

    memset(full, 0, sizeof *full);
    options.capacity = CAPACITY;
    options.full = policy;
    options.hooks.arg = &full->asked;
    options.hooks.rejected = on_rejected;
    options.hooks.full = on_full;
    full->pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_execute(full->pool, plug_run, &full->plug), 0);
    event_await(&full->plug.begun, 1);
    for (unsigned i = 0; i < CAPACITY; i++)
        assert_int_equal(weir_pool_submit(full->pool, told_init(&full->queued[i])), 0);
}

/* Releases the worker and frees the pool; what is queued has run but for dropped ones. */
static inline void drain(struct full *full, unsigned dropped) {
    event_raise(&full->plug.release);
    assert_int_equal(weir_pool_await_idle(full->pool, WEIR_FOREVER), 0);
    for (unsigned i = 0; i < CAPACITY; i++) {
        assert_int_equal(number_of(&full->queued[i].runs), i >= dropped);
        assert_int_equal(number_of(&full->queued[i].drops), i < dropped);
    }
    struct weir_pool_stats stats = unit_stats(full->pool);
    assert_int_equal(stats.submitted, stats.completed + stats.failed + stats.cancelled);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.active, 0);
    unit_free(full->pool);
}

static inline void expect_rejection(struct full *full, unsigned n, const struct weir_task *task,
                                    int error) {
    assert_int_equal(number_of(&full->asked.rejections), n);
    assert_ptr_equal(full->asked.rejected, task);
    assert_int_equal(full->asked.error, error);
    assert_true(pthread_equal(full->asked.thread, pthread_self()));
}

static inline void expect_untouched(struct told *told) {
    assert_int_equal(number_of(&told->runs) + number_of(&told->drops), 0);
}

#endif
