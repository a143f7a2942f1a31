/*
 * Future: a value that will be there later, and the call that makes it.
 *
 * A future is either caller-owned (weir_future_init ... weir_future_fini, in any memory) or
 * library-owned (weir_pool_async ... weir_future_unref). It is a plain promise that anyone may
 * weir_future_set once, or, after weir_future_task, a call that a pool runs.
 *
 * Terminal means quiet: a future is terminal only when no code of its task runs or will run.
 *
 * Ordering: everything before the end of the call (or before set, fail, cancel) happens before
 * every return of get, wait and every callback that sees the future terminal.
 */
#ifndef WEIR_FUTURE_H
#define WEIR_FUTURE_H

#include <weir/base.h>
#include <weir/task.h>

WEIR__BEGIN

enum weir_future_state {
    WEIR_FUTURE_PENDING = 0,   /* not submitted, or queued: may be cancelled */
    WEIR_FUTURE_RUNNING = 1,   /* its call runs */
    WEIR_FUTURE_DONE = 2,      /* terminal: a value */
    WEIR_FUTURE_FAILED = 3,    /* terminal: an error */
    WEIR_FUTURE_CANCELLED = 4, /* terminal: will never run */
};

/* Makes the value. Returns 0 with *value, or a negative errno that becomes the future's error. */
typedef int (*weir_call)(void *arg, void **value);

struct weir_future;
struct weir_pool;
struct weir_token;
struct weir__host;

/* Something to be called once when a future is terminal. The caller provides the memory and keeps
 * it until fn has been called; fn may reuse or free it. */
struct weir_callback {
    void (*fn)(struct weir_future *future, void *arg);
    void *arg;
    struct weir_callback *weir__next;
};

/* Two cache lines: the task that a queue touches, and what waiters touch. Opaque but for size. */
struct weir_future {
    struct weir_task weir__task;
    WEIR__ATOMIC(uint32_t) weir__state;
    WEIR__ATOMIC(uint32_t) weir__refs;
    int32_t weir__error;
    uint32_t weir__spin_ns;
    void *weir__value;
    weir_call weir__call;
    void *weir__arg;
    struct weir_callback *weir__callbacks;
    struct weir__host *weir__host;
    struct weir_token *weir__token;
};

/* Makes a caller-owned future, PENDING. Never fails. */
WEIR_API void weir_future_init(struct weir_future *future);

/*
 * Binds a call to a PENDING caller-owned future and returns the task to submit, alone or in a
 * batch. The future becomes terminal when the call ends, or CANCELLED when the task is dropped.
 * If the submission fails the future is PENDING as before and may be submitted again. When the
 * future is terminal already its submission says -ECANCELED. NULL: future or call is NULL.
 */
WEIR_API struct weir_task *weir_future_task(struct weir_future *future, weir_call call, void *arg,
                                            uint32_t flags);

/*
 * Ties the call to a token, before it is submitted: once the token is cancelled a call that has not
 * begun is dropped when its turn comes (CANCELLED), and one that runs sees it with weir_cancelled.
 * The token is borrowed until the future is terminal. NULL: no token. -EBUSY: submitted;
 * -EALREADY: terminal; -EINVAL: future is NULL.
 */
WEIR_API int weir_future_set_token(struct weir_future *future, struct weir_token *token);

/*
 * Waits until the future is terminal. 0 with *value (value may be NULL to ignore it), the call's
 * error, -ECANCELED, -ETIMEDOUT (-EAGAIN with WEIR_NOW), or -EDEADLK when the caller is the call
 * itself, which would wait for its own end.
 *
 * On a worker of the future's pool under WEIR_WAIT_CLAIM: when the call is still queued it is
 * taken out and run here, so a nested wait needs no other worker. A thread outside does so only
 * when the task carries WEIR_TASK_ANY_THREAD. A claimed call runs to its end whatever the deadline.
 */
WEIR_API int weir_future_get(struct weir_future *future, void **value, uint64_t deadline_ns);

/* Where the future is just now. Never blocks. Terminal states are final, and are seen with all
 * that happened before them. */
WEIR_API enum weir_future_state weir_future_state(struct weir_future *future);

/* Makes a plain promise DONE, or FAILED with a negative errno. -EALREADY: terminal;
 * -EBUSY: a call is bound, which will end it; -EINVAL: error is not a negative errno. */
WEIR_API int weir_future_set(struct weir_future *future, void *value);
WEIR_API int weir_future_fail(struct weir_future *future, int error);

/* Makes a PENDING future CANCELLED: its call will never run, its waiters return. Takes it out of
 * the pool's queue. -EINPROGRESS: the call runs, and goes on; -EALREADY: terminal. */
WEIR_API int weir_future_cancel(struct weir_future *future);

/*
 * Has callback->fn called once when the future is terminal, on the thread that makes it so, in
 * order of adding; at once, on this thread, when it already is. No lock is held. The future stays
 * valid during the call; a callback must not fini it, nor wait for its pool.
 */
WEIR_API int weir_future_on_done(struct weir_future *future, struct weir_callback *callback);

/* Library-owned futures count their owners; the last unref frees. A pool holds one of its own
 * while the call is queued or runs, so unref is allowed at any time. */
WEIR_API void weir_future_ref(struct weir_future *future);
WEIR_API void weir_future_unref(struct weir_future *future);

/* Ends the use of a caller-owned future: it must be terminal, or never have been submitted; then
 * it is cancelled first, so that callbacks and dependents have their end. Returns when no thread
 * touches its memory any more, callbacks included: a wait of moments.
 * -EBUSY: still queued or running, and nothing has happened. */
WEIR_API int weir_future_fini(struct weir_future *future);

/*
 * The call of a dependent future: makes its value from the outcome of another, its source. error is
 * 0, or with WEIR_THEN_ALWAYS the source's negative errno, and value then NULL. Returns as a
 * weir_call does.
 */
typedef int (*weir_continuation)(void *arg, int error, void *value, void **result);

enum weir_then_flags {
    /* Call for a source that failed or was cancelled, too. Otherwise the dependent ends as its
     * source did, with the same error, and the call never runs. */
    WEIR_THEN_ALWAYS = 1 << 0,
};

/*
 * Makes a dependent of source: a library-owned future whose call runs once source is terminal, on
 * pool, or, with pool NULL, on the thread that ends source (at once, on this one, when source is
 * terminal already). source may be of either owner and needs no reference by the dependent; what
 * the call is given is a copy. The caller ends *next with weir_future_unref; it is written before
 * the call can run. pool is borrowed until *next is terminal.
 *
 * The thread that ends source hands the call to pool and never waits for that. A pool that is full
 * or shut down by then makes the dependent FAILED with the pool's error, -EAGAIN or -ESHUTDOWN; a
 * pool of WEIR_FULL_CALLER_RUNS has the call run on that thread. weir_future_cancel before source
 * is terminal makes the dependent CANCELLED at once, and leaves source alone; its memory goes when
 * source ends. Waiting for a dependent on a worker does not claim its source: wait for that first.
 *
 * Dependents of dependents are ended in a loop, not one inside the other, so chains may be long.
 *
 * -EINVAL: a NULL, or an unknown flag; -ENOMEM. After the idea of continuations in C++'s futures
 * proposal and of Java's CompletableFuture.
 */
WEIR_API int weir_future_then(struct weir_future *source, struct weir_pool *pool,
                              weir_continuation call, void *arg, uint32_t flags,
                              struct weir_future **next);

enum weir_wait_mode {
    WEIR_ALL = 0,         /* until every one is terminal */
    WEIR_ANY = 1,         /* until at least one is */
    WEIR_FIRST_ERROR = 2, /* until one has failed or was cancelled, or every one is terminal */
};

/*
 * Waits for several futures, of any pools; one may stand in the list many times. WEIR_ALL: 0 when
 * all are terminal. WEIR_ANY: the index of one that is; n == 0 is -EINVAL there. WEIR_FIRST_ERROR:
 * the index of one that failed or was cancelled, while others may still run; n when all are DONE.
 * -EINVAL: a NULL anywhere; -ETIMEDOUT (-EAGAIN with WEIR_NOW); -EDEADLK when the wait needs the
 * end of the caller's own call; -ENOMEM for very long arrays. Claims as weir_future_get does.
 */
WEIR_API ptrdiff_t weir_wait(struct weir_future *const *futures, size_t n, enum weir_wait_mode mode,
                             uint64_t deadline_ns);

WEIR__END

#endif
