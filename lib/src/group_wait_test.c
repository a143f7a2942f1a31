#include <weir/group.h>

#include "platform/lock.h"
#include "test/group.h"

struct tree {
    struct weir_pool *pool;
    unsigned depth;
    uintptr_t sum;
};

/* Each level opens a group on its stack: on one worker it ends only if the waiter runs it. */
static int grow(void *arg, void **value) {
    struct tree *tree = arg;
    struct tree below[2] = {{tree->pool, tree->depth - 1, 0}, {tree->pool, tree->depth - 1, 0}};
    struct weir_group group;
    int rc = 0;

    (void)value;
    tree->sum = 1;
    if (tree->depth == 0)
        return 0;
    weir_group_init(&group, tree->pool, WEIR_GROUP_FIRST_ERROR, NULL);
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = weir_group_async(&group, grow, &below[i], NULL);
    if (rc == 0)
        rc = weir_group_wait(&group, NULL, WEIR_FOREVER);
    weir_group_fini(&group);
    tree->sum += below[0].sum + below[1].sum;
    return rc;
}

static void nested_groups_end_on_any_number_of_workers(void **state) {
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct tree tree = {unit_pool(unit_scheduler(state), threads, NULL), 9, 0};
        struct weir_group group;
        open_group(&group, tree.pool, WEIR_GROUP_ALL);
        add(&group, grow, &tree);
        assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), 0);
        assert_int_equal(weir_group_fini(&group), 0);
        assert_int_equal(tree.sum, (1u << 10) - 1);
        assert_int_equal(weir_pool_free(tree.pool), 0);
    }
}

struct own {
    struct weir_group *group;
    struct weir_pool *pool;
    struct event seen;
    int wait_rc, fini_rc, async_rc, cancel_rc;
    _Atomic unsigned runs;
};

static int wait_for_own_group(void *arg, void **value) {
    struct own *own = arg;

    (void)value;
    own->async_rc = weir_group_async(own->group, count_run, (void *)&own->runs, NULL);
    own->wait_rc = weir_group_wait(own->group, NULL, WEIR_FOREVER);
    own->fini_rc = weir_group_fini(own->group);
    return 0;
}

static void wait_in_callback(struct weir_future *future, void *arg) {
    void *value;

    (void)future;
    wait_for_own_group(arg, &value);
    event_raise(&((struct own *)arg)->seen);
}

static int claim_one_that_waits(void *arg, void **value) {
    struct own *own = arg;
    struct weir_future future;

    weir_future_init(&future);
    weir_pool_submit(own->pool, weir_future_task(&future, wait_for_own_group, own, 0));
    int rc = weir_future_get(&future, value, WEIR_FOREVER);
    weir_future_fini(&future);
    return rc;
}

static void member_that_waits_for_its_group_gets_edeadlk(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    const weir_call calls[2] = {wait_for_own_group, claim_one_that_waits};
    struct weir_group group;

    for (int i = 0; i < 2; i++) {
        struct own own = {.group = &group, .pool = pool};
        open_group(&group, pool, WEIR_GROUP_ALL);
        add(&group, calls[i], &own);
        assert_int_equal(weir_group_fini(&group), 0);
        assert_int_equal(own.wait_rc, -EDEADLK);
        assert_int_equal(own.fini_rc, -EDEADLK);
        assert_int_equal(own.async_rc, 0);
        assert_int_equal(number_of(&own.runs), 1); /* fini waits for what members add */
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void callback_of_a_member_that_waits_for_the_group_gets_edeadlk(void **state) {
    struct hold hold;
    struct weir_group group;

    hold_worker(&hold, state);
    struct own own = {.group = &group, .pool = hold.pool};
    struct own dropped = {.group = &group, .pool = hold.pool};
    struct weir_callback callbacks[2] = {{.fn = wait_in_callback, .arg = &own},
                                         {.fn = wait_in_callback, .arg = &dropped}};
    struct weir_future *futures[2];
    open_group(&group, hold.pool, WEIR_GROUP_ALL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_group_async(&group, call_echo, NULL, &futures[i]), 0);
        weir_future_on_done(futures[i], &callbacks[i]);
    }
    assert_int_equal(weir_future_cancel(futures[1]), 0);
    assert_int_equal(dropped.wait_rc, -EDEADLK);
    event_raise(&hold.plug.release);
    event_await(&own.seen, 1);
    assert_int_equal(own.wait_rc, -EDEADLK);
    assert_int_equal(own.fini_rc, -EDEADLK);
    assert_int_equal(weir_group_fini(&group), 0);
    for (int i = 0; i < 2; i++)
        weir_future_unref(futures[i]);
    let_go(&hold);
}

static void hold_in_callback(struct weir_future *future, void *plug) {
    (void)future;
    plug_run(plug);
}

static void group_waits_for_the_callbacks_of_its_members(void **state) {
    struct hold hold;
    struct weir_group group;
    struct weir_future *future = NULL;
    struct plug plug = PLUG;
    struct weir_callback callback = {.fn = hold_in_callback, .arg = &plug};

    hold_worker(&hold, state);
    open_group(&group, hold.pool, WEIR_GROUP_ANY);
    assert_int_equal(weir_group_async(&group, call_echo, VALUE, &future), 0);
    weir_future_on_done(future, &callback);
    event_raise(&hold.plug.release);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_future_get(future, NULL, WEIR_NOW), 0);
    assert_int_equal(weir_group_wait(&group, NULL, WEIR_NOW), 0); /* decided all the same */
    assert_int_equal(weir_group_pending(&group), 1);
    event_raise(&plug.release);
    assert_int_equal(weir_group_fini(&group), 0);
    weir_future_unref(future);
    let_go(&hold);
}

struct brief {
    struct weir_pool *pool;
    uint64_t deadline_ns;
    int rc;
    size_t pending;
};

static int wait_briefly(void *arg, void **value) {
    struct brief *brief = arg;
    struct weir_group group;

    (void)value;
    weir_group_init(&group, brief->pool, WEIR_GROUP_ALL, NULL);
    weir_group_async(&group, call_echo, NULL, NULL);
    brief->rc = weir_group_wait(&group, NULL, brief->deadline_ns);
    brief->pending = weir_group_pending(&group);
    weir_group_cancel(&group);
    weir_group_fini(&group);
    return 0;
}

static void worker_begins_no_member_after_the_deadline(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    const uint64_t deadlines[2] = {WEIR_NOW, 1};

    for (int i = 0; i < 2; i++) {
        struct brief brief = {.pool = pool, .deadline_ns = deadlines[i]};
        struct weir_future *future = NULL;
        assert_int_equal(weir_pool_async(pool, wait_briefly, &brief, &future), 0);
        assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
        weir_future_unref(future);
        assert_int_equal(brief.rc, i == 0 ? -EAGAIN : -ETIMEDOUT);
        assert_int_equal(brief.pending, 1);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

static void worker_runs_what_it_waits_for_even_if_that_was_tried_before(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.wait = WEIR_WAIT_BLOCK; /* tried, and not claimed: still to be cancelled */
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct brief brief = {.pool = pool, .deadline_ns = weir_after(2000000)};
    struct weir_future *future = NULL;
    assert_int_equal(weir_pool_async(pool, wait_briefly, &brief, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    weir_future_unref(future);
    assert_int_equal(brief.rc, -ETIMEDOUT);
    assert_int_equal(brief.pending, 1);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- Several waiters ---- */

static void *wait_for_ever(void *group) {
    return (void *)(intptr_t)weir_group_wait(group, NULL, WEIR_FOREVER);
}

static bool has_waiter(struct weir_group *group) {
    weir__lock(&group->weir__lock);
    bool has = group->weir__waiters != NULL;
    weir__unlock(&group->weir__lock);
    return has;
}

static void waiter_that_gives_up_leaves_the_others_waiting(void **state) {
    struct hold hold;
    struct weir_group group;
    void *rc = NULL;

    hold_worker(&hold, state);
    open_group(&group, hold.pool, WEIR_GROUP_ALL);
    add(&group, call_echo, NULL);
    pthread_t other = unit_thread(wait_for_ever, &group);
    UNTIL(has_waiter(&group));
    assert_int_equal(weir_group_wait(&group, NULL, weir_after(1000000)), -ETIMEDOUT);
    assert_true(has_waiter(&group));
    event_raise(&hold.plug.release);
    assert_int_equal(pthread_join(other, &rc), 0);
    assert_int_equal((intptr_t)rc, 0);
    assert_int_equal(weir_group_fini(&group), 0);
    let_go(&hold);
}

struct parting {
    struct weir_pool *pool;
    struct weir_group group;
    struct event ended;
};

static int end_thread(void *arg, void **value) {
    (void)value;
    event_raise(arg);
    pthread_exit(NULL);
}

static int wait_until_the_thread_ends(void *arg, void **value) {
    struct parting *parting = arg;
    struct weir_future *never = NULL;

    *value = NULL;
    if (weir_pool_async(parting->pool, end_thread, &parting->ended, &never) != 0)
        return -EPROTO;
    weir_future_unref(never);
    return weir_group_wait(&parting->group, NULL, WEIR_FOREVER);
}

/* What it ran meanwhile ended the thread: nobody may wake it through its old stack. */
static void waiter_whose_thread_ends_is_forgotten(void **state) {
    struct weir_pool_options options = unit_options();
    struct parting parting = {.ended = {0}};
    struct plug plug = PLUG;
    struct weir_future *future = NULL;

    options.wait = WEIR_WAIT_HELP;
    parting.pool = unit_pool(unit_scheduler(state), 2, &options);
    open_group(&parting.group, parting.pool, WEIR_GROUP_ALL);
    add(&parting.group, plug_call, &plug);
    event_await(&plug.begun, 1); /* the other worker has it: the waiter is left with the rest */
    assert_int_equal(weir_pool_async(parting.pool, wait_until_the_thread_ends, &parting, &future),
                     0);
    event_await(&parting.ended, 1);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
    weir_future_unref(future);
    assert_false(has_waiter(&parting.group));
    event_raise(&plug.release);
    assert_int_equal(weir_group_wait(&parting.group, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_group_fini(&parting.group), 0);
    assert_int_equal(weir_pool_free(parting.pool), 0);
}

/* ---- Shutdown ---- */

static void every_waiter_returns_when_the_pool_is_shut_down(void **state) {
    const enum weir_shutdown_mode modes[2] = {WEIR_DRAIN, WEIR_CANCEL_PENDING};

    for (int i = 0; i < 2; i++) {
        struct hold hold;
        struct weir_group group;
        hold_worker(&hold, state);
        open_group(&group, hold.pool, WEIR_GROUP_ALL);
        for (int k = 0; k < 5; k++)
            add(&group, call_echo, NULL);
        weir_pool_shutdown(hold.pool, modes[i]);
        event_raise(&hold.plug.release);
        assert_int_equal(weir_group_wait(&group, NULL, WEIR_FOREVER), i == 0 ? 0 : -ECANCELED);
        assert_int_equal(weir_group_fini(&group), 0);
        let_go(&hold);
    }
}

/* ---- Everything at once ---- */

#define ROUNDS  500
#define MEMBERS 4

static int succeed_or_fail(void *arg, void **value) {
    *value = arg;
    return (uintptr_t)arg % 3 == 0 ? -EIO : 0;
}

/* A touch of the group after its fini is a bug that a sanitizer sees. */
static void group_may_be_freed_once_its_fini_returns(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct weir_group *group = malloc(sizeof *group);
        open_group(group, pool, (enum weir_group_policy)(round % 3));
        for (uintptr_t i = 1; i <= MEMBERS; i++) {
            int rc = weir_group_async(group, succeed_or_fail, (void *)(i + round), NULL);
            assert_true(rc == 0 || rc == -ECANCELED);
        }
        void *value = NULL;
        int rc = round & 8 ? weir_group_wait(group, &value, WEIR_FOREVER) : -EIO;
        if (rc == 0 && round % 3 == WEIR_GROUP_ANY)
            assert_true((uintptr_t)value % 3 != 0);
        else
            assert_int_equal(rc, -EIO);
        assert_int_equal(weir_group_fini(group), 0);
        memset(group, 0xA5, sizeof *group);
        free(group);
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

struct race {
    struct weir_group *group;
    struct event go;
    struct weir_callback callbacks[2 * MEMBERS]; /* in use until the group's end */
    _Atomic unsigned accepted, ended;
};

static void count_end(struct weir_future *future, void *arg) {
    (void)future;
    add_one((_Atomic unsigned *)arg);
}

static void *adder_main(void *arg) {
    struct race *race = arg;
    struct weir_future *futures[MEMBERS];
    unsigned n = 0;

    event_await(&race->go, 1);
    for (int i = 0; i < MEMBERS; i++)
        if (weir_group_async(race->group, call_echo, NULL, &futures[n]) == 0) {
            struct weir_callback *callback = &race->callbacks[atomic_fetch_add_explicit(
                &race->accepted, 1, memory_order_relaxed)];
            *callback = (struct weir_callback){.fn = count_end, .arg = (void *)&race->ended};
            weir_future_on_done(futures[n++], callback);
        }
    weir_wait(futures, n, WEIR_ALL, WEIR_FOREVER);
    while (n-- > 0)
        weir_future_unref(futures[n]);
    return NULL;
}

static void *waiter_main(void *arg) {
    struct race *race = arg;

    event_await(&race->go, 1);
    for (uint64_t ns = 1000;; ns += 1000) { /* deadlines that race the end */
        int rc = weir_group_wait(race->group, NULL, weir_after(ns));
        if (rc != -ETIMEDOUT)
            return NULL;
    }
}

static void *canceller_main(void *arg) {
    struct race *race = arg;

    event_await(&race->go, 1);
    weir_group_cancel(race->group);
    return NULL;
}

static void members_are_added_cancelled_and_awaited_at_the_same_time(void **state) {
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    for (int round = 0; round < ROUNDS / 2; round++) {
        struct weir_group group;
        struct race race = {.group = open_group(&group, pool, WEIR_GROUP_ALL)};
        pthread_t threads[4] = {unit_thread(adder_main, &race), unit_thread(adder_main, &race),
                                unit_thread(waiter_main, &race),
                                unit_thread(canceller_main, &race)};
        event_raise(&race.go);
        for (int i = 0; i < 4; i++)
            unit_join(threads[i]);
        assert_int_equal(weir_group_fini(&group), 0);
        assert_int_equal(number_of(&race.ended), number_of(&race.accepted));
    }
    assert_int_equal(weir_pool_free(pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(nested_groups_end_on_any_number_of_workers),
        EACH(member_that_waits_for_its_group_gets_edeadlk),
        EACH(callback_of_a_member_that_waits_for_the_group_gets_edeadlk),
        EACH(group_waits_for_the_callbacks_of_its_members),
        EACH(worker_begins_no_member_after_the_deadline),
        EACH(worker_runs_what_it_waits_for_even_if_that_was_tried_before),
        EACH(waiter_that_gives_up_leaves_the_others_waiting),
        EACH(waiter_whose_thread_ends_is_forgotten),
        EACH(every_waiter_returns_when_the_pool_is_shut_down),
        EACH(group_may_be_freed_once_its_fini_returns),
        EACH(members_are_added_cancelled_and_awaited_at_the_same_time),
    };
    return cmocka_run_group_tests_name("group_wait", tests, NULL, NULL);
}
