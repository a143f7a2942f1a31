#include "platform/condition.h"

#include "test/unit.h"

struct rig {
    pthread_mutex_t mutex;
    struct weir__condition condition;
    unsigned tickets, served, waiting;
};

static void set_up(struct rig *rig) {
    *rig = (struct rig){.tickets = 0};
    pthread_mutex_init(&rig->mutex, NULL);
}

static void wait_times_out_with_the_mutex_held(void **state) {
    struct rig rig;

    (void)state;
    set_up(&rig);
    pthread_mutex_lock(&rig.mutex);
    assert_int_equal(weir__condition_wait(&rig.condition, &rig.mutex, 1), -ETIMEDOUT);
    assert_int_equal(pthread_mutex_trylock(&rig.mutex), EBUSY);
    assert_int_equal(rig.condition.waiters, 0);
    pthread_mutex_unlock(&rig.mutex);
    pthread_mutex_destroy(&rig.mutex);
}

static void signal_to_nobody_is_not_kept(void **state) {
    struct rig rig;

    (void)state;
    set_up(&rig);
    pthread_mutex_lock(&rig.mutex);
    weir__condition_signal(&rig.condition);
    weir__condition_broadcast(&rig.condition);
    assert_int_equal(weir__condition_wait(&rig.condition, &rig.mutex, 1), -ETIMEDOUT);
    pthread_mutex_unlock(&rig.mutex);
    pthread_mutex_destroy(&rig.mutex);
}

/* Takes one ticket. */
static void *take_ticket(void *arg) {
    struct rig *rig = arg;

    pthread_mutex_lock(&rig->mutex);
    rig->waiting++;
    while (rig->tickets == 0)
        weir__condition_wait(&rig->condition, &rig->mutex, WEIR_FOREVER);
    rig->tickets--;
    rig->served++;
    pthread_mutex_unlock(&rig->mutex);
    return NULL;
}

static unsigned waiting(struct rig *rig) {
    pthread_mutex_lock(&rig->mutex);
    unsigned n = rig->waiting;
    pthread_mutex_unlock(&rig->mutex);
    return n;
}

static void serve(bool broadcast) {
    struct rig rig;
    pthread_t threads[4];

    set_up(&rig);
    for (int i = 0; i < 4; i++)
        threads[i] = unit_thread(take_ticket, &rig);
    UNTIL(waiting(&rig) == 4); /* all wait: they let go of the mutex nowhere else */
    pthread_mutex_lock(&rig.mutex);
    rig.tickets = 4;
    for (int i = 0; i < 4 && !broadcast; i++)
        weir__condition_signal(&rig.condition);
    if (broadcast)
        weir__condition_broadcast(&rig.condition);
    pthread_mutex_unlock(&rig.mutex);
    for (int i = 0; i < 4; i++)
        unit_join(threads[i]);
    assert_int_equal(rig.served, 4);
    pthread_mutex_destroy(&rig.mutex);
}

static void n_signals_serve_n_waiters(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++)
        serve(false);
}

static void broadcast_serves_all(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++)
        serve(true);
}

#define SOAK_TURNS   5000u
#define SOAK_THREADS 3

/* Short deadlines between the signals: one spent on a waiter that times out must not be lost. */
static void *take_many(void *arg) {
    struct rig *rig = arg;

    pthread_mutex_lock(&rig->mutex);
    for (;;) {
        for (int late = 0; rig->tickets == 0 && !late;)
            late = weir__condition_wait(&rig->condition, &rig->mutex, weir_after(20000));
        if (rig->served == SOAK_TURNS)
            break;
        if (rig->tickets == 0) {
            while (rig->tickets == 0 && rig->served < SOAK_TURNS)
                weir__condition_wait(&rig->condition, &rig->mutex, WEIR_FOREVER);
            continue;
        }
        rig->tickets--;
        if (++rig->served == SOAK_TURNS)
            weir__condition_broadcast(&rig->condition);
    }
    pthread_mutex_unlock(&rig->mutex);
    return NULL;
}

static void no_signal_is_lost_among_waiters_that_time_out(void **state) {
    struct rig rig;
    pthread_t threads[SOAK_THREADS];

    (void)state;
    set_up(&rig);
    for (int i = 0; i < SOAK_THREADS; i++)
        threads[i] = unit_thread(take_many, &rig);
    for (unsigned i = 0; i < SOAK_TURNS; i++) {
        pthread_mutex_lock(&rig.mutex);
        rig.tickets++;
        weir__condition_signal(&rig.condition);
        pthread_mutex_unlock(&rig.mutex);
        if (i % 32 == 0)
            unit_yield();
    }
    for (int i = 0; i < SOAK_THREADS; i++)
        unit_join(threads[i]);
    assert_int_equal(rig.tickets, 0);
    pthread_mutex_destroy(&rig.mutex);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ONCE(wait_times_out_with_the_mutex_held),
        ONCE(signal_to_nobody_is_not_kept),
        ONCE(n_signals_serve_n_waiters),
        ONCE(broadcast_serves_all),
        ONCE(no_signal_is_lost_among_waiters_that_time_out),
    };
    return cmocka_run_group_tests_name("condition", tests, NULL, NULL);
}
