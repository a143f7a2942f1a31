/* The wait for the end that subjects share: never early, never for ever, whoever waits. */
#include "bench/subjects/shared/pending.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define THREADS 4
#define TASKS   20000
#define ROUNDS  2000

static struct pending *pending;
static _Atomic uint64_t begun;
static uint64_t ended[THREADS]; /* plain: pending_end must publish it */
static pthread_barrier_t gate;

static int set_up(void **state) {
    (void)state;
    pending = pending_new();
    return pending != NULL ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    pending_free(pending);
    return 0;
}

static void nothing_pending_is_no_wait(void **state) {
    (void)state;
    pending_wait(pending);
    pending_begin(pending);
    pending_end(pending);
    pending_wait(pending);
}

/* Ends what another thread began. */
static void *end_tasks(void *arg) {
    uint64_t *own = arg;
    pthread_barrier_wait(&gate);
    for (int i = 0; i < TASKS; i++) {
        *own += 1;
        pending_end(pending);
    }
    return NULL;
}

static void a_wait_ends_after_the_last_task_and_sees_all(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    pthread_barrier_init(&gate, NULL, THREADS);
    for (int i = 0; i < THREADS * TASKS; i++) {
        pending_begin(pending);
    }
    for (int i = 0; i < THREADS; i++) {
        ended[i] = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, end_tasks, &ended[i]), 0);
    }
    pending_wait(pending);
    uint64_t all = 0;
    for (int i = 0; i < THREADS; i++) {
        all += ended[i];
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(all, THREADS * TASKS);
    pthread_barrier_destroy(&gate);
}

/* One task at a time, ended just when the waiter may be about to sleep. */
static void *end_one_by_one(void *arg) {
    (void)arg;
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        while (atomic_load_explicit(&begun, memory_order_acquire) < i) {
            sched_yield();
        }
        ended[0] = i;
        pending_end(pending);
    }
    return NULL;
}

static void a_wait_that_meets_the_end_is_woken(void **state) {
    (void)state;
    pthread_t thread;
    atomic_store_explicit(&begun, 0, memory_order_relaxed);
    assert_int_equal(pthread_create(&thread, NULL, end_one_by_one, NULL), 0);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        pending_begin(pending);
        atomic_fetch_add_explicit(&begun, 1, memory_order_release);
        pending_wait(pending);
        assert_int_equal(ended[0], i);
    }
    pthread_join(thread, NULL);
}

static void *wait_too(void *arg) {
    pending_wait(pending);
    return arg;
}

static void every_one_of_several_waiters_returns(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    pending_begin(pending);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_too, NULL), 0);
    }
    sched_yield();
    pending_end(pending);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void what_is_retired_is_used_again(void **state) {
    (void)state;
    struct pending *first = pending_new();
    pending_begin(first);
    pending_end(first);
    pending_wait(first);
    pending_retire(first);
    struct pending *second = pending_new();
    assert_ptr_equal(second, first);
    pending_wait(second);
    pending_free(second);
}

#define on_pending(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        on_pending(nothing_pending_is_no_wait),
        on_pending(a_wait_ends_after_the_last_task_and_sees_all),
        on_pending(a_wait_that_meets_the_end_is_woken),
        on_pending(every_one_of_several_waiters_returns),
        on_pending(what_is_retired_is_used_again),
    };
    return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
