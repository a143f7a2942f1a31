/*
 * Timers, as the tests of timer.c use them: series that note their runs, calls that are held, and a
 * worker that is kept busy.
 */
#ifndef WEIR__TEST_TIMERS_H
#define WEIR__TEST_TIMERS_H

#include "unit.h"

#define MS    UINT64_C(1000000)
#define LATER (3600 * UINT64_C(1000000000)) /* an hour: never in a test */

int timer_get(struct weir_timer *timer); /* waits for the end */
enum weir_future_state timer_state(struct weir_timer *timer);
void timer_finish(struct weir_timer *timer); /* fini, and nothing valid is left */

/* A series that notes what its runs are like. */
struct series {
    struct weir_timer timer;
    struct event ran;
    unsigned last; /* run that ends the series; 0: none */
    int ends_with;
    _Atomic unsigned inside, overlaps;
    uint64_t begun_ns[8], due_ns[8];
};
void series_init(struct series *series, uint32_t flags);

/* A timer whose call is held; then it asks for its own end if it is to. */
struct held {
    struct weir_timer timer;
    struct plug plug;
    int get_rc, cancel_rc;
    bool ask;
};
void held_init(struct held *held, uint32_t flags);

/* Occupies a pool's only worker. */
struct keeper {
    struct weir_pool *pool;
    struct plug plug;
};
void keep_worker(struct keeper *keeper, struct weir_pool *pool);
void free_worker(struct keeper *keeper);

#endif
