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

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(unpark_before_park_is_remembered_once),
        ONCE(woken_sees_what_the_waker_wrote_and_no_wake_is_lost),
    };
    return cmocka_run_group_tests_name("parker", tests, NULL, NULL);
}
