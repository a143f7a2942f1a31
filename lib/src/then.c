/*
 * Dependent futures: weir_future_then.
 *
 * A dependent is a library-owned future with a callback on its source beside it. Three references:
 * the caller's; its task's, given up when it becomes terminal; and the callback's, given up once
 * the source has ended and the dependent been seen to. So neither an early unref nor a cancel frees
 * the callback while the source still links it (mutant then_without_callback_reference: two
 * references instead of three; a cancelled dependent that was let go is then called in freed
 * memory).
 *
 * The source may be freed by its owner as soon as its callbacks have returned, so the outcome is
 * copied in the callback (mutant then_reads_source_late: the call on the pool reads it there).
 *
 * Who ends the dependent is settled by its task's word, as everywhere (claim.h): the canceller
 * moves it from 0 to CLAIMED, the callback from 0 to TAKEN, a pool's submit from 0 to QUEUED.
 *
 * Ending a dependent calls its callbacks, which may be those of further dependents. They are put
 * into a list of the loop that runs farther out on this thread, so that a chain of any length needs
 * a few frames of stack. Only the callbacks of the very future that the loop is ending may do that:
 * a promise that a user's call sets in the meantime has dependents that the call may wait for.
 */
#include <errno.h>

#include "platform/point.h"
#include "pool.h"

struct dependent {
    struct weir_future future; /* first: freeing it frees all */
    struct weir_callback source_ended;
    struct weir_pool *pool;
    weir_continuation call;
    void *arg;
    uint32_t flags;
    enum weir_future_state source_state;
    int error;
    void *value;
    struct dependent *next; /* in the list of a loop */
};

struct loop {
    const struct weir_future *ending;
    struct dependent *first, **last;
};

static _Thread_local struct loop *innermost;

static int call_dependent(void *arg, void **value) {
    struct dependent *dependent = arg;

    return dependent->call(dependent->arg, dependent->error, dependent->value, value);
}

static bool wants_call(const struct dependent *dependent) {
    return dependent->source_state == WEIR_FUTURE_DONE || (dependent->flags & WEIR_THEN_ALWAYS);
}

/* Never waits: this thread ends something else, and others may wait for it. */
static void hand_to_pool(struct dependent *dependent) {
    struct weir_future *future = &dependent->future;
    int rc = weir_pool_submit_until(dependent->pool, &future->weir__task, WEIR_NOW);

    if (rc && rc != -ECANCELED) /* -ECANCELED: terminal already */
        weir__future_end_here(future, WEIR_FUTURE_FAILED, rc);
}

/* The source is terminal, and perhaps gone. */
static void see_to(struct dependent *dependent) {
    struct weir_future *future = &dependent->future;

    if (!wants_call(dependent))
        weir__future_end_here(future, dependent->source_state, dependent->error);
    else if (dependent->pool)
        hand_to_pool(dependent);
    else
        weir__future_run_here(future);
    WEIR__POINT("then.ended");
    weir_future_unref(future);
}

static void run_loop(struct dependent *dependent) {
    struct loop *outer = innermost, loop = {.first = dependent, .last = &dependent->next};

    innermost = &loop;
    while ((dependent = loop.first)) {
        loop.first = dependent->next;
        if (!loop.first)
            loop.last = &loop.first;
        loop.ending = &dependent->future;
        see_to(dependent);
    }
    innermost = outer;
}

static void source_ended(struct weir_future *source, void *arg) {
    struct dependent *dependent = arg;

    dependent->source_state = weir_future_state(source);
    dependent->error = source->weir__error;
    dependent->value = source->weir__value;
    dependent->next = NULL;
    if (innermost && innermost->ending == source) {
        *innermost->last = dependent;
        innermost->last = &dependent->next;
    } else {
        run_loop(dependent);
    }
}

int weir_future_then(struct weir_future *source, struct weir_pool *pool, weir_continuation call,
                     void *arg, uint32_t flags, struct weir_future **next) {
    if (!source || !call || !next || (flags & ~(uint32_t)WEIR_THEN_ALWAYS))
        return -EINVAL;
    static const struct weir_allocator c_library;
    struct weir_future *future =
        weir__future_new_within(pool ? weir__pool_allocator(pool) : &c_library,
                                sizeof(struct dependent), call_dependent, 3);
    if (!future)
        return -ENOMEM;
    struct dependent *dependent = (struct dependent *)(void *)future;
    dependent->source_ended = (struct weir_callback){.fn = source_ended, .arg = dependent};
    dependent->pool = pool;
    dependent->call = call;
    dependent->arg = arg;
    dependent->flags = flags;
    *next = &dependent->future;
    /* For a source that is terminal the promise is "at once", even in one of its callbacks. */
    struct loop *outer = innermost;
    innermost = NULL;
    weir_future_on_done(source, &dependent->source_ended);
    innermost = outer;
    return 0;
}
