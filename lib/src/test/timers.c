#include "timers.h"

int timer_get(struct weir_timer *timer) {
    return weir_future_get(weir_timer_future(timer), NULL, WEIR_FOREVER);
}

enum weir_future_state timer_state(struct weir_timer *timer) {
    return weir_future_state(weir_timer_future(timer));
}

void timer_finish(struct weir_timer *timer) {
    assert_int_equal(weir_timer_fini(timer), 0);
    memset(timer, 0xA5, sizeof *timer);
}

static int note_run(void *arg, void **value) {
    struct series *series = arg;
    if (!series)
        abort(); /* a compiler that sees the whole program takes it for possible, and warns */
    uint64_t n = weir_timer_runs(&series->timer);

    *value = arg;
    if (atomic_fetch_add_explicit(&series->inside, 1, memory_order_relaxed) != 0)
        add_one(&series->overlaps);
    if (n < 8) {
        series->begun_ns[n] = weir_now_ns();
        series->due_ns[n] = weir_timer_due(&series->timer);
    }
    atomic_fetch_sub_explicit(&series->inside, 1, memory_order_relaxed);
    event_raise(&series->ran);
    return n + 1 == series->last ? series->ends_with : 0;
}

void series_init(struct series *series, uint32_t flags) {
    *series = (struct series){.last = 0};
    weir_timer_init(&series->timer, note_run, series, flags);
}

static int run_held(void *arg, void **value) {
    struct held *held = arg;

    plug_call(&held->plug, value);
    *value = held;
    if (held->ask) {
        held->get_rc = timer_get(&held->timer);
        held->cancel_rc = weir_timer_cancel(&held->timer);
    }
    return 0;
}

void held_init(struct held *held, uint32_t flags) {
    *held = (struct held){.ask = false};
    weir_timer_init(&held->timer, run_held, held, flags);
}

void keep_worker(struct keeper *keeper, struct weir_pool *pool) {
    *keeper = (struct keeper){.pool = pool};
    assert_int_equal(weir_pool_execute(pool, plug_run, &keeper->plug), 0);
    event_await(&keeper->plug.begun, 1);
}

void free_worker(struct keeper *keeper) {
    event_raise(&keeper->plug.release);
}
