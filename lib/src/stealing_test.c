#include "pool.h"
#include "test/unit.h"

/* ---- Order on one worker ---- */

#define MANY (4 * WEIR__DEQUE_SLOTS)

struct log {
    struct weir_pool *pool;
    unsigned next;
    unsigned order[MANY];
};

struct entry {
    struct weir_task task;
    struct log *log;
    unsigned index;
};

static int write_entry(struct weir_task *task) {
    struct entry *entry = (struct entry *)(void *)task;

    entry->log->order[entry->log->next++] = entry->index;
    return 0;
}

struct family {
    struct log log;
    struct entry entries[MANY];
    struct weir_task *list[MANY];
};

static struct family *new_family(struct weir_pool *pool) {
    struct family *family = calloc(1, sizeof *family);

    assert_non_null(family);
    family->log.pool = pool;
    for (unsigned i = 0; i < MANY; i++) {
        family->entries[i] = (struct entry){WEIR_TASK_INIT(write_entry), &family->log, i};
        family->list[i] = &family->entries[i].task;
    }
    return family;
}

static int submit_family(void *arg, void **value) {
    struct family *family = arg;

    (void)value;
    return weir_pool_submit_batch(family->log.pool, family->list, MANY) == MANY ? 0 : -EPROTO;
}

static void expect_all_ran(struct family *family) {
    unsigned seen[MANY] = {0};

    assert_int_equal(family->log.next, MANY);
    for (unsigned i = 0; i < MANY; i++)
        seen[family->log.order[i]]++;
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(seen[i], 1);
}

static void what_the_deque_does_not_hold_goes_to_the_injector_and_runs(void **state) {
    struct weir_pool *pool = unit_pool(WEIR_STEALING, 1, NULL);
    struct family *family = new_family(pool);
    struct weir_future *future = NULL;

    (void)state;
    assert_int_equal(weir_pool_async(pool, submit_family, family, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    expect_all_ran(family);
    /* A worker's own newest task starts first, but for the turn that looks elsewhere. */
    assert_in_range(family->log.order[0], WEIR__DEQUE_SLOTS - 1, WEIR__DEQUE_SLOTS);
    assert_int_equal(atomic_load_explicit(&pool->injector.accepted, memory_order_relaxed),
                     1 + MANY - WEIR__DEQUE_SLOTS);
    assert_int_equal(weir_pool_free(pool), 0);
    free(family);
}

#define PAIRS 2000u

static int make_and_get(void *arg, void **value) {
    struct weir_pool *pool = arg;

    for (uintptr_t i = 0; i < PAIRS; i++) {
        struct weir_future *future = NULL;
        int rc = weir_pool_async(pool, call_echo, (void *)i, &future);
        if (rc == 0)
            rc = weir_future_get(future, value, WEIR_FOREVER);
        if (rc || *value != (void *)i)
            return -EPROTO;
        weir_future_unref(future);
    }
    return 0;
}

/* Claimed places are used again; else the way would lead through the injector's mutex. */
static void task_that_gets_each_future_it_makes_stays_in_its_own_deque(void **state) {
    struct weir_pool *pool = unit_pool(WEIR_STEALING, 1, NULL);
    struct weir_future *future = NULL;

    (void)state;
    assert_int_equal(weir_pool_async(pool, make_and_get, pool, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).completed, PAIRS + 1);
    assert_int_equal(atomic_load_explicit(&pool->injector.accepted, memory_order_relaxed), 1);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* "Roughly": each once, and the fair turn may bring one forward by no more than a batch. */
static void tasks_from_outside_start_roughly_in_order(void **state) {
    struct weir_pool_options options;

    (void)state;
    weir_pool_options_init(&options);
    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(WEIR_STEALING, 1, &options);
    struct family *family = new_family(pool);
    assert_int_equal(weir_pool_submit_batch(pool, family->list, MANY), MANY);
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    expect_all_ran(family);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(abs((int)family->log.order[i] - (int)i) <= 33);
    assert_int_equal(weir_pool_free(pool), 0);
    free(family);
}

/* ---- Fairness ---- */

struct relay {
    struct weir_task task;
    struct weir_pool *pool;
    _Atomic bool stop;
    struct event ended;
};

/* Always has a next task in the worker's own deque. */
static int run_relay(struct weir_task *task) {
    struct relay *relay = (struct relay *)(void *)task;

    if (atomic_load_explicit(&relay->stop, memory_order_acquire) ||
        weir_pool_submit(relay->pool, task) != 0)
        event_raise(&relay->ended);
    return 0;
}

static void task_that_always_submits_the_next_does_not_starve_others(void **state) {
    struct relay relay = {.task = WEIR_TASK_INIT(run_relay)};
    struct weir_future *future = NULL;

    relay.pool = unit_pool(unit_scheduler(state), 1, NULL);
    assert_int_equal(weir_pool_submit(relay.pool, &relay.task), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(weir_pool_async(relay.pool, call_echo, NULL, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        weir_future_unref(future);
    }
    atomic_store_explicit(&relay.stop, true, memory_order_release);
    event_await(&relay.ended, 1);
    assert_int_equal(weir_pool_free(relay.pool), 0);
}

/* ---- Stealing ---- */

struct heist {
    struct weir_pool *pool;
    struct plug plugs[2];
};

static int leave_two_behind(void *arg, void **value) {
    struct heist *heist = arg;

    (void)value;
    for (int i = 0; i < 2; i++)
        if (weir_pool_execute(heist->pool, plug_run, &heist->plugs[i]) != 0)
            return -EPROTO;
    for (int i = 0; i < 2; i++)
        event_await(&heist->plugs[i].begun, 1); /* while this worker stays where it is */
    return 0;
}

static void tasks_in_an_occupied_workers_deque_are_stolen(void **state) {
    struct heist heist = {.plugs = {PLUG, PLUG}};
    struct weir_future *future = NULL;

    heist.pool = unit_pool(unit_scheduler(state), 3, NULL);
    UNTIL(unit_stats(heist.pool).parks == 3); /* all sleep: the thieves must be woken */
    assert_int_equal(weir_pool_async(heist.pool, leave_two_behind, &heist, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    for (int i = 0; i < 2; i++)
        event_raise(&heist.plugs[i].release);
    assert_int_equal(weir_pool_await_idle(heist.pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(heist.pool).steals, unit_scheduler(state) == WEIR_STEALING ? 2 : 0);
    assert_int_equal(weir_pool_free(heist.pool), 0);
}

/* The worker that has nothing to do must not leave before the last task has ended: that task may
 * have found the pool open and be about to submit. */
static void workers_stay_until_the_last_task_has_ended(void **state) {
    struct weir_pool *pool = unit_pool(WEIR_STEALING, 3, NULL);
    struct plug plug = PLUG;

    (void)state;
    weir_pool_execute(pool, plug_run, &plug);
    event_await(&plug.begun, 1);
    /* The two others sleep; shutdown wakes them, and they go back to sleep. */
    UNTIL(weir__idle_counts(&pool->idle).parked == 2 && unit_stats(pool).parks >= 2);
    uint64_t parks = unit_stats(pool).parks;
    assert_int_equal(weir_pool_shutdown(pool, WEIR_DRAIN), 0);
    UNTIL(unit_stats(pool).parks >= parks + 2);
    assert_int_equal(unit_stats(pool).workers, 3);
    event_raise(&plug.release);
    assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), 0);
    assert_int_equal(unit_stats(pool).workers, 0);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Everything at once ---- */

#define OUTSIDE  3
#define ROOTS    300u
#define BRANCHES 4u

struct tree {
    struct weir_pool *pool;
    _Atomic unsigned ran;
};

struct node {
    struct weir_task task;
    struct tree *tree;
    unsigned depth;
};

static int run_node(struct weir_task *task);

static void plant(struct tree *tree, unsigned depth) {
    struct node *node = malloc(sizeof *node);

    if (!node)
        abort();
    *node = (struct node){WEIR_TASK_INIT(run_node), tree, depth};
    if (weir_pool_submit(tree->pool, &node->task) != 0)
        abort();
}

static int run_node(struct weir_task *task) {
    struct node node = *(struct node *)(void *)task;

    free(task);
    for (unsigned i = 0; node.depth > 0 && i < BRANCHES; i++)
        plant(node.tree, node.depth - 1);
    add_one(&node.tree->ran);
    return 0;
}

static void *plant_main(void *arg) {
    for (unsigned i = 0; i < ROOTS; i++)
        plant(arg, 3);
    return NULL;
}

static void tasks_from_everywhere_all_run_and_idle_is_not_early(void **state) {
    const unsigned each = 1 + BRANCHES + BRANCHES * BRANCHES + BRANCHES * BRANCHES * BRANCHES;

    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.capacity =
        OUTSIDE * ROOTS * each; /* RING has a bound, and a task cannot wait for room */
    for (unsigned workers = 1; workers <= 8; workers *= 2) {
        struct tree tree = {.pool = unit_pool(unit_scheduler(state), workers, &options)};
        pthread_t threads[OUTSIDE];
        for (int i = 0; i < OUTSIDE; i++)
            threads[i] = unit_thread(plant_main, &tree);
        for (int i = 0; i < OUTSIDE; i++)
            unit_join(threads[i]);
        assert_int_equal(weir_pool_await_idle(tree.pool, WEIR_FOREVER), 0);
        assert_int_equal(number_of(&tree.ran), OUTSIDE * ROOTS * each);
        for (unsigned i = 1; i <= 200; i++) { /* from and to sleep */
            plant(&tree, 0);
            assert_int_equal(weir_pool_await_idle(tree.pool, WEIR_FOREVER), 0);
            assert_int_equal(number_of(&tree.ran), OUTSIDE * ROOTS * each + i);
        }
        assert_int_equal(unit_stats(tree.pool).completed, OUTSIDE * ROOTS * each + 200);
        assert_int_equal(weir_pool_free(tree.pool), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(what_the_deque_does_not_hold_goes_to_the_injector_and_runs),
        ONCE(task_that_gets_each_future_it_makes_stays_in_its_own_deque),
        ONCE(tasks_from_outside_start_roughly_in_order),
        EACH(task_that_always_submits_the_next_does_not_starve_others),
        EACH(tasks_in_an_occupied_workers_deque_are_stolen),
        ONCE(workers_stay_until_the_last_task_has_ended),
        EACH(tasks_from_everywhere_all_run_and_idle_is_not_early),
    };
    return cmocka_run_group_tests_name("stealing", tests, NULL, NULL);
}
