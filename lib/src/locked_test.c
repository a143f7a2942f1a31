#include "test/unit.h"

#define TASKS 500

struct log {
    _Atomic unsigned next;
    unsigned order[TASKS];
};

struct entry {
    struct weir_task task;
    struct log *log;
    unsigned index;
};

static int write_entry(struct weir_task *task) {
    struct entry *entry = (struct entry *)(void *)task;
    unsigned at = atomic_fetch_add_explicit(&entry->log->next, 1, memory_order_relaxed);

    entry->log->order[at] = entry->index;
    return 0;
}

static void tasks_start_in_the_order_of_submission(void **state) {
    struct weir_pool *pool = unit_pool(WEIR_LOCKED, 1, NULL);
    struct log log = {.next = 0};
    struct entry entries[TASKS];
    struct weir_task *list[TASKS];

    (void)state;
    for (unsigned i = 0; i < TASKS; i++) {
        entries[i] = (struct entry){WEIR_TASK_INIT(write_entry), &log, i};
        list[i] = &entries[i].task;
    }
    assert_int_equal(weir_pool_submit_batch(pool, list, TASKS / 2), TASKS / 2);
    for (unsigned i = TASKS / 2; i < TASKS; i++)
        assert_int_equal(weir_pool_submit(pool, list[i]), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    for (unsigned i = 0; i < TASKS; i++)
        assert_int_equal(log.order[i], i);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* A batch that wakes one worker would leave the second task behind the first. */
static void batch_wakes_a_worker_for_each_task(void **state) {
    struct weir_pool *pool = unit_pool(WEIR_LOCKED, 3, NULL);
    struct plug plugs[3] = {PLUG, PLUG, PLUG};

    (void)state;
    UNTIL(unit_stats(pool).parks == 3);
    struct weir_future futures[3];
    struct weir_task *list[3];
    for (int i = 0; i < 3; i++) {
        weir_future_init(&futures[i]);
        list[i] = weir_future_task(&futures[i], plug_call, &plugs[i], 0);
    }
    assert_int_equal(weir_pool_submit_batch(pool, list, 3), 3);
    for (int i = 0; i < 3; i++)
        event_await(&plugs[i].begun, 1); /* all three inside at once */
    assert_int_equal(unit_stats(pool).wakes, 3);
    for (int i = 0; i < 3; i++)
        event_raise(&plugs[i].release);
    assert_int_equal(weir_pool_free(pool), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_future_fini(&futures[i]), 0);
}

struct blocked {
    struct weir_pool *pool;
    _Atomic unsigned accepted;
};

static void *submit_main(void *arg) {
    struct blocked *blocked = arg;

    for (int i = 0; i < 2000; i++) {
        void *block = malloc(1);
        if (!block || weir_pool_execute(blocked->pool, free, block) != 0)
            abort();
        add_one(&blocked->accepted);
    }
    return NULL;
}

/* More producers than capacity, more workers than capacity: a wake-up for the wrong side hangs. */
static void producers_and_workers_share_capacity_one(void **state) {
    struct weir_pool_options options;
    pthread_t threads[3];

    weir_pool_options_init(&options);
    options.capacity = 1;
    struct blocked blocked = {.pool = unit_pool(unit_scheduler(state), 3, &options)};
    for (int i = 0; i < 3; i++)
        threads[i] = unit_thread(submit_main, &blocked);
    for (int i = 0; i < 3; i++)
        unit_join(threads[i]);
    assert_int_equal(weir_pool_await_idle(blocked.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(blocked.pool).completed, 6000);
    assert_int_equal(weir_pool_free(blocked.pool), 0);
}

static void spinning_worker_finds_its_task_and_the_end(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.idle_spin_ns = WEIR_FOREVER; /* it never parks, and still leaves */
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_future *future = NULL;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(weir_pool_async(pool, call_echo, NULL, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        weir_future_unref(future);
    }
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).parks, 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(tasks_start_in_the_order_of_submission),
        ONCE(batch_wakes_a_worker_for_each_task),
        EACH(producers_and_workers_share_capacity_one),
        EACH(spinning_worker_finds_its_task_and_the_end),
    };
    return cmocka_run_group_tests_name("locked", tests, NULL, NULL);
}
