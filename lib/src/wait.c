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
 *
 * A worker that helps (WEIR_WAIT_HELP) sleeps where work wakes it too, and not on left. A callback
 * then has to wake that worker after its decrement, in memory of a pool that may end as soon as the
 * waiter returns; so it decrements a second count, inside, when it has done that, and the waiter
 * waits for both.
 */
#include <errno.h>
#include <pthread.h>
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
    _Atomic uint32_t inside;     /* with a helper: callbacks that have not returned */
    struct weir__host *host;     /* of the helper */
    struct weir__worker *helper; /* NULL: the waiter sleeps on left */
    size_t most;                 /* until no more than so many are left, */
    uint32_t early;              /* or one of these bits is set */
    struct weir_future *const *futures;
    struct weir_callback *callbacks;
    size_t n;
};

static bool has_erred(struct weir_future *future) {
    return weir_future_state(future) > WEIR_FUTURE_DONE;
}

static void called(struct weir_future *future, void *arg) {
    struct waiter *waiter = arg;
    struct weir__worker *helper = waiter->helper;
    struct weir__host *host = waiter->host;
    uint32_t erred = has_erred(future) ? ERRED : 0;
    uint32_t before = atomic_load_explicit(&waiter->left, memory_order_relaxed);

    WEIR__POINT("wait.called");
    /* Release: the future's value happens before the waiter's return. */
    while (!atomic_compare_exchange_weak_explicit(&waiter->left, &before, (before - 1) | erred,
                                                  memory_order_release, memory_order_relaxed))
        ;
    bool wake = (before & COUNT) == 1 || (before & WAKE_EACH) || (erred & ~before);
    if (!helper) {
        if (wake)
            weir__futex_wake_one(&waiter->left); /* the address alone */
        return;
    }
    if (wake)
        host->calls->wake_helper(helper);
    WEIR__POINT("wait.helper_woken");
    if (atomic_fetch_sub_explicit(&waiter->inside, 1, memory_order_release) & WAKE_EACH)
        weir__futex_wake_one(&waiter->inside);
}

/* Until at most most callbacks are left, or one of the bits in early is set. */
static int await_count(_Atomic uint32_t *count, size_t most, uint32_t early, uint64_t deadline_ns) {
    for (int late = 0;;) {
        uint32_t left = atomic_load_explicit(count, memory_order_acquire);
        if ((left & COUNT) <= most || (left & early))
            return 0;
        if (late)
            return late;
        late = weir__futex_wait(count, left, deadline_ns);
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

static bool is_over(void *arg) {
    struct waiter *waiter = arg;
    uint32_t left = atomic_load_explicit(&waiter->left, memory_order_acquire);

    return (left & COUNT) <= waiter->most || (left & waiter->early);
}

static void take_callbacks_back(struct waiter *waiter) {
    _Atomic uint32_t *last_touched = waiter->helper ? &waiter->inside : &waiter->left;
    size_t taken_back = 0;

    atomic_fetch_or_explicit(last_touched, WAKE_EACH, memory_order_relaxed);
    for (size_t i = 0; i < waiter->n; i++)
        taken_back += weir__future_remove_callback(waiter->futures[i], &waiter->callbacks[i]);
    await_count(last_touched, taken_back, 0, WEIR_FOREVER);
}

/* A task that the waiter ran meanwhile ends its thread, and the stack goes with it. */
static void abandon(void *arg) {
    struct waiter *waiter = arg;

    take_callbacks_back(waiter);
    if (waiter->n > ON_STACK)
        free(waiter->callbacks);
}

static int help_until_over(struct waiter *waiter, uint64_t deadline_ns) {
    int rc;

    pthread_cleanup_push(abandon, waiter);
    rc = waiter->host->calls->help(waiter->helper, is_over, waiter, deadline_ns);
    pthread_cleanup_pop(0);
    return rc;
}

static int sleep_until_over(struct waiter *waiter, uint64_t deadline_ns) {
    struct weir__host *host = weir__waiting_host(WEIR_WAIT_SPARE);

    if (host)
        host->calls->block(host);
    int rc = await_count(&waiter->left, waiter->most, waiter->early, deadline_ns);
    if (host)
        host->calls->unblock(host);
    return rc;
}

static int sleep_for(struct weir_future *const *futures, size_t n, struct weir_callback *callbacks,
                     enum weir_wait_mode mode, uint64_t deadline_ns) {
    struct waiter waiter = {
        .host = weir__waiting_host(WEIR_WAIT_HELP),
        .most = mode == WEIR_ANY ? n - 1 : 0,
        .early = mode == WEIR_FIRST_ERROR ? ERRED : 0,
        .futures = futures,
        .callbacks = callbacks,
        .n = n,
    };

    if (waiter.host)
        waiter.helper = waiter.host->calls->self(waiter.host);
    atomic_init(&waiter.left, (uint32_t)n | (mode == WEIR_ANY ? WAKE_EACH : 0));
    atomic_init(&waiter.inside, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        callbacks[i] = (struct weir_callback){.fn = called, .arg = &waiter};
        weir_future_on_done(futures[i], &callbacks[i]);
    }
    int rc = waiter.helper ? help_until_over(&waiter, deadline_ns)
                           : sleep_until_over(&waiter, deadline_ns);
    take_callbacks_back(&waiter);
    return rc;
}

int weir__wait_helping(struct weir_future *future, uint64_t deadline_ns) {
    struct weir_callback callback;

    return sleep_for(&future, 1, &callback, WEIR_ALL, deadline_ns);
}

static bool any_orphan(struct weir_future *const *futures, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (weir__future_is_orphan(futures[i]))
            return true;
    return false;
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
    if (any_orphan(futures, n))
        return -EOWNERDEAD;
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
