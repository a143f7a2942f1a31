#include "occupied.h"

struct weir_pool_options occupied_options(void **state) {
    struct weir_pool_options options;

    weir_pool_options_init(&options);
    options.scheduler = unit_scheduler(state);
    options.threads = 1;
    return options;
}

void occupied_make(struct occupied *occupied, const struct weir_pool_options *options) {
    *occupied = (struct occupied){.pool = NULL};
    assert_int_equal(weir_pool_new(&occupied->pool, options), 0);
    assert_int_equal(weir_pool_execute(occupied->pool, plug_run, &occupied->plug), 0);
    event_await(&occupied->plug.begun, 1);
}

void occupied_end(struct occupied *occupied) {
    event_raise(&occupied->plug.release);
    assert_int_equal(weir_pool_await_idle(occupied->pool, WEIR_FOREVER), 0);
    assert_int_equal(weir_pool_free(occupied->pool), 0);
}

struct weir_future *queue_echo(struct weir_pool *pool, void *value) {
    struct weir_future *future = NULL;

    assert_int_equal(weir_pool_async(pool, call_echo, value, &future), 0);
    return future;
}

int get_and_unref(struct weir_future *future) {
    int rc = weir_future_get(future, NULL, WEIR_FOREVER);

    weir_future_unref(future);
    return rc;
}
