#include "test/unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"
#include "test/fault.h"

/* What runs in a child of fork; it reports by its exit status, since cmocka's asserts may not. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);          \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Forks, runs body(arg) in the child, and fails the test unless it came to its end. */
static void in_child(void (*body)(void *arg), void *arg) {
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        unit_begin_child();
        body(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A pool with one worker inside a task, a plain task, an execution and a future queued. */
struct scene {
    struct weir_pool *pool;
    struct plug plug;
    struct counted counted;
    struct weir_future running, queued;
    struct plug never;
    _Atomic unsigned callbacks;
    struct weir_callback callback;
};

static void nothing(void *arg) {
    (void)arg;
}

static void count_callback(struct weir_future *future, void *arg) {
    (void)future;
    add_one(arg);
}

static void set_scene(struct scene *scene, void **state, enum weir_fork_mode mode,
                      const struct weir_pool_options *rest) {
    struct weir_pool_options options;

    unit_needs_whole_fork();
    *scene = (struct scene){.plug = PLUG, .never = PLUG};
    weir_pool_options_init(&options);
    if (rest)
        options = *rest;
    options.fork = mode;
    scene->pool = unit_pool(unit_scheduler(state), 1, &options);
    weir_future_init(&scene->running);
    weir_future_init(&scene->queued);
    assert_int_equal(weir_pool_submit(scene->pool, weir_future_task(&scene->running, plug_call,
                                                                    &scene->plug, 0)),
                     0);
    event_await(&scene->plug.begun, 1);
    assert_int_equal(weir_pool_submit(scene->pool, counted_init(&scene->counted)), 0);
    assert_int_equal(weir_pool_execute(scene->pool, nothing, NULL), 0);
    assert_int_equal(weir_pool_submit(scene->pool, weir_future_task(&scene->queued, plug_call,
                                                                    &scene->never, 0)),
                     0);
    scene->callback = (struct weir_callback){.fn = count_callback, .arg = &scene->callbacks};
    assert_int_equal(weir_future_on_done(&scene->queued, &scene->callback), 0);
    event_raise(&scene->never.release);
}

/* The parent's side is as if nothing had happened. */
static void end_scene(struct scene *scene) {
    event_raise(&scene->plug.release);
    assert_int_equal(weir_future_get(&scene->running, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_future_get(&scene->queued, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_await_idle(scene->pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&scene->counted.runs), 1);
    assert_int_equal(number_of(&scene->counted.drops), 0);
    assert_int_equal(weir_future_fini(&scene->running), 0);
    assert_int_equal(weir_future_fini(&scene->queued), 0);
    assert_int_equal(weir_pool_free(scene->pool), 0);
}

/* ---- WEIR_FORK_ERROR ---- */

static void expect_refusals(struct weir_pool *pool) {
    struct weir_task task = WEIR_TASK_INIT(NULL), *list[1] = {&task};
    struct weir_future *future;
    struct weir_taken taken;
    struct counted counted;

    list[0] = counted_init(&counted);
    EXPECT(weir_pool_submit(pool, list[0]) == -EOWNERDEAD);
    EXPECT(weir_pool_submit_until(pool, list[0], WEIR_NOW) == -EOWNERDEAD);
    EXPECT(weir_pool_submit_batch(pool, list, 1) == -EOWNERDEAD);
    EXPECT(weir_pool_execute(pool, nothing, NULL) == -EOWNERDEAD);
    EXPECT(weir_pool_async(pool, call_echo, NULL, &future) == -EOWNERDEAD);
    EXPECT(weir_pool_start(pool) == -EOWNERDEAD);
    EXPECT(weir_pool_prestart(pool) == -EOWNERDEAD);
    EXPECT(weir_pool_resize(pool, 2, 2) == -EOWNERDEAD);
    EXPECT(weir_pool_set_keep_alive(pool, 0, true) == -EOWNERDEAD);
    EXPECT(weir_pool_pause(pool) == -EOWNERDEAD);
    EXPECT(weir_pool_resume(pool) == -EOWNERDEAD);
    EXPECT(weir_pool_remove(pool, list[0]) == -EOWNERDEAD);
    EXPECT(weir_pool_take_back(pool, &taken, 1) == -EOWNERDEAD);
    EXPECT(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING) == -EOWNERDEAD);
    EXPECT(weir_pool_await_idle(pool, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_pool_await(pool, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_pool_phase(pool) == WEIR_POOL_BROKEN);
    EXPECT(number_of(&counted.runs) + number_of(&counted.drops) == 0);
}

static void child_is_refused(void *arg) {
    struct scene *scene = arg;

    expect_refusals(scene->pool);
    EXPECT(weir_pool_free(scene->pool) == 0);
    EXPECT(number_of(&scene->counted.runs) == 0);
    EXPECT(number_of(&scene->callbacks) == 1); /* the queued future has had its end */
    EXPECT(weir_future_get(&scene->queued, NULL, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_future_state(&scene->queued) == WEIR_FUTURE_FAILED);
}

static void child_that_uses_an_inherited_pool_gets_eownerdead_and_may_free_it(void **state) {
    struct scene scene;

    set_scene(&scene, state, WEIR_FORK_ERROR, NULL);
    in_child(child_is_refused, &scene);
    end_scene(&scene);
}

static void child_waits_in_vain_for_nothing(void *arg) {
    struct scene *scene = arg;
    struct weir_future *both[] = {&scene->running, &scene->queued};
    struct weir_callback callback = {.fn = count_callback, .arg = &scene->callbacks};

    for (int i = 0; i < 2; i++) {
        EXPECT(weir_future_get(both[i], NULL, WEIR_FOREVER) == -EOWNERDEAD);
        EXPECT(weir_future_cancel(both[i]) == -EOWNERDEAD);
        EXPECT(weir_future_on_done(both[i], &callback) == -EOWNERDEAD);
    }
    EXPECT(weir_wait(both, 2, WEIR_ALL, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_wait(both, 2, WEIR_ANY, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_future_fini(&scene->running) == 0);
}

static void child_that_waits_for_a_future_of_the_parent_is_told(void **state) {
    struct scene scene;

    set_scene(&scene, state, WEIR_FORK_ERROR, NULL);
    in_child(child_waits_in_vain_for_nothing, &scene);
    end_scene(&scene);
}

struct gathering {
    struct weir_group group;
    struct weir_completion *completion;
    struct weir_future *future;
};

static void child_gathers_nothing(void *arg) {
    struct gathering *gathering = arg;
    struct weir_pool_options options = unit_options();
    struct weir_pool *own = NULL;

    EXPECT(weir_group_wait(&gathering->group, NULL, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_group_async(&gathering->group, call_echo, NULL, NULL) == -EOWNERDEAD);
    EXPECT(weir_group_cancel(&gathering->group) == -EOWNERDEAD);
    EXPECT(weir_group_fini(&gathering->group) == 0);
    EXPECT(weir_completion_next(gathering->completion, NULL, NULL, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_completion_add(gathering->completion, gathering->future, NULL) == -EOWNERDEAD);
    options.deferred_start = true; /* no threads */
    EXPECT(weir_pool_new(&own, &options) == 0);
    EXPECT(weir_completion_async(gathering->completion, own, call_echo, NULL, NULL) == -EOWNERDEAD);
    EXPECT(weir_pool_free(own) == 0);
    EXPECT(weir_completion_fd(gathering->completion) == -EOWNERDEAD);
    EXPECT(weir_completion_pending(gathering->completion) == 0);
    weir_completion_free(gathering->completion);
}

static void child_that_waits_for_a_group_or_completion_of_the_parent_is_told(void **state) {
    struct gathering gathering;
    struct plug plug = PLUG;

    unit_needs_whole_fork();
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, NULL);
    assert_int_equal(weir_group_init(&gathering.group, pool, WEIR_GROUP_ALL, NULL), 0);
    assert_int_equal(weir_completion_new(&gathering.completion), 0);
    assert_int_equal(weir_group_async(&gathering.group, plug_call, &plug, &gathering.future), 0);
    assert_int_equal(weir_completion_add(gathering.completion, gathering.future, NULL), 0);
    event_await(&plug.begun, 1);
    in_child(child_gathers_nothing, &gathering);
    event_raise(&plug.release);
    assert_int_equal(weir_group_wait(&gathering.group, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_completion_next(gathering.completion, NULL, NULL, WEIR_FOREVER), 0);
    assert_int_equal(weir_group_fini(&gathering.group), 0);
    weir_completion_free(gathering.completion);
    weir_future_unref(gathering.future);
    assert_int_equal(weir_pool_free(pool), 0);
}

/* ---- WEIR_FORK_RESPAWN ---- */

static int echo_twice(void *arg, void **value) {
    struct weir_future *inner;
    struct weir_pool *pool = arg;

    if (weir_pool_async(pool, call_echo, arg, &inner) != 0)
        return -EINVAL;
    int rc = weir_future_get(inner, value, WEIR_FOREVER);
    weir_future_unref(inner);
    return rc;
}

static void child_works(void *arg) {
    struct scene *scene = arg;
    struct counted counted;

    EXPECT(weir_pool_submit(scene->pool, counted_init(&counted)) == 0);
    /* What was queued is dropped here, and what ran runs in the parent. */
    EXPECT(number_of(&scene->counted.drops) == 0); /* its error is not -ECANCELED */
    EXPECT(number_of(&scene->counted.runs) == 0);
    EXPECT(number_of(&scene->callbacks) == 1);
    EXPECT(weir_future_get(&scene->queued, NULL, WEIR_NOW) == -EOWNERDEAD);
    EXPECT(weir_future_get(&scene->running, NULL, WEIR_FOREVER) == -EOWNERDEAD);
    EXPECT(weir_pool_await_idle(scene->pool, WEIR_FOREVER) == 0);
    EXPECT(number_of(&counted.runs) == 1);
    struct weir_pool_stats stats = {.size = sizeof stats};
    EXPECT(weir_pool_stats(scene->pool, &stats) == 0);
    EXPECT(stats.submitted == 1 && stats.completed == 1 && stats.queued == 0);
    EXPECT(stats.workers == 1);

    for (int i = 0; i < 100; i++) {
        struct weir_future *future;
        void *value = NULL;
        EXPECT(weir_pool_async(scene->pool, echo_twice, scene->pool, &future) == 0);
        EXPECT(weir_future_get(future, &value, WEIR_FOREVER) == 0);
        EXPECT(value == scene->pool);
        weir_future_unref(future);
    }
    EXPECT(weir_pool_free(scene->pool) == 0);
}

static void respawned_pool_works_in_the_child_and_in_its_child(void *arg) {
    struct scene *scene = arg;
    pid_t grandchild;
    int status = 0;

    EXPECT(weir_pool_await_idle(scene->pool, WEIR_FOREVER) == 0); /* adopts */
    grandchild = fork();
    EXPECT(grandchild >= 0);
    if (grandchild == 0) {
        unit_begin_child();
        EXPECT(weir_pool_execute(scene->pool, nothing, NULL) == 0);
        EXPECT(weir_pool_free(scene->pool) == 0);
        _exit(0);
    }
    EXPECT(waitpid(grandchild, &status, 0) == grandchild);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(weir_pool_execute(scene->pool, nothing, NULL) == 0);
    EXPECT(weir_pool_free(scene->pool) == 0);
}

static void respawned_pool_is_empty_and_works(void **state) {
    struct scene scene;

    unit_needs_threads_in_child();
    set_scene(&scene, state, WEIR_FORK_RESPAWN, NULL);
    in_child(child_works, &scene);
    in_child(respawned_pool_works_in_the_child_and_in_its_child, &scene);
    end_scene(&scene);
}

static void child_finds_it_shut_down(void *arg) {
    struct scene *scene = arg;
    struct counted counted;

    EXPECT(weir_pool_submit(scene->pool, counted_init(&counted)) == -ESHUTDOWN);
    EXPECT(weir_pool_await(scene->pool, WEIR_FOREVER) == 0);
    EXPECT(weir_pool_phase(scene->pool) == WEIR_POOL_ENDED);
    EXPECT(weir_pool_free(scene->pool) == 0);
}

static void pool_that_was_shut_down_before_the_fork_is_not_opened_again(void **state) {
    struct scene scene;

    set_scene(&scene, state, WEIR_FORK_RESPAWN, NULL);
    assert_int_equal(weir_pool_shutdown(scene.pool, WEIR_DRAIN), 0);
    in_child(child_finds_it_shut_down, &scene);
    event_raise(&scene.plug.release);
    assert_int_equal(weir_pool_await(scene.pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_free(scene.pool), 0);
}

static void adopts_with_faults(void *arg) {
    struct scene *scene = arg;
    unsigned n = 1;
    int rc;

    for (; fault_fail_nth(n), (rc = weir_pool_prestart(scene->pool)) < 0; n++)
        EXPECT(rc == -EAGAIN || rc == -ENOMEM);
    fault_reset();
    EXPECT(n > 1);
    EXPECT(weir_pool_execute(scene->pool, nothing, NULL) == 0);
    EXPECT(weir_pool_free(scene->pool) == 0);
}

static void adoption_without_threads_says_so_and_may_be_tried_again(void **state) {
    struct scene scene;

    unit_needs_threads_in_child();
    set_scene(&scene, state, WEIR_FORK_RESPAWN, NULL);
    in_child(adopts_with_faults, &scene);
    end_scene(&scene);
}

/* ---- Forks at any moment ---- */

struct storm {
    struct weir_pool *pool;
    _Atomic bool stop;
    _Atomic unsigned ran;
};

static void count_run(void *arg) {
    struct storm *storm = arg;

    add_one(&storm->ran);
}

static void *submit_without_end(void *arg) {
    struct storm *storm = arg;

    while (!atomic_load_explicit(&storm->stop, memory_order_relaxed)) {
        struct weir_future *future;
        weir_pool_execute(storm->pool, count_run, storm);
        if (weir_pool_async(storm->pool, call_echo, storm, &future) == 0) {
            weir_future_cancel(future);
            weir_future_unref(future);
        }
    }
    return NULL;
}

static void child_of_the_storm(void *arg) {
    struct storm *storm = arg;

    EXPECT(weir_pool_await_idle(storm->pool, WEIR_FOREVER) == 0);
    unsigned ran = number_of(&storm->ran);
    for (int i = 0; i < 10; i++)
        EXPECT(weir_pool_execute(storm->pool, count_run, storm) == 0);
    EXPECT(weir_pool_await_idle(storm->pool, WEIR_FOREVER) == 0);
    EXPECT(number_of(&storm->ran) == ran + 10);
    EXPECT(weir_pool_free(storm->pool) == 0);
}

static void forks_among_submissions_leave_every_child_a_whole_pool(void **state) {
    struct weir_pool_options options;
    pthread_t threads[2];

    unit_needs_threads_in_child();
    weir_pool_options_init(&options);
    options.fork = WEIR_FORK_RESPAWN;
    options.capacity = 64;
    options.full = WEIR_FULL_DISCARD;
    struct storm storm = {.pool = unit_pool(unit_scheduler(state), 2, &options)};
    for (int i = 0; i < 2; i++)
        threads[i] = unit_thread(submit_without_end, &storm);
    for (int i = 0; i < 60; i++)
        in_child(child_of_the_storm, &storm);
    atomic_store_explicit(&storm.stop, true, memory_order_relaxed);
    for (int i = 0; i < 2; i++)
        unit_join(threads[i]);
    assert_int_equal(weir_pool_free(storm.pool), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(child_that_uses_an_inherited_pool_gets_eownerdead_and_may_free_it),
        EACH(child_that_waits_for_a_future_of_the_parent_is_told),
        EACH(child_that_waits_for_a_group_or_completion_of_the_parent_is_told),
        EACH(respawned_pool_is_empty_and_works),
        EACH(pool_that_was_shut_down_before_the_fork_is_not_opened_again),
        EACH(adoption_without_threads_says_so_and_may_be_tried_again),
        EACH(forks_among_submissions_leave_every_child_a_whole_pool),
    };
    return cmocka_run_group_tests_name("orphan", tests, NULL, NULL);
}
