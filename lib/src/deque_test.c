#include "deque.h"

#include "task.h"
#include "test/unit.h"

static struct weir__deque *new_deque(void) {
    struct weir__deque *deque = aligned_alloc(64, sizeof *deque);

    assert_non_null(deque);
    memset(deque, 0, sizeof *deque);
    return deque;
}

/* As the owner of a full deque would: false when the task must go elsewhere. */
static bool push(struct weir__deque *deque, struct weir_task *task) {
    if (!weir__deque_has_room(deque))
        return false;
    weir__deque_push(deque, task);
    return true;
}

static bool claim(struct weir_task *task) {
    uintptr_t place = atomic_load_explicit(&task->weir__place, memory_order_relaxed);

    assert_true(place & WEIR__PLACE_SLOT);
    return weir__slot_remove((weir__slot *)(place & ~WEIR__PLACE_SLOT), task);
}

static void owner_pops_newest_and_thief_steals_oldest(void **state) {
    struct weir__deque *deque = new_deque();
    struct weir_task tasks[4] = {{0}};

    (void)state;
    assert_null(weir__deque_pop(deque));
    assert_null(weir__deque_steal(deque));
    for (int i = 0; i < 4; i++)
        assert_true(push(deque, &tasks[i]));
    assert_int_equal(weir__deque_size(deque), 4);
    assert_ptr_equal(weir__deque_pop(deque), &tasks[3]);
    assert_ptr_equal(weir__deque_steal(deque), &tasks[0]);
    assert_ptr_equal(weir__deque_steal(deque), &tasks[1]);
    assert_ptr_equal(weir__deque_pop(deque), &tasks[2]);
    assert_null(weir__deque_pop(deque));
    assert_null(weir__deque_steal(deque));
    assert_int_equal(weir__deque_size(deque), 0);
    free(deque);
}

static void full_deque_has_no_room_until_one_is_taken(void **state) {
    struct weir__deque *deque = new_deque();
    struct weir_task tasks[WEIR__DEQUE_SLOTS + 1] = {{0}};

    (void)state;
    for (unsigned i = 0; i < WEIR__DEQUE_SLOTS; i++)
        assert_true(push(deque, &tasks[i]));
    assert_false(weir__deque_has_room(deque));
    assert_ptr_equal(weir__deque_steal(deque), &tasks[0]);
    assert_true(push(deque, &tasks[WEIR__DEQUE_SLOTS]));
    assert_false(weir__deque_has_room(deque));
    assert_ptr_equal(weir__deque_pop(deque), &tasks[WEIR__DEQUE_SLOTS]);
    for (unsigned i = 1; i < WEIR__DEQUE_SLOTS; i++)
        assert_ptr_equal(weir__deque_steal(deque), &tasks[i]);
    assert_null(weir__deque_pop(deque));
    free(deque);
}

static void order_is_kept_over_many_laps(void **state) {
    struct weir__deque *deque = new_deque();
    struct weir_task tasks[100] = {{0}};

    (void)state;
    for (int lap = 0; lap < 50; lap++) {
        for (int i = 0; i < 100; i++)
            assert_true(push(deque, &tasks[i]));
        for (int i = 0; i < 50; i++)
            assert_ptr_equal(weir__deque_steal(deque), &tasks[i]);
        for (int i = 99; i >= 50; i--)
            assert_ptr_equal(weir__deque_pop(deque), &tasks[i]);
        assert_null(weir__deque_pop(deque));
    }
    free(deque);
}

static void claimed_task_is_passed_by_pop_and_steal(void **state) {
    struct weir__deque *deque = new_deque();
    struct weir_task tasks[4] = {{0}};

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_true(push(deque, &tasks[i]));
    assert_true(claim(&tasks[0]));
    assert_true(claim(&tasks[3]));
    assert_false(claim(&tasks[3]));
    assert_ptr_equal(weir__deque_steal(deque), &tasks[1]);
    assert_ptr_equal(weir__deque_pop(deque), &tasks[2]);
    assert_false(claim(&tasks[2]));
    assert_null(weir__deque_pop(deque));
    assert_null(weir__deque_steal(deque));
    free(deque);
}

/* A task that makes and claims futures one by one must not push its deque full of spent indices. */
static void claimed_places_are_used_again_by_the_owner(void **state) {
    struct weir__deque *deque = new_deque();
    struct weir_task first = {0}, task = {0};

    (void)state;
    assert_true(push(deque, &first));
    for (unsigned i = 0; i < 10 * WEIR__DEQUE_SLOTS; i++) {
        assert_true(push(deque, &task));
        assert_true(claim(&task));
    }
    assert_ptr_equal(weir__deque_pop(deque), &first);
    for (unsigned i = 0; i < 10 * WEIR__DEQUE_SLOTS; i++) {
        assert_true(push(deque, &task));
        assert_true(claim(&task));
    }
    assert_null(weir__deque_pop(deque));
    free(deque);
}

#define SOAK_TASKS   200000u
#define SOAK_THIEVES 2u

struct soak {
    struct weir__deque *deque;
    struct weir_task *tasks;
    _Atomic unsigned *taken;
    _Atomic bool over;
    bool claims; /* the soak has a claimer as well */
    _Atomic unsigned pushed;
};

static void take_note(struct soak *soak, struct weir_task *task) {
    add_one(&soak->taken[task - soak->tasks]);
}

static void *thief_main(void *arg) {
    struct soak *soak = arg;
    struct weir_task *task;

    while (!atomic_load_explicit(&soak->over, memory_order_acquire))
        while ((task = weir__deque_steal(soak->deque)))
            take_note(soak, task);
    return NULL;
}

/* Takes tasks out of the middle, as a waiter does. */
static void *claimer_main(void *arg) {
    struct soak *soak = arg;

    while (!atomic_load_explicit(&soak->over, memory_order_acquire)) {
        unsigned pushed = number_of(&soak->pushed);
        if (pushed == 0)
            continue;
        struct weir_task *task = &soak->tasks[pushed - 1 - pushed % 7 % pushed];
        uintptr_t place = atomic_load_explicit(&task->weir__place, memory_order_acquire);
        if (place && weir__slot_remove((weir__slot *)(place & ~WEIR__PLACE_SLOT), task))
            take_note(soak, task);
    }
    return NULL;
}

static void owner_main(struct soak *soak) {
    struct weir_task *task;

    for (unsigned i = 0; i < SOAK_TASKS; i++) {
        while (!push(soak->deque, &soak->tasks[i]))
            if ((task = weir__deque_pop(soak->deque)))
                take_note(soak, task);
        add_one(&soak->pushed);
        if (i % 3 == 0 && (task = weir__deque_pop(soak->deque)))
            take_note(soak, task);
    }
    while ((task = weir__deque_pop(soak->deque)))
        take_note(soak, task);
}

static void soak(bool claims) {
    struct soak soak = {.deque = new_deque(), .claims = claims};
    pthread_t threads[SOAK_THIEVES + 1];

    soak.tasks = calloc(SOAK_TASKS, sizeof *soak.tasks);
    soak.taken = calloc(SOAK_TASKS, sizeof *soak.taken);
    assert_non_null(soak.tasks);
    assert_non_null(soak.taken);
    for (unsigned i = 0; i < SOAK_THIEVES; i++)
        threads[i] = unit_thread(thief_main, &soak);
    if (claims)
        threads[SOAK_THIEVES] = unit_thread(claimer_main, &soak);
    owner_main(&soak);
    atomic_store_explicit(&soak.over, true, memory_order_release);
    for (unsigned i = 0; i < SOAK_THIEVES + claims; i++)
        unit_join(threads[i]);
    for (unsigned i = 0; i < SOAK_TASKS; i++)
        assert_int_equal(number_of(&soak.taken[i]), 1);
    free(soak.tasks);
    free((void *)soak.taken);
    free(soak.deque);
}

static void owner_and_thieves_take_each_task_exactly_once(void **state) {
    (void)state;
    soak(false);
}

static void owner_thieves_and_claimer_take_each_task_exactly_once(void **state) {
    (void)state;
    soak(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(owner_pops_newest_and_thief_steals_oldest),
        ONCE(full_deque_has_no_room_until_one_is_taken),
        ONCE(order_is_kept_over_many_laps),
        ONCE(claimed_task_is_passed_by_pop_and_steal),
        ONCE(claimed_places_are_used_again_by_the_owner),
        ONCE(owner_and_thieves_take_each_task_exactly_once),
        ONCE(owner_thieves_and_claimer_take_each_task_exactly_once),
    };
    return cmocka_run_group_tests_name("deque", tests, NULL, NULL);
}
