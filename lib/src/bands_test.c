/* Priorities: bands of tasks, the lowest number first. */
#include <weir/pool.h>

#include "test/unit.h"

#define MOST 64u

/* A task that notes when it began, among others. */
struct ranked {
    struct weir_task task;
    unsigned rank;
    _Atomic unsigned runs, drops;
};

static _Atomic unsigned begun;

static int run_ranked(struct weir_task *task) {
    struct ranked *ranked = (struct ranked *)(void *)task;

    ranked->rank = atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed);
    add_one(&ranked->runs);
    return 0;
}

static void drop_ranked(struct weir_task *task, int error) {
    (void)error;
    add_one(&((struct ranked *)(void *)task)->drops);
}

static struct weir_task *ranked_init(struct ranked *ranked, uint32_t band) {
    *ranked = (struct ranked){
        .task = {.run = run_ranked, .drop = drop_ranked, .flags = WEIR_TASK_BAND(band)}};
    return &ranked->task;
}

static struct weir_pool *open_pool(void **state, unsigned threads, uint32_t bands, size_t capacity,
                                   enum weir_full_policy full) {
    struct weir_pool_options options = unit_options();

    options.bands = bands;
    options.capacity = capacity;
    options.full = full;
    options.deferred_start = true;
    return unit_pool(unit_scheduler(state), threads, &options);
}

static void run_all(struct weir_pool *pool) {
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
}

static void expect_in_order(struct ranked *ranked, unsigned n, uint32_t bands) {
    for (unsigned a = 0; a < n; a++)
        for (unsigned b = a + 1; b < n; b++) /* submitted later */
            assert_int_equal(ranked[a].rank < ranked[b].rank, a % bands <= b % bands);
}

/* ---- Order ---- */

static void lower_band_starts_first_and_each_band_in_order(void **state) {
    struct ranked ranked[MOST];
    const unsigned n = 48; /* fewer than the fair turns are apart */

    for (uint32_t bands = 1; bands <= WEIR_MAX_BANDS; bands++) {
        struct weir_pool *pool = open_pool(state, 1, bands, 0, WEIR_FULL_REJECT);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(weir_pool_submit(pool, ranked_init(&ranked[i], i % bands)), 0);
        run_all(pool);
        expect_in_order(ranked, n, bands);
        unit_free(pool);
    }
}

static void batch_is_sorted_into_its_bands(void **state) {
    struct weir_pool *pool = open_pool(state, 1, 3, 0, WEIR_FULL_REJECT);
    struct weir_task *tasks[30];
    struct ranked ranked[30];

    for (unsigned i = 0; i < 30; i++)
        tasks[i] = ranked_init(&ranked[i], i % 3);
    assert_int_equal(weir_pool_submit_batch(pool, tasks, 30), 30);
    run_all(pool);
    expect_in_order(ranked, 30, 3);
    unit_free(pool);
}

struct insider {
    struct weir_pool *pool;
    struct ranked ranked[3][4];
};

/* Least urgent first. */
static int submit_inside(void *arg, void **value) {
    struct insider *insider = arg;

    (void)value;
    for (uint32_t band = 3; band-- > 0;)
        for (int i = 0; i < 4; i++)
            if (weir_pool_submit(insider->pool, ranked_init(&insider->ranked[band][i], band)))
                abort();
    return 0;
}

static void workers_own_tasks_start_by_band_too(void **state) {
    struct insider insider = {.pool = open_pool(state, 1, 3, 0, WEIR_FULL_REJECT)};
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(insider.pool, submit_inside, &insider, &future), 0);
    run_all(insider.pool);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            for (int band = 0; band < 2; band++)
                assert_true(insider.ranked[band][i].rank < insider.ranked[band + 1][j].rank);
    weir_future_unref(future);
    unit_free(insider.pool);
}

static int call_rank(void *arg, void **value) {
    (void)arg;
    *value = (void *)(uintptr_t)atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed);
    return 0;
}

static void future_has_the_band_of_its_flags_and_async_is_urgent(void **state) {
    struct weir_pool *pool = open_pool(state, 1, 2, 0, WEIR_FULL_REJECT);
    struct weir_future later, *urgent = NULL;
    void *values[2];

    weir_future_init(&later);
    assert_int_equal(
        weir_pool_submit(pool, weir_future_task(&later, call_rank, NULL, WEIR_TASK_BAND(1))), 0);
    assert_int_equal(weir_pool_async(pool, call_rank, NULL, &urgent), 0);
    run_all(pool);
    assert_int_equal(weir_future_get(&later, &values[0], WEIR_NOW), 0);
    assert_int_equal(weir_future_get(urgent, &values[1], WEIR_NOW), 0);
    assert_true((uintptr_t)values[1] < (uintptr_t)values[0]);
    weir_future_unref(urgent);
    assert_int_equal(weir_future_fini(&later), 0);
    unit_free(pool);
}

/* ---- Fairness ---- */

/* Submits itself again, most urgent, until the patient ones have run. */
struct chain {
    struct weir_task task;
    struct weir_pool *pool;
    _Atomic unsigned *patient;
    unsigned turns;
};

static int run_chain(struct weir_task *task) {
    struct chain *chain = (struct chain *)(void *)task;

    chain->turns++;
    if (number_of(chain->patient) < 2)
        weir_pool_submit(chain->pool, task);
    return 0;
}

static int run_patient(struct weir_task *task) {
    struct ranked *ranked = (struct ranked *)(void *)task;

    add_one(&ranked->runs);
    add_one(&begun);
    return 0;
}

static int submit_patient(void *arg, void **value) {
    struct ranked *ranked = arg;
    struct weir_pool *pool = *value;

    return weir_pool_submit(pool, &ranked->task);
}

struct inside_job {
    struct weir_pool *pool;
    struct ranked *ranked;
};

static int submit_patient_inside(void *arg, void **value) {
    struct inside_job *job = arg;

    *value = job->pool;
    return submit_patient(job->ranked, value);
}

static void urgent_tasks_that_never_end_do_not_starve_the_last_band(void **state) {
    struct weir_pool *pool = open_pool(state, 1, 4, 0, WEIR_FULL_REJECT);
    struct ranked outside, inside;
    struct inside_job job = {pool, &inside};
    struct chain chains[2];
    struct weir_future *future = NULL;

    atomic_store_explicit(&begun, 0, memory_order_relaxed);
    ranked_init(&outside, 3)->run = run_patient;
    ranked_init(&inside, 3)->run = run_patient;
    assert_int_equal(weir_pool_submit(pool, &outside.task), 0);
    assert_int_equal(weir_pool_async(pool, submit_patient_inside, &job, &future), 0);
    for (int i = 0; i < 2; i++) {
        chains[i] = (struct chain){.task = {.run = run_chain}, .pool = pool, .patient = &begun};
        assert_int_equal(weir_pool_submit(pool, &chains[i].task), 0);
    }
    run_all(pool); /* or the watchdog ends the test */
    assert_int_equal(number_of(&outside.runs), 1);
    assert_int_equal(number_of(&inside.runs), 1);
    assert_true(chains[0].turns + chains[1].turns > 20); /* urgent all the same */
    weir_future_unref(future);
    unit_free(pool);
}

/* ---- Refusals and bounds ---- */

static void band_that_the_pool_has_not_is_refused(void **state) {
    for (uint32_t bands = 0; bands <= 7; bands += 7) {
        struct weir_pool *pool = open_pool(state, 1, bands, 0, WEIR_FULL_REJECT);
        struct ranked good, bad;
        struct weir_task *batch[2] = {ranked_init(&good, bands ? bands - 1 : 0),
                                      ranked_init(&bad, bands ? bands : 1)};
        assert_int_equal(weir_pool_submit(pool, &bad.task), -EINVAL);
        assert_int_equal(weir_pool_submit_until(pool, &bad.task, WEIR_NOW), -EINVAL);
        assert_int_equal(weir_pool_submit_batch(pool, batch, 2), -EINVAL);
        assert_int_equal(weir_pool_submit(pool, &good.task), 0);
        run_all(pool);
        assert_int_equal(number_of(&good.runs), 1);
        assert_int_equal(number_of(&bad.runs) + number_of(&bad.drops), 0);
        unit_free(pool);
    }
    struct weir_pool_options options = unit_options();
    struct weir_pool *pool = NULL;
    options.scheduler = unit_scheduler(state);
    options.bands = WEIR_MAX_BANDS + 1;
    assert_int_equal(weir_pool_new(&pool, &options), -EINVAL);
}

static void capacity_bounds_all_bands_together(void **state) {
    struct weir_pool *pool = open_pool(state, 1, 3, 4, WEIR_FULL_REJECT);
    struct ranked ranked[6];

    for (int lap = 0; lap < 3; lap++) {
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(weir_pool_submit(pool, ranked_init(&ranked[i], i % 3)), 0);
        for (uint32_t band = 0; band < 3; band++)
            assert_int_equal(weir_pool_submit(pool, ranked_init(&ranked[4], band)), -EAGAIN);
        assert_int_equal(unit_stats(pool).queued, 4);
        /* One band alone may fill it. */
        struct weir_taken taken[4];
        assert_int_equal(weir_pool_take_back(pool, taken, 4), 4);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(weir_pool_submit(pool, ranked_init(&ranked[i], 2)), 0);
        assert_int_equal(weir_pool_submit(pool, ranked_init(&ranked[4], 2)), -EAGAIN);
        assert_int_equal(weir_pool_take_back(pool, taken, 3), 3);
        assert_int_equal(weir_pool_remove(pool, &ranked[3].task), 0);
    }
    run_all(pool);
    unit_free(pool);
}

static void cancelled_calls_leave_their_places_in_every_band(void **state) {
    struct weir_pool *pool = open_pool(state, 1, 2, 3, WEIR_FULL_REJECT);

    for (int lap = 0; lap < 5; lap++) {
        struct weir_future futures[3];
        for (unsigned i = 0; i < 3; i++) {
            weir_future_init(&futures[i]);
            assert_int_equal(weir_pool_submit(pool, weir_future_task(&futures[i], call_echo, NULL,
                                                                     WEIR_TASK_BAND(lap % 2))),
                             0);
        }
        for (unsigned i = 3; i-- > 0;) /* the youngest first: its slot is passed last */
            assert_int_equal(weir_future_cancel(&futures[i]), 0);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(weir_future_fini(&futures[i]), 0);
        assert_int_equal(unit_stats(pool).queued, 0);
    }
    run_all(pool);
    assert_int_equal(unit_stats(pool).cancelled, 15);
    unit_free(pool);
}

/* ---- All together ---- */

/* What is dropped for a newcomer is the oldest of those that matter least. */
static void discard_oldest_spares_the_urgent(void **state) {
    struct weir_pool_options options;
    struct counted urgent, first, second, late;

    weir_pool_options_init(&options);
    options.deferred_start = true;
    options.bands = 2;
    options.capacity = 3;
    options.full = WEIR_FULL_DISCARD_OLDEST;
    struct weir_pool *pool = unit_pool(unit_scheduler(state), 1, &options);
    counted_init(&first)->flags = WEIR_TASK_BAND(1);
    counted_init(&second)->flags = WEIR_TASK_BAND(1);
    assert_int_equal(weir_pool_submit(pool, counted_init(&urgent)), 0);
    assert_int_equal(weir_pool_submit(pool, &first.task), 0);
    assert_int_equal(weir_pool_submit(pool, &second.task), 0);
    assert_int_equal(weir_pool_submit(pool, counted_init(&late)), 0);
    assert_int_equal(number_of(&first.drops), 1);
    assert_int_equal(unit_stats(pool).queued, 3);
    assert_int_equal(weir_pool_start(pool), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    assert_int_equal(number_of(&urgent.runs) + number_of(&second.runs) + number_of(&late.runs), 3);
    assert_int_equal(weir_pool_free(pool), 0);
}

static void tasks_of_all_bands_run_once_on_many_workers(void **state) {
    enum { TASKS = 3000 };
    struct weir_pool *pool = open_pool(state, 3, WEIR_MAX_BANDS, 100, WEIR_FULL_BLOCK);
    struct ranked *ranked = calloc(TASKS, sizeof *ranked);

    assert_non_null(ranked);
    assert_int_equal(weir_pool_start(pool), 0);
    for (unsigned i = 0; i < TASKS; i++)
        assert_int_equal(weir_pool_submit(pool, ranked_init(&ranked[i], i * 7 % 8)), 0);
    assert_int_equal(weir_pool_await_idle(pool, WEIR_FOREVER), 0);
    for (unsigned i = 0; i < TASKS; i++)
        assert_int_equal(number_of(&ranked[i].runs), 1);
    assert_int_equal(unit_stats(pool).queued, 0);
    unit_free(pool);
    free(ranked);
}

static void cancelling_shutdown_drops_every_band(void **state) {
    struct weir_pool *pool = open_pool(state, 1, 5, 0, WEIR_FULL_REJECT);
    struct ranked ranked[10];

    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(weir_pool_submit(pool, ranked_init(&ranked[i], i % 5)), 0);
    assert_int_equal(weir_pool_shutdown(pool, WEIR_CANCEL_PENDING), 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(number_of(&ranked[i].drops), 1);
    unit_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        EACH(lower_band_starts_first_and_each_band_in_order),
        EACH(batch_is_sorted_into_its_bands),
        EACH(workers_own_tasks_start_by_band_too),
        EACH(future_has_the_band_of_its_flags_and_async_is_urgent),
        EACH(urgent_tasks_that_never_end_do_not_starve_the_last_band),
        EACH(band_that_the_pool_has_not_is_refused),
        EACH(capacity_bounds_all_bands_together),
        EACH(cancelled_calls_leave_their_places_in_every_band),
        EACH(discard_oldest_spares_the_urgent),
        EACH(tasks_of_all_bands_run_once_on_many_workers),
        EACH(cancelling_shutdown_drops_every_band),
    };
    return cmocka_run_group_tests_name("bands", tests, NULL, NULL);
}
