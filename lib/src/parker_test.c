#include "parker.h"

#include "test/unit.h"

static void unpark_before_park_is_remembered_once(void **state) {
    struct weir__parker parker = {0};

    (void)state;
    weir__parker_unpark(&parker);
    weir__parker_unpark(&parker);
    weir__parker_park(&parker, WEIR_FOREVER); /* returns at once, or the watchdog ends the test */
    assert_int_equal(atomic_load_explicit(&parker.state, memory_order_relaxed), 0);
}

#define TURNS 20000u

struct pair {
    struct weir__parker parkers[2];
    unsigned plain; /* passed to and fro: ordered by the parkers alone */
};

static void *answer(void *arg) {
    struct pair *pair = arg;

    for (unsigned i = 0; i < TURNS; i++) {
        weir__parker_park(&pair->parkers[1], WEIR_FOREVER);
        pair->plain++;
        weir__parker_unpark(&pair->parkers[0]);
    }
    return NULL;
}

static void woken_sees_what_the_waker_wrote_and_no_wake_is_lost(void **state) {
    struct pair pair = {0};
    pthread_t thread = unit_thread(answer, &pair);

    (void)state;
    for (unsigned i = 0; i < TURNS; i++) {
        pair.plain++;
        weir__parker_unpark(&pair.parkers[1]);
        weir__parker_park(&pair.parkers[0], WEIR_FOREVER);
        assert_int_equal(pair.plain, 2 * i + 2);
    }
    unit_join(thread);
}

static void park_returns_at_its_deadline_and_is_as_before(void **state) {
    struct weir__parker parker = {0};
    uint64_t deadline_ns = weir_after(2000000);

    (void)state;
    assert_false(weir__parker_park(&parker, deadline_ns));
    assert_true(weir_now_ns() >= deadline_ns);
    assert_int_equal(atomic_load_explicit(&parker.state, memory_order_relaxed), 0);
    assert_false(weir__parker_park(&parker, WEIR_NOW));
    weir__parker_unpark(&parker);
    assert_true(weir__parker_park(&parker, WEIR_NOW)); /* one that came in time counts */
    assert_false(weir__parker_park(&parker, WEIR_NOW));
}

/* Unparks at about the deadline: what one park does not consume the next one does. */
struct late {
    struct weir__parker parker;
    struct event asked, sent;
    unsigned consumed;
};

static void *park_briefly(void *arg) {
    struct late *late = arg;

    for (unsigned i = 1; i <= TURNS; i++) {
        event_raise(&late->asked);
        bool woken = weir__parker_park(&late->parker, weir_after(i % 64 * 100));
        event_await(&late->sent, i);
        if (!woken) /* it has come since */
            woken = weir__parker_park(&late->parker, WEIR_NOW);
        late->consumed += woken;
    }
    return NULL;
}

static void unpark_at_the_deadline_is_never_lost(void **state) {
    struct late late = {.consumed = 0};
    pthread_t thread = unit_thread(park_briefly, &late);

    (void)state;
    for (unsigned i = 1; i <= TURNS; i++) {
        event_await(&late.asked, i);
        weir__parker_unpark(&late.parker);
        event_raise(&late.sent);
    }
    unit_join(thread);
    assert_int_equal(late.consumed, TURNS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(unpark_before_park_is_remembered_once),
        ONCE(woken_sees_what_the_waker_wrote_and_no_wake_is_lost),
        ONCE(park_returns_at_its_deadline_and_is_as_before),
        ONCE(unpark_at_the_deadline_is_never_lost),
    };
    return cmocka_run_group_tests_name("parker", tests, NULL, NULL);
}
