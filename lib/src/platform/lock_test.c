#include "platform/lock.h"

#include "test/unit.h"

#define THREADS 4
#define TURNS   20000u

struct shared {
    _Atomic uint32_t lock;
    unsigned number; /* plain: only the lock guards it */
};

static void *add_many(void *arg) {
    struct shared *shared = arg;

    for (unsigned i = 0; i < TURNS; i++) {
        weir__lock(&shared->lock);
        shared->number++;
        weir__unlock(&shared->lock);
    }
    return NULL;
}

static void no_two_threads_are_inside(void **state) {
    struct shared shared = {.number = 0};
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        threads[i] = unit_thread(add_many, &shared);
    for (int i = 0; i < THREADS; i++)
        unit_join(threads[i]);
    assert_int_equal(shared.number, THREADS * TURNS);
    assert_int_equal(atomic_load_explicit(&shared.lock, memory_order_relaxed), 0);
}

static void *add_one_locked(void *arg) {
    struct shared *shared = arg;

    weir__lock(&shared->lock);
    shared->number++;
    weir__unlock(&shared->lock);
    return NULL;
}

static void sleeping_threads_are_woken_one_after_the_other(void **state) {
    struct shared shared = {.number = 0};
    pthread_t threads[THREADS];

    (void)state;
    weir__lock(&shared.lock);
    for (int i = 0; i < THREADS; i++)
        threads[i] = unit_thread(add_one_locked, &shared);
    UNTIL(atomic_load_explicit(&shared.lock, memory_order_relaxed) == 2); /* one is to sleep */
    assert_int_equal(shared.number, 0);
    weir__unlock(&shared.lock);
    for (int i = 0; i < THREADS; i++)
        unit_join(threads[i]);
    assert_int_equal(shared.number, THREADS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(no_two_threads_are_inside),
        ONCE(sleeping_threads_are_woken_one_after_the_other),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
