#include "room.h"

#include "test/unit.h"

static void room_without_limit_gives_all_and_counts_nothing(void **state) {
    struct weir__room room;

    (void)state;
    weir__room_init(&room, 0);
    assert_int_equal(weir__room_try(&room, SIZE_MAX), SIZE_MAX);
    weir__room_return(&room, 1);
    assert_int_equal(atomic_load_explicit(&room.queued, memory_order_relaxed), 0);
}

static void room_gives_in_part_up_to_the_limit(void **state) {
    struct weir__room room;

    (void)state;
    weir__room_init(&room, 5);
    assert_int_equal(weir__room_try(&room, 3), 3);
    assert_int_equal(weir__room_try(&room, 3), 2);
    assert_int_equal(weir__room_try(&room, 1), 0);
    weir__room_return(&room, 4);
    assert_int_equal(weir__room_try(&room, SIZE_MAX), 4);
    assert_int_equal(weir__room_try(&room, 1), 0);
}

static void wait_returns_when_moves_has_changed_or_the_deadline_passed(void **state) {
    struct weir__room room;

    (void)state;
    weir__room_init(&room, 1);
    weir__room_enter(&room);
    assert_int_equal(weir__room_wait(&room, 0, 1), -ETIMEDOUT);
    weir__room_wake_all(&room);
    assert_int_equal(weir__room_wait(&room, 0, WEIR_FOREVER), 0);
    assert_int_equal(weir__room_try(&room, 1), 1);
    weir__room_return(&room, 1); /* somebody is registered: moves goes on */
    assert_int_equal(weir__room_wait(&room, 1, WEIR_FOREVER), 0);
    weir__room_leave(&room);
    weir__room_return(&room, 0);
}

#define SOAK_THREADS 4
#define SOAK_TURNS   20000u
#define SOAK_LIMIT   3

struct soak {
    struct weir__room room;
    _Atomic unsigned inside, most;
};

/* Like a submitter under policy BLOCK. */
static void reserve(struct soak *soak) {
    if (weir__room_try(&soak->room, 1) == 1)
        return;
    weir__room_enter(&soak->room);
    for (;;) {
        uint32_t moves = atomic_load_explicit(&soak->room.moves, memory_order_acquire);
        if (weir__room_try(&soak->room, 1) == 1)
            break;
        weir__room_wait(&soak->room, moves, WEIR_FOREVER);
    }
    weir__room_leave(&soak->room);
}

static void *soak_main(void *arg) {
    struct soak *soak = arg;

    for (unsigned i = 0; i < SOAK_TURNS; i++) {
        reserve(soak);
        unsigned now = atomic_fetch_add_explicit(&soak->inside, 1, memory_order_relaxed) + 1;
        unsigned most = number_of(&soak->most);
        while (now > most &&
               !atomic_compare_exchange_weak_explicit(&soak->most, &most, now, memory_order_relaxed,
                                                      memory_order_relaxed))
            ;
        if (i % 16 == 0)
            unit_yield(); /* inside, so that others find it full */
        atomic_fetch_sub_explicit(&soak->inside, 1, memory_order_relaxed);
        weir__room_return(&soak->room, 1);
    }
    return NULL;
}

static void limit_is_never_passed_and_no_waiter_is_forgotten(void **state) {
    struct soak soak = {0};
    pthread_t threads[SOAK_THREADS];

    (void)state;
    weir__room_init(&soak.room, SOAK_LIMIT);
    for (int i = 0; i < SOAK_THREADS; i++)
        threads[i] = unit_thread(soak_main, &soak);
    for (int i = 0; i < SOAK_THREADS; i++)
        unit_join(threads[i]);
    assert_in_range(number_of(&soak.most), 1, SOAK_LIMIT);
    assert_int_equal(atomic_load_explicit(&soak.room.queued, memory_order_relaxed), 0);
    assert_int_equal(atomic_load_explicit(&soak.room.waiters, memory_order_relaxed), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(room_without_limit_gives_all_and_counts_nothing),
        ONCE(room_gives_in_part_up_to_the_limit),
        ONCE(wait_returns_when_moves_has_changed_or_the_deadline_passed),
        ONCE(limit_is_never_passed_and_no_waiter_is_forgotten),
    };
    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
