/*
 * Token: asks work to end. Whoever may lose interest holds a token and cancels it; the work looks
 * at it from time to time and returns early. Nothing is stopped by force and nothing is freed
 * under a running task.
 *
 * A token is caller-owned (weir_token_init ... weir_token_fini, in any memory). It is cancelled by
 * weir_token_cancel, by its deadline, or by its parent, and stays so. Cancelling reaches all
 * descendants before it returns. Tokens of one tree share a lock, held for a few instructions a
 * token.
 *
 * Ordering: everything before weir_token_cancel happens before every return that tells of it, of
 * weir_token_is_cancelled and weir_cancelled, and before every callback.
 *
 * After the ideas of .NET's CancellationToken (linked sources), of C++'s stop_token (callbacks that
 * can be taken back), and of Go's context (deadlines that children inherit).
 */
#ifndef WEIR_TOKEN_H
#define WEIR_TOKEN_H

#include <stdbool.h>

#include <weir/base.h>

WEIR__BEGIN

struct weir_token;
struct weir_token_callback;

struct weir__token_callbacks {
    struct weir_token_callback *weir__first, *weir__last;
};

/* Something to be called once when a token is cancelled. The caller provides the memory and keeps
 * it until fn has been entered, or weir_token_off_cancel or weir_token_fini has returned. */
struct weir_token_callback {
    void (*fn)(void *arg);
    void *arg;
    struct weir_token *weir__token;
    struct weir__token_callbacks *weir__list;
    struct weir_token_callback *weir__next, *weir__prev;
};

struct weir__cancellation;

/* Opaque but for its size. */
struct weir_token {
    WEIR__ATOMIC(uint32_t) weir__state;
    int32_t weir__fd;
    uint64_t weir__deadline_ns;
    struct weir_token *weir__root, *weir__parent;
    struct weir_token *weir__children, *weir__next, *weir__prev;
    struct weir__token_callbacks weir__callbacks;
    /* Used in the root, for the whole tree. */
    WEIR__ATOMIC(uint32_t) weir__lock;
    WEIR__ATOMIC(uint32_t) weir__moves;
    uint32_t weir__waiters;
    struct weir__cancellation *weir__cancellations;
};

/*
 * Makes a token. parent NULL: a root. The parent must outlive the token. The deadline in force is
 * the earlier one of deadline_ns and the parent's; WEIR_FOREVER adds none, WEIR_NOW has passed. A
 * child of a cancelled parent is born cancelled. Never fails, never blocks for long; any thread.
 */
WEIR_API void weir_token_init(struct weir_token *token, struct weir_token *parent,
                              uint64_t deadline_ns);

/*
 * Cancels the token and its descendants: their descriptors become readable, then their callbacks
 * are called on this thread, parents' before children's, each token's in order of adding, without
 * a lock. Returns when they have been. Any thread; from a callback as well. -EALREADY: it has been
 * cancelled before, and perhaps its callbacks still run; -EINVAL: NULL.
 */
WEIR_API int weir_token_cancel(struct weir_token *token);

/* Whether the token, or one of its ancestors, is cancelled or past its deadline. One load; with a
 * deadline also a look at the clock. */
WEIR_API bool weir_token_is_cancelled(const struct weir_token *token);

/* The deadline in force, ancestors' included; WEIR_FOREVER: none. */
WEIR_API uint64_t weir_token_deadline(const struct weir_token *token);

/*
 * A descriptor for poll, epoll or io_uring that is readable once the token is cancelled or past
 * its deadline, and for good: do not read it. The kernel's timer makes it so, no thread. The token
 * owns it; each call gives the same one, the first makes it. -EMFILE, -ENFILE, -ENOMEM: it could
 * not be made; -EINVAL: NULL.
 */
WEIR_API int weir_token_fd(struct weir_token *token);

/*
 * Has callback->fn called once when the token is cancelled: by the thread that cancels it or an
 * ancestor; at once, on this thread, when it is cancelled or past its deadline already. A deadline
 * that passes later calls nobody, since no thread watches it: use the descriptor, or a timer that
 * cancels. The callback may use the token but not finish it. -EINVAL: NULL.
 */
WEIR_API int weir_token_on_cancel(struct weir_token *token, struct weir_token_callback *callback);

/*
 * Takes a callback back. 0: it will not be called. -EALREADY: it was called; and it has returned,
 * unless this thread is inside of it. Blocks only while the callback runs on another thread.
 */
WEIR_API int weir_token_off_cancel(struct weir_token *token, struct weir_token_callback *callback);

/*
 * Ends the use of a token: no child is left, no unfinished future refers to it, and no thread
 * begins another call with it. A parent that is cancelled at the same time is no harm. Callbacks
 * that were not called will not be. Returns when no thread touches the token's memory any more;
 * blocks only while a callback of it runs. -EBUSY: it has children; -EDEADLK: this thread is inside
 * one of its callbacks; -EINVAL: NULL. Nothing has happened then.
 */
WEIR_API int weir_token_fini(struct weir_token *token);

/*
 * Whether the task that the calling thread is inside of should end: its future's token is
 * cancelled, or its pool cancels what runs. In a task that runs inside another, the inner one
 * counts. What happened before weir_pool_shutdown happens before it says so, as with
 * weir_token_cancel. False outside of any task, and once a future's call has returned. One relaxed
 * load in a task without a token, two in one with, and a look at the clock where there is a
 * deadline.
 */
WEIR_API bool weir_cancelled(void);

WEIR__END

#endif
