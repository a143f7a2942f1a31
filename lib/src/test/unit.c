#include "unit.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include "platform/futex.h"
#include "platform/point.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#define HANG_S       120u
#define CHILD_HANG_S 30u
#define SOON_NS      UINT64_C(30000000)

#ifdef WEIR_STRESS
/* Sanitizer flavours: now and then gives up the CPU, or sleeps, at a synchronisation point. */
static void perturb(const char *point) {
    static _Thread_local uint64_t random;

    (void)point;
    if (random == 0)
        random = (uint64_t)(uintptr_t)&random * UINT64_C(0x9E3779B97F4A7C15) | 1;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    if (random % 64 == 0)
        usleep((useconds_t)(random >> 32) % 64);
    else if (random % 8 == 0)
        sched_yield();
}
#endif

void event_raise(struct event *event) {
    atomic_fetch_add_explicit(&event->count, 1, memory_order_release);
    weir__futex_wake_all(&event->count);
}

void event_await(struct event *event, uint32_t n) {
    uint32_t count;

    while ((count = atomic_load_explicit(&event->count, memory_order_acquire)) < n)
        weir__futex_wait(&event->count, count, WEIR_FOREVER);
}

void unit_yield(void) {
    sched_yield();
}

pthread_t unit_thread(void *(*main)(void *), void *arg) {
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, main, arg), 0);
    return thread;
}

void unit_join(pthread_t thread) {
    assert_int_equal(pthread_join(thread, NULL), 0);
}

struct weir_pool *unit_pool(enum weir_scheduler scheduler, unsigned threads,
                            const struct weir_pool_options *rest) {
    struct weir_pool_options options;
    struct weir_pool *pool = NULL;

    weir_pool_options_init(&options);
    if (rest) {
        options = *rest;
        options.size = sizeof options;
    }
    options.scheduler = scheduler;
    options.threads = threads;
    assert_int_equal(weir_pool_new(&pool, &options), 0);
    return pool;
}

struct weir_pool_stats unit_stats(struct weir_pool *pool) {
    struct weir_pool_stats stats = {.size = sizeof stats};

    assert_int_equal(weir_pool_stats(pool, &stats), 0);
    return stats;
}

struct weir_pool_options unit_options(void) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    return options;
}

void unit_free(struct weir_pool *pool) {
    assert_int_equal(weir_pool_free(pool), 0);
}

unsigned unit_threads(void) {
    DIR *folder = opendir("/proc/self/task");
    unsigned threads = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        threads += entry->d_name[0] != '.';
    closedir(folder);
    return threads;
}

static unsigned other_threads; /* 0: not known yet */

static void *end_at_once(void *arg) {
    return arg;
}

/* Before the first pool. ThreadSanitizer starts a thread of its own beside the first other one, and
 * a thread that was joined is counted for a few moments more. */
static void count_other_threads(void) {
    if (other_threads > 0)
        return;
    unit_join(unit_thread(end_at_once, NULL));
    other_threads = unit_threads();
    for (int i = 0; i < 300; i++) {
        unit_yield();
        unsigned threads = unit_threads();
        other_threads = threads < other_threads ? threads : other_threads;
    }
}

unsigned unit_other_threads(void) {
    UNTIL(unit_threads() == other_threads);
    return other_threads;
}

int thread_factory_create(void *arg, pthread_t *thread, void *(*main)(void *), void *main_arg) {
    struct thread_factory *factory = arg;

    add_one(&factory->tries);
    if (number_of(&factory->failing) > 0)
        return EAGAIN;
    add_one(&factory->made);
    return pthread_create(thread, NULL, main, main_arg);
}

int plug_call(void *arg, void **value) {
    struct plug *plug = arg;

    *value = NULL;
    event_raise(&plug->begun);
    event_await(&plug->release, 1);
    return 0;
}

void plug_run(void *arg) {
    void *value;

    plug_call(arg, &value);
}

static int run_counted(struct weir_task *task) {
    add_one(&((struct counted *)(void *)task)->runs);
    return 0;
}

static void drop_counted(struct weir_task *task, int error) {
    struct counted *counted = (struct counted *)(void *)task;

    if (error == -ECANCELED)
        add_one(&counted->drops);
}

struct weir_task *counted_init(struct counted *counted) {
    *counted = (struct counted){.task = {.run = run_counted, .drop = drop_counted}};
    return &counted->task;
}

int call_echo(void *arg, void **value) {
    *value = arg;
    return 0;
}

int call_fail(void *arg, void **value) {
    (void)value;
    return (int)(intptr_t)arg;
}

static unsigned slowness(void) {
    const char *slow = getenv("UNIT_SLOW");
    int times = slow ? atoi(slow) : 1;

    return times > 1 ? (unsigned)times : 1;
}

unsigned unit_limit_s(unsigned seconds) {
    return seconds * slowness();
}

uint64_t unit_soon(void) {
    return weir_after(slowness() * SOON_NS);
}

bool unit_is_slow(void) {
    return slowness() > 1;
}

#ifndef __has_feature
#define __has_feature(x) 0
#endif

void unit_needs_whole_fork(void) {
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
    print_message("skipped: ThreadSanitizer starts no threads in the child of a fork\n");
    skip();
#elif defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    print_message("skipped: AddressSanitizer's allocator may be locked in the child of a fork\n");
    skip();
#endif
}

void unit_needs_threads_in_child(void) {
    const char *runner = getenv("UNIT_RUNNER");

    unit_needs_whole_fork();
    if (runner && strncmp(runner, "qemu-", 5) == 0) {
        print_message("skipped: qemu-user crashes when the child of a fork starts a thread\n");
        skip();
    }
}

void unit_begin_child(void) {
    alarm(unit_limit_s(CHILD_HANG_S));
#ifdef VALGRIND_CLO_CHANGE
    VALGRIND_CLO_CHANGE("--leak-check=no");
#endif
}

int unit_setup(void **state) {
    (void)state;
#ifdef WEIR_STRESS
    atomic_store_explicit(&weir__point, perturb, memory_order_relaxed);
#endif
    count_other_threads();
    alarm(unit_limit_s(HANG_S)); /* the default action ends the program: a hang is a failure */
    return 0;
}

int unit_teardown(void **state) {
    (void)state;
    alarm(0);
    return 0;
}

enum weir_scheduler unit_scheduler(void **state) {
    return (enum weir_scheduler)(uintptr_t)*state;
}
