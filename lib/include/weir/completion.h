/*
 * Completion queue: futures of any pools, taken in the order in which they become terminal.
 *
 * The counterpart of Python's as_completed and of Java's ExecutorCompletionService. Futures are
 * added with a pointer of the user's beside each, and taken when they are terminal, however they
 * ended: failed and cancelled ones arrive like all others. Each is handed to exactly one taker.
 *
 * When nothing that was added is left to be taken, takers get -ENOENT instead of sleeping for ever,
 * so a loop over weir_completion_next ends by itself. Whoever wants takers to wait for additions to
 * come adds a promise of his own, and sets it when there will be no more.
 *
 * Any thread may add and take; several may take at once. The thread that ends a future puts it
 * here, without allocating and without waiting for anything but the queue's own lock.
 *
 * Ordering: what happened before the end of a call is seen by the thread that takes its future.
 *
 * A child of fork gets -EOWNERDEAD from a queue of its parent.
 */
#ifndef WEIR_COMPLETION_H
#define WEIR_COMPLETION_H

#include <weir/base.h>
#include <weir/future.h>

WEIR__BEGIN

struct weir_completion;
struct weir_pool;

/* What a taker gets. */
struct weir_completed {
    struct weir_future *future;
    void *user;
};

/* Makes an empty completion queue. The caller frees it. -EINVAL: NULL; -ENOMEM. */
WEIR_API int weir_completion_new(struct weir_completion **out);

/*
 * Adds a future in any state, with a pointer for its taker. The future stays its owner's, who keeps
 * it valid until it has been taken. One that is added twice is taken twice. Does not block.
 * -EINVAL: a NULL; -ENOMEM.
 */
WEIR_API int weir_completion_add(struct weir_completion *completion, struct weir_future *future,
                                 void *user);

/*
 * Runs call(arg, &value) on the pool, as weir_pool_async, and adds its future. The taker owns the
 * future that it gets, and ends it with weir_future_unref. As weir_pool_async; after an error
 * nothing was added.
 */
WEIR_API int weir_completion_async(struct weir_completion *completion, struct weir_pool *pool,
                                   weir_call call, void *arg, void *user);

/*
 * Takes the future that has been terminal for longest; waits for one until the deadline. future and
 * user may each be NULL: a future of weir_completion_async is then unreferenced here. A future
 * arrives in order with the callbacks of weir_future_on_done, so weir_future_get may see its end a
 * moment earlier.
 *
 * A worker that would sleep here first runs a call that is still queued in its own pool, under the
 * rules of weir_future_get; any thread does so with a WEIR_TASK_ANY_THREAD call; neither with
 * WEIR_NOW. Under WEIR_WAIT_HELP it then runs other tasks of its pool until something is ready,
 * under WEIR_WAIT_SPARE a spare thread takes its place while it sleeps.
 *
 * -ENOENT: nothing is outstanding; -ETIMEDOUT (-EAGAIN with WEIR_NOW); -EDEADLK: nothing is
 * outstanding but calls that the caller is inside of; -EINVAL: completion is NULL.
 */
WEIR_API int weir_completion_next(struct weir_completion *completion, struct weir_future **future,
                                  void **user, uint64_t deadline_ns);

/* Waits for at least one, then takes up to n that are terminal. Returns how many; errors as
 * weir_completion_next. n == 0 gives 0. */
WEIR_API ptrdiff_t weir_completion_next_batch(struct weir_completion *completion,
                                              struct weir_completed *completed, size_t n,
                                              uint64_t deadline_ns);

/*
 * A descriptor for poll, epoll and io_uring that is readable exactly while weir_completion_next
 * would give a future at once. The queue's own: do not read, write or close it. Made by the first
 * call, so queues without one pay nothing for it. A negative errno of eventfd: none could be made.
 */
WEIR_API int weir_completion_fd(struct weir_completion *completion);

/* Futures that were added and not yet taken, terminal or not. */
WEIR_API size_t weir_completion_pending(struct weir_completion *completion);

/*
 * Frees the queue; no thread may be in a call. Futures that are outstanding go on and stay valid:
 * those of weir_completion_async are let go, the others are their owners' as before and may end
 * at any later time; the last of them gives back the queue's remaining memory. NULL is allowed.
 */
WEIR_API void weir_completion_free(struct weir_completion *completion);

WEIR__END

#endif
