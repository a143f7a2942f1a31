/*
 * Token: a tree under one small lock, the root's.
 *
 * *State.* CANCELLED is set once, under the lock, and read without it. TIMED says that a deadline
 * is in force, so that a token without one costs its readers no look at the clock. The deadline in
 * force is computed at init, ancestors' included, and so nobody climbs the tree later. CANCELLED is
 * stored with release and read with acquire: what the canceller did before is seen. (weir_cancelled
 * reads relaxed as long as the answer is no.)
 *
 * *Children.* A child is linked into its parent by init and unlinked by fini, both under the lock,
 * and the canceller walks the whole subtree under it: so a child is cancelled by the walk, or was
 * born cancelled, or is gone, and the walk never meets one that is gone (a walk that let go of the
 * lock between two children would follow a freed one; wrong: unlock around mark()).
 *
 * *Callbacks* must not run under the lock. The canceller moves them all to a list on its own
 * stack, a cancellation, that hangs on the root, and takes them off one by one: it copies fn and
 * arg, notes the callback as running, lets go of the lock, calls, and notes that none runs. A
 * callback's memory is not touched once fn is entered. Whoever takes a callback back finds it
 * listed, and unlinks it wherever it is; or noted as running, and waits for the note to go, unless
 * the thread waits for itself; or neither, and it is over. The note is made in the same critical
 * section as the unlinking, so there is no moment at which a callback that will still run is
 * neither (wrong: set running after the unlock).
 *
 * *The end.* fini takes back all callbacks of the token in the same way. A root besides waits until
 * no cancellation hangs on it, since every canceller of the tree comes back to the root's lock; its
 * last touch is the unlock after it took its cancellation off.
 */
#include <weir/token.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "platform/futex.h"
#include "platform/lock.h"
#include "platform/point.h"
#include "platform/timerfd.h"
#include "token.h"

/* One thread that calls callbacks. */
struct weir__cancellation {
    struct weir__token_callbacks pending;
    const struct weir_token_callback *running; /* compared, never followed */
    const struct weir_token *token;            /* whose callback it is */
    pthread_t thread;
    struct weir__cancellation *next;
};

/* ---- Lists of callbacks ---- */

static void append(struct weir__token_callbacks *list, struct weir_token_callback *callback) {
    callback->weir__list = list;
    callback->weir__next = NULL;
    callback->weir__prev = list->weir__last;
    if (list->weir__last)
        list->weir__last->weir__next = callback;
    else
        list->weir__first = callback;
    list->weir__last = callback;
}

static void take_off(struct weir_token_callback *callback) {
    struct weir__token_callbacks *list = callback->weir__list;

    if (callback->weir__prev)
        callback->weir__prev->weir__next = callback->weir__next;
    else
        list->weir__first = callback->weir__next;
    if (callback->weir__next)
        callback->weir__next->weir__prev = callback->weir__prev;
    else
        list->weir__last = callback->weir__prev;
    callback->weir__list = NULL;
}

static void move_all(struct weir__token_callbacks *from, struct weir__token_callbacks *to) {
    struct weir_token_callback *callback;

    while ((callback = from->weir__first)) {
        take_off(callback);
        append(to, callback);
    }
}

/* ---- State ---- */

static uint32_t load(const struct weir_token *token) {
    return atomic_load_explicit(&token->weir__state, memory_order_acquire);
}

static bool is_cancelled(const struct weir_token *token, uint32_t state) {
    if (state & TOKEN_CANCELLED)
        return true;
    return (state & TOKEN_TIMED) && weir_now_ns() >= token->weir__deadline_ns;
}

bool weir_token_is_cancelled(const struct weir_token *token) {
    return token && is_cancelled(token, load(token));
}

uint64_t weir_token_deadline(const struct weir_token *token) {
    return token ? token->weir__deadline_ns : WEIR_FOREVER;
}

/* ---- The tree; the caller holds the root's lock ---- */

static struct weir_token *next_in_subtree(const struct weir_token *top, struct weir_token *at) {
    if (at->weir__children)
        return at->weir__children;
    while (at != top && !at->weir__next)
        at = at->weir__parent;
    return at == top ? NULL : at->weir__next;
}

static void link_child(struct weir_token *parent, struct weir_token *child) {
    child->weir__next = parent->weir__children;
    if (child->weir__next)
        child->weir__next->weir__prev = child;
    parent->weir__children = child;
}

static void unlink_child(struct weir_token *child) {
    if (child->weir__prev)
        child->weir__prev->weir__next = child->weir__next;
    else if (child->weir__parent)
        child->weir__parent->weir__children = child->weir__next;
    if (child->weir__next)
        child->weir__next->weir__prev = child->weir__prev;
}

static void mark(struct weir_token *token, struct weir__token_callbacks *pending) {
    if (load(token) & TOKEN_CANCELLED)
        return;
    atomic_fetch_or_explicit(&token->weir__state, TOKEN_CANCELLED, memory_order_release);
    if (token->weir__fd >= 0)
        weir__timerfd_arm(token->weir__fd, WEIR_NOW);
    move_all(&token->weir__callbacks, pending);
}

/* ---- Calling; all with the root's lock held at the beginning ---- */

/* Sleeps until a callback of the tree has returned; with the lock again at the end. */
static void await_move(struct weir_token *root) {
    uint32_t moves = atomic_load_explicit(&root->weir__moves, memory_order_relaxed);

    root->weir__waiters++;
    weir__unlock(&root->weir__lock);
    weir__futex_wait(&root->weir__moves, moves, WEIR_FOREVER);
    weir__lock(&root->weir__lock);
    root->weir__waiters--;
}

static void move(struct weir_token *root) {
    if (root->weir__waiters == 0)
        return;
    atomic_fetch_add_explicit(&root->weir__moves, 1, memory_order_relaxed);
    weir__futex_wake_all(&root->weir__moves);
}

static void call_pending(struct weir_token *root, struct weir__cancellation *cancellation) {
    struct weir_token_callback *callback;

    while ((callback = cancellation->pending.weir__first)) {
        void (*fn)(void *) = callback->fn;
        void *arg = callback->arg;
        cancellation->running = callback;
        cancellation->token = callback->weir__token;
        take_off(callback);
        weir__unlock(&root->weir__lock);
        WEIR__POINT("token.call");
        fn(arg);
        weir__lock(&root->weir__lock);
        cancellation->running = NULL;
        cancellation->token = NULL;
        move(root);
    }
}

/* Calls what is pending, without the lock; without it at the end. Only address and lock of the
 * root are used after a call: the token itself may be gone. */
static void call_and_unlock(struct weir_token *root, struct weir__cancellation *cancellation) {
    if (!cancellation->pending.weir__first) {
        weir__unlock(&root->weir__lock);
        return;
    }
    cancellation->thread = pthread_self();
    cancellation->next = root->weir__cancellations;
    root->weir__cancellations = cancellation;
    call_pending(root, cancellation);

    struct weir__cancellation **link = &root->weir__cancellations;
    while (*link != cancellation)
        /* uncovered: another thread must have begun to cancel meanwhile */
        link = &(*link)->next;
    *link = cancellation->next;
    move(root);
    weir__unlock(&root->weir__lock);
}

/* Who calls this callback just now; NULL: nobody. */
static struct weir__cancellation *caller_of(const struct weir_token *root,
                                            const struct weir_token_callback *callback) {
    struct weir__cancellation *caller = root->weir__cancellations;

    while (caller && caller->running != callback)
        caller = caller->next;
    return caller;
}

/* Whether somebody calls callbacks of this token just now; of a root: of any, or is about to be
 * through with it. */
static bool is_in_use(const struct weir_token *token) {
    const struct weir__cancellation *caller = token->weir__root->weir__cancellations;

    if (token == token->weir__root)
        return caller != NULL;
    while (caller && caller->token != token)
        caller = caller->next;
    return caller != NULL;
}

static bool is_inside(const struct weir_token *token) {
    const struct weir__cancellation *caller = token->weir__root->weir__cancellations;

    for (; caller; caller = caller->next)
        if (pthread_equal(caller->thread, pthread_self()) &&
            (caller->token == token || token == token->weir__root))
            return true;
    return false;
}

static void take_back_all(struct weir_token *token) {
    struct weir__cancellation *caller = token->weir__root->weir__cancellations;

    while (token->weir__callbacks.weir__first)
        take_off(token->weir__callbacks.weir__first);
    for (; caller; caller = caller->next) {
        struct weir_token_callback *callback = caller->pending.weir__first;
        while (callback) {
            struct weir_token_callback *next = callback->weir__next;
            if (callback->weir__token == token)
                take_off(callback);
            callback = next;
        }
    }
}

/* ---- The interface ---- */

void weir_token_init(struct weir_token *token, struct weir_token *parent, uint64_t deadline_ns) {
    uint32_t state = 0;

    *token = (struct weir_token){.weir__fd = -1, .weir__parent = parent, .weir__root = token};
    if (parent) {
        token->weir__root = parent->weir__root;
        if (parent->weir__deadline_ns < deadline_ns)
            deadline_ns = parent->weir__deadline_ns;
    }
    token->weir__deadline_ns = deadline_ns;
    if (deadline_ns != WEIR_FOREVER)
        state = TOKEN_TIMED;
    atomic_store_explicit(&token->weir__state, state, memory_order_relaxed);
    if (!parent)
        return;
    weir__lock(&token->weir__root->weir__lock);
    state |= load(parent) & TOKEN_CANCELLED;
    atomic_store_explicit(&token->weir__state, state, memory_order_relaxed);
    link_child(parent, token);
    weir__unlock(&token->weir__root->weir__lock);
}

int weir_token_cancel(struct weir_token *token) {
    struct weir__cancellation cancellation = {.running = NULL};

    if (!token)
        return -EINVAL;
    struct weir_token *root = token->weir__root;
    weir__lock(&root->weir__lock);
    if (load(token) & TOKEN_CANCELLED) {
        weir__unlock(&root->weir__lock);
        return -EALREADY;
    }
    for (struct weir_token *at = token; at; at = next_in_subtree(token, at))
        mark(at, &cancellation.pending);
    call_and_unlock(root, &cancellation);
    return 0;
}

int weir_token_fd(struct weir_token *token) {
    if (!token)
        return -EINVAL;
    struct weir_token *root = token->weir__root;
    weir__lock(&root->weir__lock);
    int fd = token->weir__fd;
    if (fd < 0 && (fd = weir__timerfd_new()) >= 0) {
        bool cancelled = load(token) & TOKEN_CANCELLED;
        token->weir__fd = fd;
        weir__timerfd_arm(fd, cancelled ? WEIR_NOW : token->weir__deadline_ns);
    }
    weir__unlock(&root->weir__lock);
    return fd;
}

int weir_token_on_cancel(struct weir_token *token, struct weir_token_callback *callback) {
    struct weir__cancellation cancellation = {.running = NULL};

    if (!token || !callback || !callback->fn)
        return -EINVAL;
    struct weir_token *root = token->weir__root;
    callback->weir__token = token;
    weir__lock(&root->weir__lock);
    if (weir_token_is_cancelled(token))
        append(&cancellation.pending, callback);
    else
        append(&token->weir__callbacks, callback);
    call_and_unlock(root, &cancellation);
    return 0;
}

int weir_token_off_cancel(struct weir_token *token, struct weir_token_callback *callback) {
    const struct weir__cancellation *caller;

    if (!token || !callback)
        return -EINVAL;
    struct weir_token *root = token->weir__root;
    weir__lock(&root->weir__lock);
    bool listed = callback->weir__list != NULL;
    if (listed)
        take_off(callback);
    else
        while ((caller = caller_of(root, callback)) &&
               !pthread_equal(caller->thread, pthread_self()))
            await_move(root);
    weir__unlock(&root->weir__lock);
    return listed ? 0 : -EALREADY;
}

int weir_token_fini(struct weir_token *token) {
    if (!token)
        return -EINVAL;
    struct weir_token *root = token->weir__root;
    weir__lock(&root->weir__lock);
    int rc = token->weir__children ? -EBUSY : is_inside(token) ? -EDEADLK : 0;
    if (rc == 0) {
        take_back_all(token);
        while (is_in_use(token))
            await_move(root);
        unlink_child(token);
    }
    weir__unlock(&root->weir__lock);
    if (rc == 0)
        weir__timerfd_close(token->weir__fd);
    return rc;
}
