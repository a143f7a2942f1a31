#include "ring.h"

#include "claim.h"
#include "test/unit.h"

#define CAPACITY_MOST 16u

/* A task that knows where it came from. */
struct item {
    struct weir_task task;
    unsigned producer, number;
    _Atomic unsigned taken;
};

static struct item *item_of(struct weir_task *task) {
    return (struct item *)(void *)task;
}

static struct weir_task *pop(struct weir__ring *ring) {
    size_t freed = 0;

    return weir__ring_pop(ring, &freed, NULL, 0);
}

/* ---- One thread ---- */

/* Several laps, so that each slot is used again, at every level of filling. */
static void expect_laps(size_t capacity) {
    struct weir__ring_slot slots[CAPACITY_MOST];
    struct weir__ring ring;
    struct item items[CAPACITY_MOST + 1] = {{.producer = 0}};

    weir__ring_init(&ring, slots, capacity);
    for (size_t lap = 0; lap < 3 * capacity; lap++) {
        size_t n = lap % capacity + 1, freed = 0;
        for (size_t i = 0; i < n; i++)
            assert_int_equal(weir__ring_push(&ring, &items[i].task), RING_PUSHED);
        assert_int_equal(weir__ring_size(&ring), n);
        if (n == capacity)
            assert_int_equal(weir__ring_push(&ring, &items[capacity].task), RING_FULL);
        for (size_t i = 0; i < n; i++) {
            assert_true(weir__ring_is_ready(&ring));
            assert_ptr_equal(weir__ring_pop(&ring, &freed, NULL, 0), &items[i].task);
        }
        assert_int_equal(freed, n);
        assert_false(weir__ring_is_ready(&ring));
        assert_null(weir__ring_pop(&ring, &freed, NULL, 0));
        assert_int_equal(freed, n);
        assert_int_equal(weir__ring_size(&ring), 0);
    }
}

static void ring_of_any_capacity_is_first_in_first_out_and_bounded(void **state) {
    static const size_t capacities[] = {1, 2, 3, 4, 5, 7, 8, 16};

    (void)state;
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++)
        expect_laps(capacities[i]);
}

static void barred_ring_gives_nothing_until_the_bar_is_lifted(void **state) {
    struct weir__ring_slot slots[2];
    struct weir__ring ring;
    struct item a = {.number = 1};
    _Atomic uint32_t barrier = 3;
    size_t freed = 0;

    (void)state;
    weir__ring_init(&ring, slots, 2);
    assert_int_equal(weir__ring_push(&ring, &a.task), RING_PUSHED);
    assert_null(weir__ring_pop(&ring, &freed, &barrier, 1));
    assert_int_equal(freed, 0);
    atomic_store_explicit(&barrier, 2, memory_order_relaxed);
    assert_ptr_equal(weir__ring_pop(&ring, &freed, &barrier, 1), &a.task);
}

static void closed_ring_takes_nothing_and_gives_what_it_has(void **state) {
    struct weir__ring_slot slots[2];
    struct weir__ring ring;
    struct item a = {.number = 1}, b = {.number = 2};

    (void)state;
    weir__ring_init(&ring, slots, 2);
    assert_int_equal(weir__ring_push(&ring, &a.task), RING_PUSHED);
    weir__ring_close(&ring);
    weir__ring_close(&ring);
    assert_int_equal(weir__ring_push(&ring, &b.task), RING_CLOSED);
    assert_int_equal(weir__ring_pushed(&ring), 1);
    assert_int_equal(weir__ring_size(&ring), 1);
    assert_true(weir__ring_is_ready(&ring));
    assert_ptr_equal(pop(&ring), &a.task);
    assert_null(pop(&ring));
    assert_int_equal(weir__ring_push(&ring, &b.task), RING_CLOSED);
}

static void full_ring_that_closes_says_closed_and_not_full(void **state) {
    struct weir__ring_slot slots[1];
    struct weir__ring ring;
    struct item a = {.number = 1}, b = {.number = 2};

    (void)state;
    weir__ring_init(&ring, slots, 1);
    assert_int_equal(weir__ring_push(&ring, &a.task), RING_PUSHED);
    assert_int_equal(weir__ring_push(&ring, &b.task), RING_FULL);
    weir__ring_close(&ring);
    assert_int_equal(weir__ring_push(&ring, &b.task), RING_CLOSED);
}

static void init_futures(struct weir_future *futures, size_t n) {
    for (size_t i = 0; i < n; i++) {
        weir_future_init(&futures[i]);
        assert_non_null(weir_future_task(&futures[i], call_echo, NULL, 0));
    }
}

static struct weir_task *task_of(struct weir_future *future) {
    return &future->weir__task;
}

static void task_cancelled_before_it_came_leaves_a_position_that_carries_nothing(void **state) {
    struct weir__ring_slot slots[2];
    struct weir__ring ring;
    struct weir_future future;
    struct item a = {.number = 1};
    size_t freed = 0;

    (void)state;
    weir__ring_init(&ring, slots, 2);
    init_futures(&future, 1);
    assert_int_equal(weir_future_cancel(&future), 0);
    assert_int_equal(weir__ring_push(&ring, task_of(&future)), RING_CANCELLED);
    assert_int_equal(weir__ring_push(&ring, &a.task), RING_PUSHED);
    assert_int_equal(weir__ring_pushed(&ring), 2);
    assert_ptr_equal(weir__ring_pop(&ring, &freed, NULL, 0), &a.task);
    assert_int_equal(freed, 2);
    assert_int_equal(weir_future_fini(&future), 0);
}

static void expect_claimed(struct weir_future *future) {
    assert_int_equal(weir__claim_queued(task_of(future), 0), CLAIM_REMOVED);
}

static void claimers_empty_slots_and_pop_passes_them(void **state) {
    struct weir__ring_slot slots[4];
    struct weir__ring ring;
    struct weir_future futures[4];
    size_t freed = 0;

    (void)state;
    weir__ring_init(&ring, slots, 4);
    for (int lap = 0; lap < 5; lap++) {
        init_futures(futures, 4);
        for (int i = 0; i < 4; i++)
            assert_int_equal(weir__ring_push(&ring, task_of(&futures[i])), RING_PUSHED);
        expect_claimed(&futures[0]);
        expect_claimed(&futures[2]);
        expect_claimed(&futures[3]);
        assert_int_equal(weir__claim_queued(task_of(&futures[3]), 0), CLAIM_LOST);
        assert_int_equal(weir__ring_size(&ring), 4); /* emptied slots keep their places */
        freed = 0;
        assert_ptr_equal(weir__ring_pop(&ring, &freed, NULL, 0), task_of(&futures[1]));
        assert_int_equal(freed, 2);
        assert_true(weir__claim_take(task_of(&futures[1]), 0));
        assert_null(weir__ring_pop(&ring, &freed, NULL, 0));
        assert_int_equal(freed, 4);
    }
}

static void skip_spent_passes_emptied_slots_at_the_head_alone(void **state) {
    struct weir__ring_slot slots[3];
    struct weir__ring ring;
    struct weir_future futures[4];
    size_t freed = 0;

    (void)state;
    weir__ring_init(&ring, slots, 3);
    init_futures(futures, 4);
    assert_int_equal(weir__ring_skip_spent(&ring), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir__ring_push(&ring, task_of(&futures[i])), RING_PUSHED);
    expect_claimed(&futures[1]);
    assert_int_equal(weir__ring_skip_spent(&ring), 0);
    assert_int_equal(weir__ring_push(&ring, task_of(&futures[3])), RING_FULL);
    expect_claimed(&futures[0]);
    assert_int_equal(weir__ring_skip_spent(&ring), 2);
    assert_int_equal(weir__ring_size(&ring), 1);
    assert_int_equal(weir__ring_push(&ring, task_of(&futures[3])), RING_PUSHED);
    assert_ptr_equal(weir__ring_pop(&ring, &freed, NULL, 0), task_of(&futures[2]));
    assert_ptr_equal(weir__ring_pop(&ring, &freed, NULL, 0), task_of(&futures[3]));
}

/* ---- Several threads ---- */

#define PRODUCERS  3u
#define CONSUMERS  3u
#define EACH_MAKES 3000u

struct crowd {
    struct weir__ring ring;
    struct weir__ring_slot slots[CAPACITY_MOST];
    struct item items[PRODUCERS][EACH_MAKES];
    _Atomic unsigned next_producer, pushed, popped, out_of_order, producing;
};

static void *produce(void *arg) {
    struct crowd *crowd = arg;
    unsigned self = atomic_fetch_add_explicit(&crowd->next_producer, 1, memory_order_relaxed);
    bool closed = false;

    for (unsigned i = 0; i < EACH_MAKES && !closed; i++) {
        struct item *item = &crowd->items[self][i];
        item->producer = self;
        item->number = i;
        enum weir__ring_result result;
        while ((result = weir__ring_push(&crowd->ring, &item->task)) == RING_FULL)
            unit_yield();
        closed = result == RING_CLOSED;
        if (!closed)
            add_one(&crowd->pushed);
    }
    atomic_fetch_sub_explicit(&crowd->producing, 1, memory_order_release);
    return NULL;
}

/* What one consumer gets of one producer must come in order. */
static void *consume(void *arg) {
    struct crowd *crowd = arg;
    unsigned next[PRODUCERS] = {0};

    for (;;) {
        bool over = number_of(&crowd->producing) == 0; /* before the look */
        struct weir_task *task = pop(&crowd->ring);
        if (!task && over)
            return NULL;
        if (!task) {
            unit_yield();
            continue;
        }
        struct item *item = item_of(task);
        if (item->number < next[item->producer])
            add_one(&crowd->out_of_order);
        next[item->producer] = item->number + 1;
        add_one(&item->taken);
        add_one(&crowd->popped);
    }
}

static struct crowd *run_crowd(size_t capacity, unsigned close_after) {
    struct crowd *crowd = calloc(1, sizeof *crowd);
    pthread_t threads[PRODUCERS + CONSUMERS];

    assert_non_null(crowd);
    weir__ring_init(&crowd->ring, crowd->slots, capacity);
    atomic_init(&crowd->producing, PRODUCERS);
    for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++)
        threads[i] = unit_thread(i < PRODUCERS ? produce : consume, crowd);
    UNTIL(number_of(&crowd->popped) >= close_after);
    weir__ring_close(&crowd->ring);
    for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++)
        unit_join(threads[i]);
    return crowd;
}

static unsigned most_taken(struct crowd *crowd, unsigned *least) {
    unsigned most = 0;

    *least = 2;
    for (unsigned p = 0; p < PRODUCERS; p++) {
        for (unsigned i = 0; i < EACH_MAKES; i++) {
            unsigned taken = number_of(&crowd->items[p][i].taken);
            most = taken > most ? taken : most;
            *least = taken < *least ? taken : *least;
        }
    }
    return most;
}

static void each_task_comes_out_once_and_in_its_producers_order(void **state) {
    static const size_t capacities[] = {1, 2, 3, 5, 16};
    unsigned least;

    (void)state;
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
        struct crowd *crowd = run_crowd(capacities[i], PRODUCERS * EACH_MAKES);
        assert_int_equal(number_of(&crowd->popped), PRODUCERS * EACH_MAKES);
        assert_int_equal(most_taken(crowd, &least), 1);
        assert_int_equal(least, 1);
        assert_int_equal(number_of(&crowd->out_of_order), 0);
        assert_int_equal(weir__ring_pushed(&crowd->ring), PRODUCERS * EACH_MAKES);
        free(crowd);
    }
}

/* A push that won its position before the gate shut is popped; one that came later fails. */
static void what_races_with_close_is_popped_or_refused(void **state) {
    unsigned least;

    (void)state;
    for (unsigned turn = 0; turn < 20; turn++) {
        struct crowd *crowd = run_crowd(1 + turn % 5, 1 + 37 * turn);
        assert_int_equal(number_of(&crowd->pushed), number_of(&crowd->popped));
        assert_int_equal(weir__ring_pushed(&crowd->ring), number_of(&crowd->popped));
        assert_true(most_taken(crowd, &least) <= 1);
        free(crowd);
    }
}

/* ---- Claimers against poppers ---- */

#define ROUNDS 2000u

struct contest {
    struct weir__ring ring;
    struct weir__ring_slot slots[3];
    struct weir_future futures[ROUNDS];
    _Atomic unsigned pushed, popped, claimed;
    _Atomic unsigned outcomes[ROUNDS];
};

static void won(struct contest *contest, struct weir_task *task) {
    struct weir_future *future = (struct weir_future *)(void *)task;

    add_one(&contest->outcomes[future - contest->futures]);
}

static void *take_futures(void *arg) {
    struct contest *contest = arg;

    while (number_of(&contest->popped) + number_of(&contest->claimed) < ROUNDS) {
        struct weir_task *task = pop(&contest->ring);
        if (!task) {
            weir__ring_skip_spent(&contest->ring);
            unit_yield();
        } else if (weir__claim_take(task, 0)) {
            won(contest, task);
            add_one(&contest->popped);
        }
    }
    return NULL;
}

static void *claim_futures(void *arg) {
    struct contest *contest = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        UNTIL(number_of(&contest->pushed) > i);
        enum weir__claim claim = weir__claim_queued(task_of(&contest->futures[i]), 0);
        if (claim == CLAIM_LOST)
            continue;
        won(contest, task_of(&contest->futures[i]));
        add_one(&contest->claimed);
    }
    return NULL;
}

static void poppers_and_claimers_win_each_task_once(void **state) {
    struct contest *contest = calloc(1, sizeof *contest);
    pthread_t threads[3];

    (void)state;
    assert_non_null(contest);
    init_futures(contest->futures, ROUNDS);
    weir__ring_init(&contest->ring, contest->slots, 3);
    for (int i = 0; i < 3; i++)
        threads[i] = unit_thread(i < 2 ? take_futures : claim_futures, contest);
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (weir__ring_push(&contest->ring, task_of(&contest->futures[i])) == RING_FULL)
            unit_yield();
        add_one(&contest->pushed);
    }
    for (int i = 0; i < 3; i++)
        unit_join(threads[i]);
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(number_of(&contest->outcomes[i]), 1);
    weir__ring_skip_spent(&contest->ring);
    assert_int_equal(weir__ring_size(&contest->ring), 0);
    free(contest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(ring_of_any_capacity_is_first_in_first_out_and_bounded),
        ONCE(barred_ring_gives_nothing_until_the_bar_is_lifted),
        ONCE(closed_ring_takes_nothing_and_gives_what_it_has),
        ONCE(full_ring_that_closes_says_closed_and_not_full),
        ONCE(task_cancelled_before_it_came_leaves_a_position_that_carries_nothing),
        ONCE(claimers_empty_slots_and_pop_passes_them),
        ONCE(skip_spent_passes_emptied_slots_at_the_head_alone),
        ONCE(each_task_comes_out_once_and_in_its_producers_order),
        ONCE(what_races_with_close_is_popped_or_refused),
        ONCE(poppers_and_claimers_win_each_task_once),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
