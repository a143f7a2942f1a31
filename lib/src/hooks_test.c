/* Hooks: what they are told, on which thread, and how often. */
#include <weir/completion.h>
#include <weir/group.h>
#include <weir/pool.h>

#include "test/unit.h"

static int run_nothing(struct weir_task *task) {
    (void)task;
    return 0;
}

/* ---- Threads ---- */

#define WORKERS 4u

struct threads {
    _Atomic unsigned starts[WORKERS], stops[WORKERS], early, fail_from, begun;
    struct event started;
    _Atomic uint64_t ids[WORKERS];
};

static int on_start(void *arg, uint32_t worker) {
    struct threads *threads = arg;

    if (worker >= WORKERS)
        return 0;
    add_one(&threads->starts[worker]);
    atomic_store_explicit(&threads->ids[worker], (uint64_t)pthread_self(), memory_order_relaxed);
    unsigned begun = atomic_fetch_add_explicit(&threads->begun, 1, memory_order_acq_rel);
    event_raise(&threads->started);
    return number_of(&threads->fail_from) && begun + 1 >= number_of(&threads->fail_from);
}

static void on_stop(void *arg, uint32_t worker) {
    struct threads *threads = arg;

    if (worker >= WORKERS)
        return;
    add_one(&threads->stops[worker]);
    if (atomic_load_explicit(&threads->ids[worker], memory_order_relaxed) !=
        (uint64_t)pthread_self())
        add_one(&threads->early);
}

static struct weir_pool_options with_threads(struct threads *threads) {
    struct weir_pool_options options = unit_options();

    memset(threads, 0, sizeof *threads);
    options.hooks.arg = threads;
    options.hooks.thread_start = on_start;
    options.hooks.thread_stop = on_stop;
    return options;
}

static void each_thread_starts_and_stops_once_on_itself(void **state) {
    struct threads threads;
    struct weir_pool_options options = with_threads(&threads);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), WORKERS, &options);

    event_await(&threads.started, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(number_of(&threads.stops[i]), 0);
    unit_free(pool);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(number_of(&threads.starts[i]), 1);
        assert_int_equal(number_of(&threads.stops[i]), 1);
    }
    assert_int_equal(number_of(&threads.early), 0);
}

static int call_exit(void *arg, void **value) {
    (void)arg;
    (void)value;
    pthread_exit(NULL);
}

static void thread_that_a_task_ended_is_stopped_and_its_successor_started(void **state) {
    struct threads threads;
    struct weir_pool_options options = with_threads(&threads);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(pool, call_exit, NULL, &future), 0);
    event_await(&threads.started, 2);
    assert_int_equal(number_of(&threads.stops[0]), 1);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), -EOWNERDEAD);
    weir_future_unref(future);
    unit_free(pool);
    assert_int_equal(number_of(&threads.starts[0]), 2);
    assert_int_equal(number_of(&threads.stops[0]), 2);
}

/* ---- A start that fails ---- */

/* Every kind of waiter, each in a thread of its own. */
struct waiters {
    struct weir_pool *pool;
    struct weir_future *future;
    struct weir_group group;
    struct weir_completion *completion;
    _Atomic int get, wait, await, idle, group_wait, next;
    struct event ready;
};

static void *wait_get(void *arg) {
    struct waiters *waiters = arg;

    event_raise(&waiters->ready);
    waiters->get = weir_future_get(waiters->future, NULL, WEIR_FOREVER);
    return NULL;
}

static void *wait_wait(void *arg) {
    struct waiters *waiters = arg;

    event_raise(&waiters->ready);
    waiters->wait = (int)weir_wait(&waiters->future, 1, WEIR_FIRST_ERROR, WEIR_FOREVER);
    return NULL;
}

static void *wait_await(void *arg) {
    struct waiters *waiters = arg;

    event_raise(&waiters->ready);
    waiters->await = weir_pool_await(waiters->pool, WEIR_FOREVER);
    return NULL;
}

static void *wait_idle(void *arg) {
    struct waiters *waiters = arg;

    event_raise(&waiters->ready);
    waiters->idle = weir_pool_await_idle(waiters->pool, WEIR_FOREVER);
    return NULL;
}

static void *wait_group(void *arg) {
    struct waiters *waiters = arg;

    event_raise(&waiters->ready);
    waiters->group_wait = weir_group_wait(&waiters->group, NULL, WEIR_FOREVER);
    return NULL;
}

static void *wait_completion(void *arg) {
    struct waiters *waiters = arg;
    struct weir_future *future = NULL;

    event_raise(&waiters->ready);
    waiters->next = weir_completion_next(waiters->completion, &future, NULL, WEIR_FOREVER);
    if (future) {
        if (waiters->next == 0)
            waiters->next = weir_future_get(future, NULL, WEIR_NOW);
        weir_future_unref(future);
    }
    return NULL;
}

static void failing_start_breaks_the_pool_and_every_waiter_returns(void **state) {
    static void *(*const mains[])(void *) = {wait_get,  wait_wait,  wait_await,
                                             wait_idle, wait_group, wait_completion};
    enum { MAINS = sizeof mains / sizeof *mains };
    struct threads threads;
    struct weir_pool_options options = with_threads(&threads);
    struct waiters waiters = {.get = 1};
    struct weir_task late = WEIR_TASK_INIT(run_nothing);
    pthread_t ids[MAINS];

    options.deferred_start = true;
    atomic_store_explicit(&threads.fail_from, 1, memory_order_relaxed);
    struct weir_pool *pool = waiters.pool = unit_pool(unit_scheduler(state), 2, &options);
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &waiters.future), 0);
    assert_int_equal(weir_group_init(&waiters.group, pool, WEIR_GROUP_ALL, NULL), 0);
    assert_int_equal(weir_group_async(&waiters.group, call_echo, NULL, NULL), 0);
    assert_int_equal(weir_completion_new(&waiters.completion), 0);
    assert_int_equal(weir_completion_async(waiters.completion, pool, call_echo, NULL, NULL), 0);
    for (int i = 0; i < MAINS; i++)
        ids[i] = unit_thread(mains[i], &waiters);
    event_await(&waiters.ready, MAINS);
    assert_int_equal(weir_pool_start(pool), 0);
    for (int i = 0; i < MAINS; i++)
        unit_join(ids[i]);
    assert_int_equal(waiters.get, -EOWNERDEAD);
    assert_int_equal(waiters.wait, 0); /* the index of one that failed */
    assert_int_equal(waiters.await, -EOWNERDEAD);
    assert_int_equal(waiters.idle, 0);
    assert_int_equal(waiters.group_wait, -EOWNERDEAD);
    assert_int_equal(waiters.next, -EOWNERDEAD);
    assert_int_equal(weir_pool_phase(pool), WEIR_POOL_BROKEN);
    assert_int_equal(weir_pool_submit(pool, &late), -EOWNERDEAD);
    assert_int_equal(weir_pool_submit_until(pool, &late, WEIR_FOREVER), -EOWNERDEAD);
    assert_int_equal(weir_pool_resize(pool, 1, 1), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(number_of(&threads.stops[i]), 0); /* not after a failed start */
    weir_future_unref(waiters.future);
    assert_int_equal(weir_group_fini(&waiters.group), 0);
    weir_completion_free(waiters.completion);
    unit_free(pool);
}

/* The task of a new thread that fails to start is lost, and those that run go on to their end. */
static void failing_start_of_a_later_thread_drops_what_it_was_to_run(void **state) {
    for (int growth = WEIR_GROW_WHEN_BUSY; growth <= WEIR_GROW_WHEN_FULL; growth++) {
        struct threads threads;
        struct weir_pool_options options = with_threads(&threads);
        struct weir_future *running = NULL, *queued = NULL, *last = NULL;
        struct plug plug = PLUG;

        options.max_threads = 2;
        options.capacity = 1;
        options.growth = (enum weir_growth)growth;
        struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
        assert_int_equal(weir_pool_async(pool, plug_call, &plug, &running), 0);
        event_await(&plug.begun, 1);
        atomic_store_explicit(&threads.fail_from, 2, memory_order_relaxed);
        assert_int_equal(weir_pool_async(pool, call_echo, NULL, &queued), 0);
        if (growth == WEIR_GROW_WHEN_FULL) {
            assert_int_equal(weir_pool_async(pool, call_echo, NULL, &last), 0);
            assert_int_equal(weir_future_get(last, NULL, WEIR_FOREVER), -EOWNERDEAD);
            weir_future_unref(last);
        }
        assert_int_equal(weir_future_get(queued, NULL, WEIR_FOREVER), -EOWNERDEAD);
        assert_int_equal(weir_pool_await(pool, WEIR_NOW), -EAGAIN); /* one worker runs */
        event_raise(&plug.release);
        assert_int_equal(weir_future_get(running, NULL, WEIR_FOREVER), 0);
        assert_int_equal(weir_pool_await(pool, WEIR_FOREVER), -EOWNERDEAD);
        weir_future_unref(running);
        weir_future_unref(queued);
        unit_free(pool);
    }
}

/* ---- Thread factory ---- */

static void factory_makes_every_thread_of_the_pool(void **state) {
    struct thread_factory factory = {.made = 0};
    struct weir_pool_options options = unit_options();
    struct plug plugs[2] = {PLUG, PLUG};

    options.hooks.arg = &factory;
    options.hooks.thread_create = thread_factory_create;
    options.max_threads = 3;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &options);
    assert_int_equal(number_of(&factory.made), 2);
    struct plug third = PLUG;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_pool_execute(pool, plug_run, &plugs[i]), 0);
        event_await(&plugs[i].begun, 1);
    }
    assert_int_equal(weir_pool_execute(pool, plug_run, &third), 0);
    event_await(&third.begun, 1);
    assert_int_equal(number_of(&factory.made), 3);
    event_raise(&third.release);
    for (int i = 0; i < 2; i++)
        event_raise(&plugs[i].release);
    unit_free(pool);
}

static void pool_whose_factory_fails_is_not_made(void **state) {
    struct thread_factory factory = {.failing = 1};
    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;

    options.hooks.arg = &factory;
    options.hooks.thread_create = thread_factory_create;
    options.scheduler = unit_scheduler(state);
    options.threads = 2;
    assert_int_equal(weir_pool_new(&pool, &options), -EAGAIN);
    assert_null(pool);
}

/* ---- Tasks ---- */

struct seen {
    struct weir_task_info before, after;
    _Atomic unsigned befores, afters;
    pthread_t before_thread, after_thread;
};

static void on_before(void *arg, const struct weir_task_info *info) {
    struct seen *seen = arg;

    seen->before = *info;
    seen->before_thread = pthread_self();
    add_one(&seen->befores);
}

static void on_after(void *arg, const struct weir_task_info *info) {
    struct seen *seen = arg;

    seen->after = *info;
    seen->after_thread = pthread_self();
    add_one(&seen->afters);
}

static struct weir_pool_options with_seen(struct seen *seen) {
    struct weir_pool_options options = unit_options();

    memset(seen, 0, sizeof *seen);
    options.hooks.arg = seen;
    options.hooks.task_before = on_before;
    options.hooks.task_after = on_after;
    return options;
}

#define WORK_NS UINT64_C(3000000)

static int work(struct weir_task *task) {
    uint64_t end_ns = weir_after(WORK_NS);

    (void)task;
    UNTIL(weir_now_ns() >= end_ns);
    return -EDOM;
}

static void before_and_after_are_told_of_the_task_its_worker_and_its_times(void **state) {
    struct seen seen;
    struct weir_pool_options options = with_seen(&seen);
    struct weir_task task = WEIR_TASK_INIT(work);

    options.deferred_start = true;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    uint64_t start_ns = weir_now_ns();
    assert_int_equal(weir_pool_submit(pool, &task), 0);
    uint64_t end_ns = weir_after(WORK_NS);
    UNTIL(weir_now_ns() >= end_ns); /* it stays queued for as long */
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    uint64_t whole_ns = weir_now_ns() - start_ns;
    assert_int_equal(number_of(&seen.befores), 1);
    assert_int_equal(number_of(&seen.afters), 1);
    assert_ptr_equal(seen.before.task, &task);
    assert_ptr_equal(seen.after.task, &task);
    assert_int_equal(seen.before.worker, 0);
    assert_int_equal(seen.before.status, 0);
    assert_int_equal(seen.before.run_ns, 0);
    assert_in_range(seen.before.queued_ns, WORK_NS, whole_ns);
    assert_int_equal(seen.after.worker, 0);
    assert_int_equal(seen.after.status, -EDOM);
    assert_int_equal(seen.after.queued_ns, seen.before.queued_ns);
    assert_in_range(seen.after.run_ns, WORK_NS, whole_ns);
    assert_true(pthread_equal(seen.before_thread, seen.after_thread));
    assert_false(pthread_equal(seen.before_thread, pthread_self()));
    unit_free(pool);
}

static void after_is_told_that_a_task_ended_its_thread(void **state) {
    struct seen seen;
    struct weir_pool_options options = with_seen(&seen);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(pool, call_exit, NULL, &future), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&seen.afters), 1);
    assert_int_equal(seen.after.status, -EOWNERDEAD);
    weir_future_unref(future);
    unit_free(pool);
}

static void task_that_its_submitter_runs_has_no_worker_and_was_never_queued(void **state) {
    struct seen seen;
    struct weir_pool_options options = with_seen(&seen);
    struct weir_task task = WEIR_TASK_INIT(run_nothing);
    struct counted counted;

    options.deferred_start = true;
    options.capacity = 1;
    options.full = WEIR_FULL_CALLER_RUNS;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), 0);
    assert_int_equal(weir_pool_submit(pool, &task), 0);
    assert_int_equal(number_of(&seen.afters), 1);
    assert_ptr_equal(seen.after.task, &task);
    assert_int_equal(seen.after.worker, WEIR_NO_WORKER);
    assert_int_equal(seen.after.queued_ns, 0);
    assert_true(pthread_equal(seen.after_thread, pthread_self()));
    unit_free(pool);
}

static int claim_inner(void *arg, void **value) {
    struct weir_pool *pool = arg;
    struct weir_future *inner = NULL;

    (void)value;
    if (weir_pool_async(pool, call_fail, (void *)(intptr_t)-ERANGE, &inner) != 0)
        return -1;
    int rc = weir_future_get(inner, NULL, WEIR_FOREVER);
    weir_future_unref(inner);
    return rc == -ERANGE ? 0 : -1;
}

static void claimed_call_is_told_like_any_other_and_before_the_outer_one(void **state) {
    struct seen seen;
    struct weir_pool_options options = with_seen(&seen);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_future *outer = NULL;
    struct weir_worker_stats worker = {.size = sizeof worker};

    assert_int_equal(weir_pool_async(pool, claim_inner, pool, &outer), 0);
    assert_int_equal(weir_future_get(outer, NULL, WEIR_FOREVER), 0);
    weir_future_unref(outer);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&seen.befores), 2);
    assert_int_equal(number_of(&seen.afters), 2);
    assert_int_equal(seen.after.status, 0); /* of the outer one, the last to end */
    assert_int_equal(weir_worker_stats(pool, 0, &worker), 0);
    assert_int_equal(worker.task_ns, 0);
    unit_free(pool);
}

static void worker_tells_how_long_it_has_been_in_its_task(void **state) {
    struct seen seen;
    struct weir_pool_options options = with_seen(&seen);
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    struct weir_worker_stats worker = {.size = sizeof worker};
    struct plug plug = PLUG;

    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    uint64_t ns = 0;
    while (ns < WORK_NS) {
        assert_int_equal(weir_worker_stats(pool, 0, &worker), 0);
        assert_true(worker.task_ns >= ns);
        ns = worker.task_ns;
        unit_yield();
    }
    event_raise(&plug.release);
    unit_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(each_thread_starts_and_stops_once_on_itself),
        EACH(thread_that_a_task_ended_is_stopped_and_its_successor_started),
        EACH(failing_start_breaks_the_pool_and_every_waiter_returns),
        EACH(failing_start_of_a_later_thread_drops_what_it_was_to_run),
        EACH(factory_makes_every_thread_of_the_pool),
        EACH(pool_whose_factory_fails_is_not_made),
        EACH(before_and_after_are_told_of_the_task_its_worker_and_its_times),
        EACH(after_is_told_that_a_task_ended_its_thread),
        EACH(task_that_its_submitter_runs_has_no_worker_and_was_never_queued),
        EACH(claimed_call_is_told_like_any_other_and_before_the_outer_one),
        EACH(worker_tells_how_long_it_has_been_in_its_task),
    };
    return cmocka_run_group_tests_name("hooks", tests, NULL, NULL);
}
