/* What the tests of groups share: opening one, members of it, and a pool whose worker is busy. */
#ifndef WEIR__TEST_GROUP_H
#define WEIR__TEST_GROUP_H

#include <weir/group.h>

#include "unit.h"

#define VALUE ((void *)&value_itself)
static int value_itself;

static inline struct weir_group *open_group(struct weir_group *group, struct weir_pool *pool,
                                            enum weir_group_policy policy) {
    assert_int_equal(weir_group_init(group, pool, policy, NULL), 0);
    return group;
}

static inline void add(struct weir_group *group, weir_call call, void *arg) {
    assert_int_equal(weir_group_async(group, call, arg, NULL), 0);
}

static inline int count_run(void *arg, void **value) {
    (void)value;
    add_one((_Atomic unsigned *)arg);
    return 0;
}

struct hold {
    struct weir_pool *pool;
    struct plug plug;
};

/* One worker, busy: what is added stays queued. */
static inline void hold_worker(struct hold *hold, void **state) {
    *hold = (struct hold){.pool = unit_pool(unit_scheduler(state), 1, NULL)};
    weir_pool_execute(hold->pool, plug_run, &hold->plug);
    event_await(&hold->plug.begun, 1);
}

static inline void let_go(struct hold *hold) {
    event_raise(&hold->plug.release);
    assert_int_equal(weir_pool_free(hold->pool), 0);
}

#endif
