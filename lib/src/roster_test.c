#include "roster.h"

#include "memory.h"
#include "test/fault.h"
#include "test/unit.h"

static const struct weir_allocator c_library = {.alloc = NULL};

/* The roster keeps the pool's address for the workers alone. */
static struct weir_pool *some_pool(void) {
    static _Alignas(64) char pool[64];

    return (struct weir_pool *)(void *)pool;
}

static void places_are_numbered_in_order_and_never_move(void **state) {
    enum { PLACES = 100 };
    struct weir__worker *places[PLACES];
    struct weir__roster roster;

    (void)state;
    weir__roster_init(&roster, 1, &c_library);
    assert_int_equal(weir__roster_count(&roster), 0);
    for (uint32_t i = 0; i < PLACES; i++) {
        places[i] = weir__roster_occupy(&roster, some_pool());
        assert_non_null(places[i]);
        assert_int_equal(places[i]->index, i);
        assert_ptr_equal(places[i]->pool, some_pool());
        assert_int_equal((uintptr_t)places[i] % WEIR__LINE, 0);
        assert_int_equal(weir__roster_count(&roster), i + 1);
        memset(&places[i]->deques[0], 0x5A, sizeof places[i]->deques[0]); /* none lies in another */
    }
    for (uint32_t i = 0; i < PLACES; i++) {
        assert_ptr_equal(weir__roster_at(&roster, i), places[i]);
        assert_int_equal(places[i]->index, i);
    }
    weir__roster_destroy(&roster);
}

static void vacated_place_is_occupied_again_before_a_new_one_is_made(void **state) {
    struct weir__worker *places[3];
    struct weir__roster roster;

    (void)state;
    weir__roster_init(&roster, 0, &c_library);
    for (int i = 0; i < 3; i++)
        places[i] = weir__roster_occupy(&roster, some_pool());
    weir__roster_vacate(&roster, places[0]);
    weir__roster_vacate(&roster, places[2]);
    assert_ptr_equal(weir__roster_occupy(&roster, some_pool()), places[2]);
    assert_ptr_equal(weir__roster_occupy(&roster, some_pool()), places[0]);
    assert_int_equal(weir__roster_count(&roster), 3);
    assert_int_equal(weir__roster_occupy(&roster, some_pool())->index, 3);
    weir__roster_destroy(&roster);
}

static void roster_without_memory_gives_no_place_and_is_as_before(void **state) {
    struct weir__roster roster;
    long before = fault_blocks();

    (void)state;
    weir__roster_init(&roster, 2, &c_library);
    for (uint32_t i = 0; i < 20; i++) {
        struct weir__worker *worker;
        fault_fail_nth(1);
        while (!(worker = weir__roster_occupy(&roster, some_pool())))
            assert_int_equal(weir__roster_count(&roster), i);
        assert_int_equal(worker->index, i);
    }
    fault_reset();
    weir__roster_destroy(&roster);
    assert_int_equal(fault_blocks(), before);
}

static void full_roster_gives_no_place(void **state) {
    const uint32_t most = UINT32_C(1) << (WEIR__SEGMENTS - 1);
    struct weir__roster roster;

    (void)state;
    assert_true(most >= 2 * WEIR_MAX_THREADS); /* all that may live, spares among them */
    weir__roster_init(&roster, 0, &c_library);
    for (uint32_t i = 0; i < most; i++)
        assert_non_null(weir__roster_occupy(&roster, some_pool()));
    assert_null(weir__roster_occupy(&roster, some_pool()));
    assert_int_equal(weir__roster_count(&roster), most);
    weir__roster_destroy(&roster);
}

/* ---- Readers beside a maker ---- */

struct growing {
    struct weir__roster roster;
    _Atomic unsigned over, wrong;
};

static void *read_all(void *arg) {
    struct growing *growing = arg;

    while (number_of(&growing->over) == 0) {
        uint32_t count = weir__roster_count(&growing->roster);
        for (uint32_t i = 0; i < count; i++)
            if (weir__roster_at(&growing->roster, i)->index != i)
                add_one(&growing->wrong);
    }
    return NULL;
}

static void who_reads_a_count_may_look_at_all_places_below_it(void **state) {
    (void)state;
    for (int turn = 0; turn < 50; turn++) {
        struct growing growing = {.over = 0};
        weir__roster_init(&growing.roster, 0, &c_library);
        pthread_t reader = unit_thread(read_all, &growing);
        for (int i = 0; i < 300; i++)
            assert_non_null(weir__roster_occupy(&growing.roster, some_pool()));
        add_one(&growing.over);
        unit_join(reader);
        assert_int_equal(number_of(&growing.wrong), 0);
        weir__roster_destroy(&growing.roster);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(places_are_numbered_in_order_and_never_move),
        ONCE(vacated_place_is_occupied_again_before_a_new_one_is_made),
        ONCE(roster_without_memory_gives_no_place_and_is_as_before),
        ONCE(full_roster_gives_no_place),
        ONCE(who_reads_a_count_may_look_at_all_places_below_it),
    };
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
