#include "injector.h"

#include "claim.h"
#include "task.h"
#include "test/unit.h"

#define TASKS 8

struct rig {
    struct weir__injector injector;
    struct weir__deque *deque;
    struct weir_task tasks[TASKS];
    struct weir_task *list[TASKS];
};

static void set_up(struct rig *rig) {
    *rig = (struct rig){.deque = aligned_alloc(64, sizeof *rig->deque)};
    assert_non_null(rig->deque);
    memset(rig->deque, 0, sizeof *rig->deque);
    weir__injector_init(&rig->injector, 1);
    for (int i = 0; i < TASKS; i++)
        rig->list[i] = &rig->tasks[i];
}

static void tear_down(struct rig *rig) {
    weir__injector_destroy(&rig->injector);
    free(rig->deque);
}

static uint64_t accepted(struct rig *rig) {
    return atomic_load_explicit(&rig->injector.accepted, memory_order_relaxed);
}

static void tasks_come_out_in_order(void **state) {
    struct rig rig;

    (void)state;
    set_up(&rig);
    assert_null(weir__injector_pop(&rig.injector, false));
    assert_int_equal(weir__injector_push(&rig.injector, rig.list, 3), 3);
    assert_int_equal(weir__injector_push(&rig.injector, rig.list + 3, 1), 1);
    assert_int_equal(weir__injector_count(&rig.injector), 4);
    assert_int_equal(accepted(&rig), 4);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[i]);
    assert_null(weir__injector_pop(&rig.injector, false));
    assert_int_equal(weir__injector_count(&rig.injector), 0);
    tear_down(&rig);
}

static void remove_takes_head_middle_and_tail_once(void **state) {
    struct rig rig;
    const int order[] = {0, 4, 7, 3, 5};

    (void)state;
    set_up(&rig);
    weir__injector_push(&rig.injector, rig.list, TASKS);
    for (int i = 0; i < 5; i++) {
        assert_true(weir__injector_remove(&rig.injector, &rig.tasks[order[i]]));
        assert_false(weir__injector_remove(&rig.injector, &rig.tasks[order[i]]));
    }
    assert_int_equal(weir__injector_count(&rig.injector), 3);
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[1]);
    assert_false(weir__injector_remove(&rig.injector, &rig.tasks[1]));
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[2]);
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[6]);
    assert_null(weir__injector_pop(&rig.injector, false));
    assert_int_equal(weir__injector_push(&rig.injector, rig.list, 1), 1);
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[0]);
    tear_down(&rig);
}

static void batch_is_popped_by_the_owner_in_order(void **state) {
    struct rig rig;

    (void)state;
    set_up(&rig);
    weir__injector_push(&rig.injector, rig.list, TASKS);
    assert_ptr_equal(weir__injector_pop_batch(&rig.injector, 0, rig.deque, 5), &rig.tasks[0]);
    assert_int_equal(weir__injector_count(&rig.injector), 2);
    assert_int_equal(weir__deque_size(rig.deque), 5);
    for (int i = 1; i <= 5; i++)
        assert_ptr_equal(weir__deque_pop(rig.deque), &rig.tasks[i]);
    assert_null(weir__deque_pop(rig.deque));
    assert_ptr_equal(weir__injector_pop_batch(&rig.injector, 0, rig.deque, 0), &rig.tasks[6]);
    assert_ptr_equal(weir__injector_pop_batch(&rig.injector, 0, rig.deque, 9), &rig.tasks[7]);
    assert_null(weir__injector_pop_batch(&rig.injector, 0, rig.deque, 9));
    assert_int_equal(weir__injector_count(&rig.injector), 0);
    assert_int_equal(weir__deque_size(rig.deque), 0);
    tear_down(&rig);
}

static void batch_that_finds_the_deque_full_stays_in_order(void **state) {
    struct rig rig;
    struct weir_task fill[WEIR__DEQUE_SLOTS] = {{0}};

    (void)state;
    set_up(&rig);
    for (unsigned i = 0; i < WEIR__DEQUE_SLOTS - 2; i++)
        weir__deque_push(rig.deque, &fill[i]);
    weir__injector_push(&rig.injector, rig.list, 6);
    assert_ptr_equal(weir__injector_pop_batch(&rig.injector, 0, rig.deque, 4), &rig.tasks[0]);
    /* Two found room, two went back to the head. */
    assert_int_equal(weir__injector_count(&rig.injector), 3);
    assert_int_equal(weir__deque_size(rig.deque), WEIR__DEQUE_SLOTS);
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[1]);
    assert_true(weir__injector_remove(&rig.injector, &rig.tasks[2]));
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[5]);
    assert_ptr_equal(weir__deque_pop(rig.deque), &rig.tasks[3]);
    assert_ptr_equal(weir__deque_pop(rig.deque), &rig.tasks[4]);
    tear_down(&rig);
}

static void task_moved_to_a_deque_is_claimed_there(void **state) {
    struct rig rig;

    (void)state;
    set_up(&rig);
    for (int i = 0; i < 3; i++)
        rig.tasks[i].flags = WEIR__TASK_FUTURE;
    weir__injector_push(&rig.injector, rig.list, 3);
    assert_ptr_equal(weir__injector_pop_batch(&rig.injector, 0, rig.deque, 1), &rig.tasks[0]);
    assert_int_equal(weir__claim_queued(&rig.tasks[1], 0), CLAIM_REMOVED);
    assert_int_equal(weir__claim_queued(&rig.tasks[2], 0), CLAIM_REMOVED);
    assert_null(weir__deque_pop(rig.deque));
    assert_int_equal(weir__injector_count(&rig.injector), 0);
    tear_down(&rig);
}

static void closed_injector_takes_nothing_and_gives_what_it_has(void **state) {
    struct rig rig;

    (void)state;
    set_up(&rig);
    weir__injector_push(&rig.injector, rig.list, 1);
    assert_false(weir__injector_is_closed(&rig.injector));
    weir__injector_close(&rig.injector);
    assert_true(weir__injector_is_closed(&rig.injector));
    assert_int_equal(weir__injector_push(&rig.injector, rig.list + 1, 1), -ESHUTDOWN);
    assert_int_equal(weir__injector_append_locked(&rig.injector, rig.list[1]), -ESHUTDOWN);
    assert_int_equal(accepted(&rig), 1);
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[0]);
    tear_down(&rig);
}

static void task_cancelled_on_its_way_in_is_left_out(void **state) {
    struct rig rig;

    (void)state;
    set_up(&rig);
    rig.tasks[1].flags = WEIR__TASK_FUTURE;
    atomic_store_explicit(&rig.tasks[1].weir__state, TASK_CLAIMED | TASK_CANCELLED,
                          memory_order_relaxed);
    assert_int_equal(weir__injector_push(&rig.injector, rig.list, 3), 2);
    assert_int_equal(weir__injector_append_locked(&rig.injector, rig.list[1]), -ECANCELED);
    assert_int_equal(accepted(&rig), 2);
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[0]);
    assert_ptr_equal(weir__injector_pop(&rig.injector, false), &rig.tasks[2]);
    tear_down(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(tasks_come_out_in_order),
        ONCE(remove_takes_head_middle_and_tail_once),
        ONCE(batch_is_popped_by_the_owner_in_order),
        ONCE(batch_that_finds_the_deque_full_stays_in_order),
        ONCE(task_moved_to_a_deque_is_claimed_there),
        ONCE(closed_injector_takes_nothing_and_gives_what_it_has),
        ONCE(task_cancelled_on_its_way_in_is_left_out),
    };
    return cmocka_run_group_tests_name("injector", tests, NULL, NULL);
}
