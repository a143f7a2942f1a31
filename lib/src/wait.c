/*
 * weir_wait: one sleep for many futures.
 *
 * The waiter hangs a callback on each future that is not terminal. left counts the callbacks that
 * have not been called; a callback's last touch of the waiter is its decrement of left, so when
 * the waiter has taken back the callbacks that were not called, and left equals their number, no
 * other thread can reach its stack any more. Waiting for all needs one wake-up, at zero; the bit
 * WAKE_EACH in the same word asks for one at every decrement, and since it shares the word with
 * the count, a callback sees it or the waiter sees the decrement. A future that did not end DONE
 * leaves ERRED there with the same decrement: a second access for it could find the stack gone.
 */
#include <errno.h>
#include <stdlib.h>

#include "frame.h"
#include "future.h"
#include "platform/futex.h"
#include "platform/point.h"

#define WAKE_EACH (UINT32_C(1) << 31)
#define ERRED     (UINT32_C(1) << 30)
#define COUNT     (ERRED - 1)
#define ON_STACK  ((size_t)32)
#define MOST      ((size_t)1 << 29)

struct waiter {
    _Atomic uint32_t left;
};

static bool has_erred(struct weir_future *future) {
    return weir_future_state(future) > WEIR_FUTURE_DONE;
}

static void called(struct weir_future *future, void *arg) {
    struct waiter *waiter = arg;
    uint32_t erred = has_erred(future) ? ERRED : 0;
    uint32_t before = atomic_load_explicit(&waiter->left, memory_order_relaxed);

    WEIR__POINT("wait.called");
    /* Release: the future's value happens before the waiter's return. */
    while (!atomic_compare_exchange_weak_explicit(&waiter->left, &before, (before - 1) | erred,
                                                  memory_order_release, memory_order_relaxed))
        ;
    if ((before & COUNT) == 1 || (before & WAKE_EACH) || (erred & ~before))
        weir__futex_wake_one(&waiter->left); /* the address alone */
}

/* Until at most most callbacks are left, or one of the bits in early is set. */
static int await_left(struct waiter *waiter, size_t most, uint32_t early, uint64_t deadline_ns) {
    for (int late = 0;;) {
        uint32_t left = atomic_load_explicit(&waiter->left, memory_order_acquire);
        if ((left & COUNT) <= most || (left & early))
            return 0;
        if (late)
            return late;
        late = weir__futex_wait(&waiter->left, left, deadline_ns);
    }
}

/* The first that alone ends a wait of this mode, or -1. */
static ptrdiff_t find_decisive(struct weir_future *const *futures, size_t n,
                               enum weir_wait_mode mode) {
    for (size_t i = 0; mode != WEIR_ALL && i < n; i++)
        if (mode == WEIR_ANY ? weir__future_is_terminal(futures[i]) : has_erred(futures[i]))
            return (ptrdiff_t)i;
    return -1;
}

/* Runs queued calls here where the rules allow, until one of them decides. */
static void claim_some(struct weir_future *const *futures, size_t n, enum weir_wait_mode mode) {
    for (size_t i = 0; i < n; i++)
        if (weir__future_claim(futures[i]) && find_decisive(&futures[i], 1, mode) == 0)
            return;
}

/* How many are not terminal, and whether the caller is inside each of those. */
static size_t count_pending(struct weir_future *const *futures, size_t n, size_t *own) {
    size_t pending = 0;

    *own = 0;
    for (size_t i = 0; i < n; i++) {
        if (weir__future_is_terminal(futures[i]))
            continue;
        pending++;
        *own += weir__frame_inside_task(&futures[i]->weir__task);
    }
    return pending;
}

static int sleep_for(struct weir_future *const *futures, size_t n, struct weir_callback *callbacks,
                     enum weir_wait_mode mode, uint64_t deadline_ns) {
    struct waiter waiter;
    size_t taken_back = 0;

    atomic_init(&waiter.left, (uint32_t)n | (mode == WEIR_ANY ? WAKE_EACH : 0));
    for (size_t i = 0; i < n; i++) {
        callbacks[i] = (struct weir_callback){.fn = called, .arg = &waiter};
        weir_future_on_done(futures[i], &callbacks[i]);
    }
    int rc = await_left(&waiter, mode == WEIR_ANY ? n - 1 : 0, mode == WEIR_FIRST_ERROR ? ERRED : 0,
                        deadline_ns);

    atomic_fetch_or_explicit(&waiter.left, WAKE_EACH, memory_order_relaxed);
    for (size_t i = 0; i < n; i++)
        taken_back += weir__future_remove_callback(futures[i], &callbacks[i]);
    await_left(&waiter, taken_back, 0, WEIR_FOREVER);
    return rc;
}

static bool any_null(struct weir_future *const *futures, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!futures[i])
            return true;
    return false;
}

ptrdiff_t weir_wait(struct weir_future *const *futures, size_t n, enum weir_wait_mode mode,
                    uint64_t deadline_ns) {
    struct weir_callback on_stack[ON_STACK], *callbacks = on_stack;
    const ptrdiff_t all = mode == WEIR_FIRST_ERROR ? (ptrdiff_t)n : 0; /* answer: all are done */
    size_t own;

    if ((!futures && n) || n > MOST || mode > WEIR_FIRST_ERROR || (mode == WEIR_ANY && n == 0) ||
        any_null(futures, n))
        return -EINVAL;
    ptrdiff_t index = find_decisive(futures, n, mode);
    if (index >= 0)
        return index;
    claim_some(futures, n, mode);
    /* Counted first: what is terminal then is seen by the search after it. */
    size_t pending = count_pending(futures, n, &own);
    if ((index = find_decisive(futures, n, mode)) >= 0)
        return index;
    if (pending == 0)
        return all;
    if (mode == WEIR_ANY ? own == n : own > 0)
        return -EDEADLK;
    if (deadline_ns == WEIR_NOW)
        return -EAGAIN;
    if (n > ON_STACK && !(callbacks = malloc(n * sizeof *callbacks)))
        return -ENOMEM;

    int rc = sleep_for(futures, n, callbacks, mode, deadline_ns);
    if (callbacks != on_stack)
        free(callbacks);
    index = find_decisive(futures, n, mode);
    return index >= 0 ? index : rc ? rc : all;
}
