/* Options: their ranges, their defaults, and what the pool says of them later. */
#include <weir/pool.h>

#include "test/unit.h"

static enum weir_full_policy answer(void *arg, struct weir_pool *pool, struct weir_task *task) {
    (void)arg;
    (void)pool;
    (void)task;
    return WEIR_FULL_REJECT;
}

static void expect_refused(void **state, const struct weir_pool_options *options) {
    struct weir_pool_options with_scheduler = *options;
    struct weir_pool *pool = NULL;

    with_scheduler.scheduler = unit_scheduler(state);
    assert_int_equal(weir_pool_new(&pool, &with_scheduler), -EINVAL);
    assert_null(pool);
}

/* Each with one option out of range, and all else as it is by default. */
#define REFUSED(state, member, value)                                                              \
    do {                                                                                           \
        struct weir_pool_options options = unit_options();                                         \
        options.threads = 2;                                                                       \
        options.member = value;                                                                    \
        expect_refused(state, &options);                                                           \
    } while (0)

static void each_option_out_of_range_is_refused(void **state) {
    REFUSED(state, size, 0);
    REFUSED(state, size, sizeof(struct weir_pool_options) - 1);
    REFUSED(state, threads, WEIR_MAX_THREADS + 1);
    REFUSED(state, max_threads, WEIR_MAX_THREADS + 1);
    REFUSED(state, max_threads, 1);
    REFUSED(state, max_spares, WEIR_MAX_THREADS + 1);
    REFUSED(state, threads, WEIR_NO_CORE); /* and no other threads either */
    REFUSED(state, growth, (enum weir_growth)2);
    REFUSED(state, full, (enum weir_full_policy)6);
    REFUSED(state, full, WEIR_FULL_HANDLER); /* and no handler */
    REFUSED(state, bands, WEIR_MAX_BANDS + 1);
    REFUSED(state, wait, (enum weir_wait_policy)4);
    REFUSED(state, fork, (enum weir_fork_mode)2);
    REFUSED(state, numa_node, -2);
    REFUSED(state, cpus_count, 1);

    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;
    options.scheduler = (enum weir_scheduler)3;
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
}

static void options_at_the_edge_of_their_range_are_taken(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;

    options.scheduler = unit_scheduler(state);
    options.threads = options.max_threads = options.max_spares = WEIR_MAX_THREADS;
    options.deferred_start = true;
    options.growth = WEIR_GROW_WHEN_FULL;
    options.full = WEIR_FULL_HANDLER;
    options.hooks.full = answer;
    options.bands = WEIR_MAX_BANDS;
    options.wait = WEIR_WAIT_SPARE;
    options.fork = WEIR_FORK_RESPAWN;
    options.keep_alive_ns = UINT64_MAX;
    options.idle_spin_ns = UINT64_MAX;
    options.capacity = 1;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    assert_int_equal(weir_pool_size(pool), WEIR_MAX_THREADS);
    unit_free(pool);
}

static void ring_larger_than_any_memory_is_refused(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;

    options.scheduler = unit_scheduler(state);
    options.threads = 1;
    options.capacity = SIZE_MAX / 2;
    int rc = weir_pool_new(&pool, &options);
    assert_int_equal(rc, unit_scheduler(state) == WEIR_RING ? -ENOMEM : 0);
    if (rc == 0)
        unit_free(pool);
}

static void pool_tells_its_options_with_defaults_filled_in(void **state) {
    struct weir_pool_options options, given = unit_options();

    given.name = NULL;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 0, &given);
    assert_int_equal(weir_pool_get_options(NULL, &options), -EINVAL);
    assert_int_equal(weir_pool_get_options(pool, NULL), -EINVAL);
    assert_int_equal(weir_pool_get_options(pool, &options), 0);
    assert_int_equal(options.size, sizeof options);
    assert_string_equal(options.name, "weir");
    assert_int_equal(options.scheduler, unit_scheduler(state));
    assert_int_equal(options.threads, weir_default_threads());
    assert_int_equal(options.max_threads, weir_default_threads());
    assert_int_equal(options.bands, 1);
    assert_int_equal(options.keep_alive_ns, 60000000000);
    assert_int_equal(options.capacity, unit_scheduler(state) == WEIR_RING ? 4096 : 0);
    assert_int_equal(options.numa_node, -1);
    /* What it tells makes another pool of the same kind. */
    struct weir_pool *twin = NULL;
    assert_int_equal(weir_pool_new(&twin, &options), 0);
    unit_free(twin);
    unit_free(pool);
}

static void pool_tells_its_options_as_they_are_now(void **state) {
    struct weir_pool_options options, given = unit_options();
    char name[] = "a name that is too long";

    given.name = name;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, &given);
    name[0] = 'X'; /* it was copied */
    assert_int_equal(weir_pool_resize(pool, 1, 5), 0);
    assert_int_equal(weir_pool_set_keep_alive(pool, 77, true), 0);
    assert_int_equal(weir_pool_get_options(pool, &options), 0);
    assert_int_equal(options.threads, 1);
    assert_int_equal(options.max_threads, 5);
    assert_int_equal(options.keep_alive_ns, 77);
    assert_true(options.core_timeout);
    assert_string_equal(options.name, "a name that is ");
    assert_int_equal(weir_pool_resize(pool, WEIR_NO_CORE, 1), 0);
    assert_int_equal(weir_pool_get_options(pool, &options), 0);
    assert_int_equal(options.threads, WEIR_NO_CORE);
    assert_int_equal(weir_pool_resize(pool, 0, 0), 0);
    assert_int_equal(weir_pool_get_options(pool, &options), 0);
    assert_int_equal(options.threads, weir_default_threads());
    assert_int_equal(options.max_threads, weir_default_threads());
    unit_free(pool);
}

static int call_stack(void *arg, void **value) {
    pthread_attr_t attributes;
    void *low;

    (void)value;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return -1;
    int rc = pthread_attr_getstack(&attributes, &low, arg);
    pthread_attr_destroy(&attributes);
    return rc;
}

static void threads_have_the_stack_that_was_asked_for(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_future *future = NULL;
    size_t bytes = 0;

    options.stack_bytes = 12 << 20; /* more than a stack that is kept for reuse has */
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    assert_int_equal(weir_pool_async(pool, call_stack, &bytes, &future), 0);
    assert_int_equal(weir_future_get(future, NULL, WEIR_FOREVER), 0);
    assert_in_range(bytes, (12 << 20) - (128 << 10), (12 << 20) + (128 << 10)); /* and guards */
    weir_future_unref(future);
    unit_free(pool);
}

static void stack_that_the_system_refuses_makes_no_pool(void **state) {
    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;

    options.scheduler = unit_scheduler(state);
    options.threads = 1;
    options.stack_bytes = 1; /* less than any thread can have */
    assert_int_equal(weir_pool_new(&pool, &options), -EAGAIN);
    assert_null(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(each_option_out_of_range_is_refused),
        EACH(options_at_the_edge_of_their_range_are_taken),
        EACH(ring_larger_than_any_memory_is_refused),
        EACH(pool_tells_its_options_with_defaults_filled_in),
        EACH(pool_tells_its_options_as_they_are_now),
        EACH(threads_have_the_stack_that_was_asked_for),
        EACH(stack_that_the_system_refuses_makes_no_pool),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
