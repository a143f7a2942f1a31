#include "claim.h"

#include "injector.h"
#include "test/unit.h"

struct rig {
    struct weir__injector injector;
    struct weir_task task;
    struct weir_task *list;
};

static void queue_task(struct rig *rig, uint32_t flags) {
    *rig = (struct rig){.task = {.flags = flags}};
    rig->list = &rig->task;
    weir__injector_init(&rig->injector, 1);
    assert_int_equal(weir__injector_push(&rig->injector, &rig->list, 1), 1);
}

static uint32_t state_of(struct weir_task *task) {
    return atomic_load_explicit(&task->weir__state, memory_order_acquire);
}

static void plain_task_belongs_to_whoever_took_it_out(void **state) {
    struct rig rig;

    (void)state;
    queue_task(&rig, 0);
    assert_int_equal(weir__claim_queued(&rig.task, 0), CLAIM_LOST);
    assert_true(weir__claim_take(weir__injector_pop(&rig.injector, false), 0));
    weir__injector_destroy(&rig.injector);
}

static void claimer_of_a_queued_task_takes_it_out(void **state) {
    struct rig rig;

    (void)state;
    queue_task(&rig, WEIR__TASK_FUTURE);
    assert_int_equal(weir__claim_queued(&rig.task, 0), CLAIM_REMOVED);
    assert_null(weir__injector_pop(&rig.injector, false));
    assert_int_equal(weir__claim_queued(&rig.task, 0), CLAIM_LOST);
    assert_int_equal(state_of(&rig.task), TASK_QUEUED | TASK_CLAIMED);
    weir__injector_destroy(&rig.injector);
}

static void claimer_comes_too_late_for_a_taken_task(void **state) {
    struct rig rig;

    (void)state;
    queue_task(&rig, WEIR__TASK_FUTURE);
    assert_true(weir__claim_take(weir__injector_pop(&rig.injector, false), TASK_CANCELLED));
    assert_int_equal(state_of(&rig.task), TASK_QUEUED | TASK_TAKEN | TASK_CANCELLED);
    assert_int_equal(weir__claim_queued(&rig.task, 0), CLAIM_LOST);
    weir__injector_destroy(&rig.injector);
}

static void task_that_was_never_submitted_cannot_be_claimed(void **state) {
    struct weir_task task = {.flags = WEIR__TASK_FUTURE};

    (void)state;
    assert_int_equal(weir__claim_queued(&task, TASK_CANCELLED), CLAIM_LOST);
    assert_int_equal(state_of(&task), 0);
}

struct claimer {
    struct weir_task *task;
    _Atomic bool returned;
    enum weir__claim claim;
};

static void *claim_main(void *arg) {
    struct claimer *claimer = arg;

    claimer->claim = weir__claim_queued(claimer->task, TASK_CANCELLED);
    atomic_store_explicit(&claimer->returned, true, memory_order_release);
    return NULL;
}

static void claimer_waits_until_the_worker_lets_go(void **state) {
    struct rig rig;
    struct claimer claimer = {.task = &rig.task};

    (void)state;
    queue_task(&rig, WEIR__TASK_FUTURE);
    struct weir_task *in_hand = weir__injector_pop(&rig.injector, false);
    pthread_t thread = unit_thread(claim_main, &claimer);
    UNTIL(state_of(&rig.task) & TASK_CLAIMED);
    assert_false(atomic_load_explicit(&claimer.returned, memory_order_acquire));
    assert_false(weir__claim_take(in_hand, 0));
    unit_join(thread);
    assert_int_equal(claimer.claim, CLAIM_IN_HAND);
    assert_int_equal(state_of(&rig.task), TASK_QUEUED | TASK_CLAIMED | TASK_CANCELLED | TASK_TAKEN);
    weir__injector_destroy(&rig.injector);
}

#define SOAK_TURNS 4000u

struct soak {
    struct weir__injector injector;
    struct weir__deque *deque;
    struct weir_task *tasks[SOAK_TURNS];
    _Atomic unsigned next; /* queued so far: what the claimer may go for */
    _Atomic unsigned claimed;
};

static void *soak_claim(void *arg) {
    struct soak *soak = arg;

    for (unsigned i = 0; i < SOAK_TURNS; i++) {
        UNTIL(number_of(&soak->next) > i);
        if (weir__claim_queued(soak->tasks[i], 0) != CLAIM_LOST)
            add_one(&soak->claimed);
        free(soak->tasks[i]); /* taken or ours: a later touch is a bug that a sanitizer sees */
    }
    return NULL;
}

static unsigned take_one(struct soak *soak) {
    struct weir_task *task = weir__deque_pop(soak->deque);

    if (!task)
        task = weir__injector_pop_batch(&soak->injector, 0, soak->deque, 2);
    return task && weir__claim_take(task, 0);
}

static void worker_and_claimer_win_each_task_exactly_once(void **state) {
    struct soak *soak = calloc(1, sizeof *soak);
    unsigned taken = 0;

    (void)state;
    assert_non_null(soak);
    soak->deque = aligned_alloc(64, sizeof *soak->deque);
    assert_non_null(soak->deque);
    memset(soak->deque, 0, sizeof *soak->deque);
    weir__injector_init(&soak->injector, 1);
    for (unsigned i = 0; i < SOAK_TURNS; i++) {
        soak->tasks[i] = calloc(1, sizeof *soak->tasks[i]);
        assert_non_null(soak->tasks[i]);
        soak->tasks[i]->flags = WEIR__TASK_FUTURE;
    }
    pthread_t thread = unit_thread(soak_claim, soak);
    for (unsigned i = 0; i < SOAK_TURNS; i++) {
        weir__injector_push(&soak->injector, &soak->tasks[i], 1);
        add_one(&soak->next);
        if (i % 4 == 3)
            for (int k = 0; k < 4; k++)
                taken += take_one(soak);
    }
    while (weir__injector_count(&soak->injector) > 0 || weir__deque_size(soak->deque) > 0)
        taken += take_one(soak);
    unit_join(thread);
    assert_int_equal(taken + number_of(&soak->claimed), SOAK_TURNS);
    weir__injector_destroy(&soak->injector);
    free(soak->deque);
    free(soak);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(plain_task_belongs_to_whoever_took_it_out),
        ONCE(claimer_of_a_queued_task_takes_it_out),
        ONCE(claimer_comes_too_late_for_a_taken_task),
        ONCE(task_that_was_never_submitted_cannot_be_claimed),
        ONCE(claimer_waits_until_the_worker_lets_go),
        ONCE(worker_and_claimer_win_each_task_exactly_once),
    };
    return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
