#include "quiescence.h"

#include "test/unit.h"

#define COUNTERS 3

struct rig {
    struct weir__counters counters[COUNTERS];
    _Atomic uint64_t injected;
    struct weir__quiescence quiescence;
};

static struct rig *rig_of(struct weir__quiescence *quiescence) {
    return (struct rig *)(void *)((char *)quiescence - offsetof(struct rig, quiescence));
}

static uint64_t accepted(struct weir__quiescence *quiescence) {
    struct rig *rig = rig_of(quiescence);
    uint64_t sum = atomic_load_explicit(&rig->injected, memory_order_acquire);

    for (int i = 0; i < COUNTERS; i++)
        sum += atomic_load_explicit(&rig->counters[i].accepted, memory_order_acquire);
    return sum;
}

static uint64_t ended(struct weir__quiescence *quiescence) {
    struct rig *rig = rig_of(quiescence);
    uint64_t sum = 0;

    for (int i = 0; i < COUNTERS; i++)
        sum += weir__count_ended(&rig->counters[i]);
    return sum;
}

static struct rig *new_rig(void) {
    struct rig *rig = aligned_alloc(64, sizeof *rig);

    assert_non_null(rig);
    memset(rig, 0, sizeof *rig);
    rig->quiescence.accepted = accepted;
    rig->quiescence.ended = ended;
    return rig;
}

static void inject(struct rig *rig) {
    atomic_fetch_add_explicit(&rig->injected, 1, memory_order_release);
}

static void ends_are_counted_by_outcome(void **state) {
    struct rig *rig = new_rig();
    struct weir__counters *counters = &rig->counters[0];

    (void)state;
    weir__count_end(counters, OUTCOME_COMPLETED, false);
    weir__count_end(counters, OUTCOME_FAILED, true);
    weir__count_end(counters, OUTCOME_DROPPED, false);
    weir__count_end(counters, OUTCOME_DROPPED, true);
    assert_int_equal(atomic_load_explicit(&counters->completed, memory_order_relaxed), 1);
    assert_int_equal(atomic_load_explicit(&counters->failed, memory_order_relaxed), 1);
    assert_int_equal(atomic_load_explicit(&counters->dropped, memory_order_relaxed), 2);
    free(rig);
}

static void idle_only_when_all_that_was_accepted_has_ended(void **state) {
    struct rig *rig = new_rig();

    (void)state;
    assert_int_equal(weir__quiescence_await(&rig->quiescence, WEIR_FOREVER), 0);
    inject(rig);
    weir__count(&rig->counters[0].accepted);
    assert_int_equal(accepted(&rig->quiescence), 2);
    weir__count_end(&rig->counters[1], OUTCOME_COMPLETED, false);
    assert_int_equal(weir__quiescence_await(&rig->quiescence, WEIR_NOW), -EAGAIN);
    assert_int_equal(weir__quiescence_await(&rig->quiescence, 1), -ETIMEDOUT);
    assert_int_equal(weir__quiescence_await(&rig->quiescence, weir_after(1000000)), -ETIMEDOUT);
    weir__count_end(&rig->counters[2], OUTCOME_DROPPED, true);
    assert_int_equal(weir__quiescence_await(&rig->quiescence, WEIR_NOW), 0);
    assert_int_equal(atomic_load_explicit(&rig->quiescence.waiters, memory_order_relaxed), 0);
    free(rig);
}

struct waiter {
    struct rig *rig;
    int rc;
};

static void *wait_forever(void *arg) {
    struct waiter *waiter = arg;

    waiter->rc = weir__quiescence_await(&waiter->rig->quiescence, WEIR_FOREVER);
    return NULL;
}

static uint64_t mark(struct rig *rig) {
    return atomic_load_explicit(&rig->quiescence.mark, memory_order_acquire);
}

static void sleeping_waiter_is_told_and_the_moment_is_kept(void **state) {
    struct waiter waiter = {.rig = new_rig(), .rc = 1};
    struct rig *rig = waiter.rig;

    (void)state;
    inject(rig);
    pthread_t thread = unit_thread(wait_forever, &waiter);
    UNTIL(atomic_load_explicit(&rig->quiescence.waiters, memory_order_acquire) == 1);
    weir__quiescence_tell(&rig->quiescence); /* not idle: tells nobody anything */
    assert_int_equal(mark(rig), 0);
    weir__count_end(&rig->counters[0], OUTCOME_COMPLETED, false);
    weir__quiescence_tell(&rig->quiescence);
    unit_join(thread);
    assert_int_equal(waiter.rc, 0);
    assert_in_range(mark(rig), 0, 1); /* 0: the waiter had seen for itself, and was gone */
    free(rig);
}

static void moment_that_has_passed_ends_a_wait_that_began_before(void **state) {
    struct rig *rig = new_rig();

    (void)state;
    /* As after the sleep of a waiter that began with one task: idle was seen, then more came. */
    inject(rig);
    atomic_store_explicit(&rig->quiescence.mark, 1, memory_order_relaxed);
    assert_int_equal(weir__quiescence_await(&rig->quiescence, WEIR_NOW), 0);
    free(rig);
}

static void mark_from_before_the_start_does_not_end_a_wait(void **state) {
    struct rig *rig = new_rig();

    (void)state;
    inject(rig);
    weir__count_end(&rig->counters[0], OUTCOME_COMPLETED, false);
    atomic_store_explicit(&rig->quiescence.mark, 1, memory_order_relaxed);
    inject(rig);
    assert_int_equal(weir__quiescence_await(&rig->quiescence, WEIR_NOW), -EAGAIN);
    free(rig);
}

#define SOAK_TURNS   3000u
#define SOAK_THREADS 2u

struct soak {
    struct rig *rig;
    _Atomic unsigned next;
    _Atomic unsigned ended; /* the truth, told to the waiters by nobody */
};

/* Accepts and ends tasks, as a worker that submits to itself: never runs dry in between. */
static void *soak_main(void *arg) {
    struct soak *soak = arg;
    unsigned me = atomic_fetch_add_explicit(&soak->next, 1, memory_order_relaxed);
    struct weir__counters *counters = &soak->rig->counters[me];

    for (unsigned i = 0; i < SOAK_TURNS; i++) {
        weir__count(&counters->accepted);
        if (i % 8 == 0)
            unit_yield();
        atomic_fetch_add_explicit(&soak->ended, 1, memory_order_seq_cst);
        weir__count_end(counters, OUTCOME_COMPLETED, false);
        weir__quiescence_tell(&soak->rig->quiescence);
    }
    return NULL;
}

/* Each wait ends (not too late), and has seen the end of all that began before it (not too early).
 */
static void waits_beside_busy_threads_are_neither_early_nor_late(void **state) {
    struct soak soak = {.rig = new_rig()};
    pthread_t threads[SOAK_THREADS];

    (void)state;
    for (unsigned i = 0; i < SOAK_THREADS; i++)
        threads[i] = unit_thread(soak_main, &soak);
    for (uint64_t done = 0; done < SOAK_THREADS * SOAK_TURNS;) {
        uint64_t before = accepted(&soak.rig->quiescence);
        assert_int_equal(weir__quiescence_await(&soak.rig->quiescence, WEIR_FOREVER), 0);
        done = atomic_load_explicit(&soak.ended, memory_order_seq_cst);
        assert_true(done >= before);
    }
    for (unsigned i = 0; i < SOAK_THREADS; i++)
        unit_join(threads[i]);
    free(soak.rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(ends_are_counted_by_outcome),
        ONCE(idle_only_when_all_that_was_accepted_has_ended),
        ONCE(sleeping_waiter_is_told_and_the_moment_is_kept),
        ONCE(moment_that_has_passed_ends_a_wait_that_began_before),
        ONCE(mark_from_before_the_start_does_not_end_a_wait),
        ONCE(waits_beside_busy_threads_are_neither_early_nor_late),
    };
    return cmocka_run_group_tests_name("quiescence", tests, NULL, NULL);
}
