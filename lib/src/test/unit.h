/*
 * Unit: what the tests of this folder share. cmocka, events to wait on, and pools of each
 * scheduler. A test that waits for ever is ended by a watchdog, so that a hang has a name.
 */
#ifndef WEIR__TEST_UNIT_H
#define WEIR__TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

/* Counts up; wait returns when it has reached n. Zero is the beginning. */
struct event {
    _Atomic uint32_t count;
};

void event_raise(struct event *event);
void event_await(struct event *event, uint32_t n);

/* Yields until the condition holds: for facts that have no event, such as a counter of sleepers. */
#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    unit_yield()
void unit_yield(void);

static inline unsigned number_of(const _Atomic unsigned *number) {
    return atomic_load_explicit(number, memory_order_acquire);
}

static inline void add_one(_Atomic unsigned *number) {
    atomic_fetch_add_explicit(number, 1, memory_order_release);
}

/* Starts and joins a thread, or ends the test. */
pthread_t unit_thread(void *(*main)(void *), void *arg);
void unit_join(pthread_t thread);

/* A pool or a failed test. Fields that the caller does not set are the defaults. */
struct weir_pool *unit_pool(enum weir_scheduler scheduler, unsigned threads,
                            const struct weir_pool_options *rest);
struct weir_pool_stats unit_stats(struct weir_pool *pool);
struct weir_pool_options unit_options(void); /* the defaults */
void unit_free(struct weir_pool *pool);

/* Threads of this process, as the kernel counts them; and how many there are between the tests,
 * when the last ones have gone: the main one, and those of a sanitizer or an emulator. */
unsigned unit_threads(void);
unsigned unit_other_threads(void);

/* A thread factory, for hooks.thread_create, that fails while it is told to. */
struct thread_factory {
    _Atomic unsigned failing, tries, made;
};
int thread_factory_create(void *factory, pthread_t *thread, void *(*main)(void *), void *main_arg);

/* A call that occupies its worker: tells that it has begun, and ends when released. */
struct plug {
    struct event begun, release;
};
#define PLUG                                                                                       \
    {                                                                                              \
        .begun = { 0 }                                                                             \
    }
int plug_call(void *plug, void **value);
void plug_run(void *plug);

/* A plain task that counts its run or its drop. */
struct counted {
    struct weir_task task;
    _Atomic unsigned runs, drops;
};
struct weir_task *counted_init(struct counted *counted);

/* Calls that a test needs again and again. */
int call_echo(void *arg, void **value); /* *value = arg */
int call_fail(void *arg, void **value); /* returns (intptr_t)arg */

/* Each test of the list runs for each scheduler, which it finds with unit_scheduler(state). */
#define EACH(test)                                                                                 \
    UNIT__ROW(test, WEIR_STEALING, " (stealing)"), UNIT__ROW(test, WEIR_LOCKED, " (locked)"),      \
        UNIT__ROW(test, WEIR_RING, " (ring)")
#define UNIT__ROW(test, scheduler, suffix)                                                         \
    { #test suffix, test, unit_setup, unit_teardown, (void *)(uintptr_t)(scheduler) }
#define ONCE(test)                                                                                 \
    { #test, test, unit_setup, unit_teardown, (void *)(uintptr_t)WEIR_STEALING }
/* Seconds after which a test is taken to hang: $UNIT_SLOW times as many, for valgrind and qemu. */
unsigned unit_limit_s(unsigned seconds);
/* Whether threads run one at a time here, so that how often one sleeps says nothing. */
bool unit_is_slow(void);
/* A time that is near, but not before a test has made the calls that are to come before it. */
uint64_t unit_soon(void);
/* Skips the test, and says so, where the child of a process with threads may not start any itself,
 * or not allocate: under ThreadSanitizer and AddressSanitizer. Such a test runs without them, and
 * under valgrind. */
void unit_needs_whole_fork(void);
/* And where such a child may do anything but start a thread: under qemu's user emulation, which
 * scripts/unit was told to use. */
void unit_needs_threads_in_child(void);
/* What such a child does first: it is ended if it hangs, and valgrind does not look for leaks in
 * it, for what the parent's threads held is nobody's there. */
void unit_begin_child(void);
int unit_setup(void **state);
int unit_teardown(void **state);
enum weir_scheduler unit_scheduler(void **state);

#endif
