#include "platform/futex.h"

#include "test/unit.h"

static void wait_returns_at_once_when_the_word_differs(void **state) {
    _Atomic uint32_t word = 1;

    (void)state;
    assert_int_equal(weir__futex_wait(&word, 0, WEIR_FOREVER), 0);
}

static void deadline_is_absolute_and_monotonic(void **state) {
    _Atomic uint32_t word = 0;

    (void)state;
    assert_int_equal(weir__futex_wait(&word, 0, 1), -ETIMEDOUT);
    uint64_t deadline_ns = weir_after(3000000);
    int rc;
    while ((rc = weir__futex_wait(&word, 0, deadline_ns)) == 0)
        ; /* woken for nothing */
    assert_int_equal(rc, -ETIMEDOUT);
    assert_true(weir_now_ns() >= deadline_ns);
}

struct sleep {
    _Atomic uint32_t word;
    uint64_t deadline_ns;
};

static void *sleep_main(void *arg) {
    struct sleep *sleep = arg;

    while (atomic_load_explicit(&sleep->word, memory_order_acquire) == 0)
        weir__futex_wait(&sleep->word, 0, sleep->deadline_ns);
    return NULL;
}

/* Also with a deadline that the kernel's signed nanoseconds cannot hold. */
static void wake_all_wakes_every_sleeper_and_wake_one_one(void **state) {
    struct sleep many = {.deadline_ns = WEIR_FOREVER}, one = {.deadline_ns = WEIR_FOREVER - 1};
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 3; i++)
        threads[i] = unit_thread(sleep_main, &many);
    threads[3] = unit_thread(sleep_main, &one);
    atomic_store_explicit(&many.word, 1, memory_order_release);
    weir__futex_wake_all(&many.word);
    atomic_store_explicit(&one.word, 1, memory_order_release);
    weir__futex_wake_one(&one.word);
    for (int i = 0; i < 4; i++)
        unit_join(threads[i]);
}

static void relax_returns_whatever_the_turn(void **state) {
    (void)state;
    for (unsigned turn = 0; turn < 200; turn++)
        weir__relax(turn);
    weir__relax(UINT32_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(wait_returns_at_once_when_the_word_differs),
        ONCE(deadline_is_absolute_and_monotonic),
        ONCE(wake_all_wakes_every_sleeper_and_wake_one_one),
        ONCE(relax_returns_whatever_the_turn),
    };
    return cmocka_run_group_tests_name("futex", tests, NULL, NULL);
}
