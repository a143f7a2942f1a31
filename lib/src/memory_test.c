/* A pool's memory comes from the user's allocator, and all of it goes back there. */
#include "memory.h"

#include <weir/group.h>
#include <weir/pool.h>

#include <sched.h>

#include "test/fault.h"
#include "test/unit.h"

#define ARENA_BYTES (8u << 20)
#define BLOCKS_MOST 4096u
#define FREED       0xDD

struct block {
    void *at;
    size_t bytes;
};

/* Never hands out the same memory twice, and spoils what was given back. */
struct arena {
    pthread_mutex_t mutex;
    size_t used, blocks;
    long live, live_bytes;
    unsigned fail_in; /* the n-th allocation from now on fails; 0: none */
    unsigned wrong;   /* frees of unknown blocks or with another size, odd requests */
    unsigned served;
    struct block list[BLOCKS_MOST];
    _Alignas(64) char bytes[ARENA_BYTES];
};

static void *arena_alloc(void *arg, size_t bytes, size_t align) {
    struct arena *arena = arg;
    void *at = NULL;

    pthread_mutex_lock(&arena->mutex);
    if (bytes == 0 || align == 0 || (align & (align - 1)) != 0 || align > 64)
        arena->wrong++;
    arena->served++;
    bool fails = arena->fail_in > 0 && --arena->fail_in == 0;
    size_t begin = (arena->used + align - 1) & ~(align - 1);
    if (!fails && begin + bytes <= ARENA_BYTES && arena->blocks < BLOCKS_MOST) {
        /* No more aligned than was asked for. */
        at = &arena->bytes[begin];
        memset(at, 0xA5, bytes);
        arena->used = begin + bytes;
        arena->list[arena->blocks++] = (struct block){at, bytes};
        arena->live++;
        arena->live_bytes += (long)bytes;
    }
    pthread_mutex_unlock(&arena->mutex);
    return at;
}

static void arena_free(void *arg, void *at, size_t bytes) {
    struct arena *arena = arg;
    bool known = false;

    pthread_mutex_lock(&arena->mutex);
    for (size_t i = 0; i < arena->blocks && !known; i++) {
        if (arena->list[i].at != at)
            continue;
        known = arena->list[i].bytes == bytes;
        arena->list[i].at = NULL;
    }
    if (known) {
        memset(at, FREED, bytes);
        arena->live--;
        arena->live_bytes -= (long)bytes;
    } else {
        arena->wrong++;
    }
    pthread_mutex_unlock(&arena->mutex);
}

static struct arena *arena_new(void) {
    struct arena *arena = aligned_alloc(64, (sizeof *arena + 63) / 64 * 64);

    assert_non_null(arena);
    memset(arena, 0, offsetof(struct arena, bytes));
    pthread_mutex_init(&arena->mutex, NULL);
    return arena;
}

static void expect_empty(struct arena *arena) {
    assert_int_equal(arena->live, 0);
    assert_int_equal(arena->live_bytes, 0);
    assert_int_equal(arena->wrong, 0);
}

static void arena_end(struct arena *arena) {
    expect_empty(arena);
    pthread_mutex_destroy(&arena->mutex);
    free(arena);
}

static struct weir_pool_options in_arena(struct arena *arena, void **state) {
    struct weir_pool_options options = unit_options();

    options.scheduler = unit_scheduler(state);
    options.allocator = (struct weir_allocator){arena, arena_alloc, arena_free};
    return options;
}

/* ---- All of it comes back ---- */

static void nothing(void *arg) {
    (void)arg;
}

static int continue_it(void *arg, int error, void *value, void **result) {
    (void)arg;
    *result = value;
    return error;
}

/* Everything that allocates, with tasks that run, are dropped and are taken back. */
static void live_a_life(struct weir_pool *pool) {
    struct weir_future *futures[20], *next[20];
    struct weir_group group;
    struct weir_taken taken[4];
    struct plug plug = PLUG;

    assert_int_equal(weir_pool_execute(pool, plug_run, &plug), 0);
    event_await(&plug.begun, 1);
    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, NULL), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(weir_pool_execute(pool, nothing, NULL), 0);
        assert_int_equal(weir_pool_async(pool, call_echo, NULL, &futures[i]), 0);
        assert_int_equal(weir_group_async(&group, call_echo, NULL, NULL), 0);
    }
    weir_future_cancel(futures[7]); /* unless it has begun */
    assert_true(weir_pool_take_back(pool, taken, 4) >= 0);
    event_raise(&plug.release);
    for (int i = 0; i < 20; i++)
        assert_int_equal(
            weir_future_then(futures[i], pool, continue_it, NULL, WEIR_THEN_ALWAYS, &next[i]), 0);
    for (int i = 0; i < 20; i++) {
        weir_future_get(next[i], NULL, WEIR_FOREVER);
        weir_future_unref(next[i]);
        weir_future_unref(futures[i]);
    }
    weir_group_wait(&group, NULL, WEIR_FOREVER);
    assert_int_equal(weir_group_fini(&group), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0); /* the plug lies on this stack */
}

static void every_byte_is_given_back_with_its_size_and_nothing_comes_from_elsewhere(void **state) {
    for (uint32_t bands = 1; bands <= 3; bands += 2) {
        struct arena *arena = arena_new();
        struct weir_pool_options options = in_arena(arena, state);
        struct weir_pool *pool = NULL;

        options.threads = 3;
        options.max_threads = 9;
        options.bands = bands;
        options.capacity = 1000;
        long blocks = fault_blocks();
        assert_int_equal(weir_pool_new(&pool, &options), 0);
        live_a_life(pool);
        assert_int_equal(fault_blocks(), blocks);
        assert_true(arena->served > 60);
        unit_free(pool);
        arena_end(arena);
    }
}

static void future_that_outlives_its_pool_goes_back_where_it_came_from(void **state) {
    struct arena *arena = arena_new();
    struct weir_pool_options options = in_arena(arena, state);
    struct weir_pool *pool = NULL;
    struct weir_future *future = NULL;
    int mark;
    void *value = NULL;

    options.threads = 1;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    assert_int_equal(weir_pool_async(pool, call_echo, &mark, &future), 0);
    unit_free(pool);
    assert_int_equal(arena->live, 1);
    assert_int_equal(weir_future_get(future, &value, WEIR_FOREVER), 0);
    assert_ptr_equal(value, &mark);
    weir_future_unref(future);
    arena_end(arena);
}

static void queued_executions_that_are_dropped_are_given_back(void **state) {
    struct arena *arena = arena_new();
    struct weir_pool_options options = in_arena(arena, state);
    struct weir_pool *pool = NULL;

    options.threads = 1;
    options.deferred_start = true;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(weir_pool_execute(pool, nothing, NULL), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    unit_free(pool);
    arena_end(arena);
}

/* ---- Allocations that fail ---- */

static void failing_allocation_makes_no_pool_and_leaves_nothing(void **state) {
    struct arena *arena = arena_new();
    struct weir_pool_options options = in_arena(arena, state);
    int cpus[4] = {0};
    struct weir_pool *pool = NULL;
    unsigned n = 1;

    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    while (!CPU_ISSET((size_t)cpus[0], &set))
        cpus[0]++;
    options.cpus = cpus;
    options.cpus_count = 1;
    options.threads = 5;
    options.bands = 3;
    for (;; n++) {
        arena->fail_in = n;
        int rc = weir_pool_new(&pool, &options);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_null(pool);
        expect_empty(arena);
    }
    assert_true(n > 3);
    arena->fail_in = 0;
    unit_free(pool);
    arena_end(arena);
}

static void calls_without_memory_say_enomem_and_leave_nothing(void **state) {
    struct arena *arena = arena_new();
    struct weir_pool_options options = in_arena(arena, state);
    struct weir_future *future = NULL;
    struct weir_group group;
    struct weir_pool *pool = NULL;

    options.threads = 1;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    assert_int_equal(weir_group_init(&group, pool, WEIR_GROUP_ALL, NULL), 0);
    long live = arena->live;
    arena->fail_in = 1;
    assert_int_equal(weir_pool_execute(pool, nothing, NULL), -ENOMEM);
    arena->fail_in = 1;
    assert_int_equal(weir_pool_async(pool, call_echo, NULL, &future), -ENOMEM);
    arena->fail_in = 1;
    assert_int_equal(weir_group_async(&group, call_echo, NULL, &future), -ENOMEM);
    assert_null(future);
    assert_int_equal(arena->live, live);
    assert_int_equal(weir_group_fini(&group), 0);
    unit_free(pool);
    arena_end(arena);
}

static void place_for_which_there_is_no_memory_is_tried_again(void **state) {
    struct arena *arena = arena_new();
    struct weir_pool_options options = in_arena(arena, state);
    struct weir_pool *pool = NULL;
    struct counted counted;

    options.threads = 2;
    options.on_demand = true;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    arena->fail_in = 1;
    assert_int_equal(weir_pool_submit(pool, counted_init(&counted)), -EAGAIN);
    assert_int_equal(unit_stats(pool).lost, 1);
    assert_int_equal(weir_pool_submit(pool, &counted.task), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&counted.runs), 1);
    unit_free(pool);
    arena_end(arena);
}

static void allocator_of_one_function_is_refused(void **state) {
    struct arena *arena = arena_new();
    struct weir_pool_options options = in_arena(arena, state);
    struct weir_pool *pool = NULL;

    options.allocator.free = NULL;
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
    options.allocator = (struct weir_allocator){arena, NULL, arena_free};
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
    assert_null(pool);
    arena_end(arena);
}

static void without_an_allocator_the_c_library_gives_and_gets_back(void **state) {
    long blocks = fault_blocks();
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 2, NULL);

    assert_true(fault_blocks() > blocks);
    live_a_life(pool);
    unit_free(pool);
    assert_int_equal(fault_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(every_byte_is_given_back_with_its_size_and_nothing_comes_from_elsewhere),
        EACH(future_that_outlives_its_pool_goes_back_where_it_came_from),
        EACH(queued_executions_that_are_dropped_are_given_back),
        EACH(failing_allocation_makes_no_pool_and_leaves_nothing),
        EACH(calls_without_memory_say_enomem_and_leave_nothing),
        EACH(place_for_which_there_is_no_memory_is_tried_again),
        EACH(allocator_of_one_function_is_refused),
        EACH(without_an_allocator_the_c_library_gives_and_gets_back),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
