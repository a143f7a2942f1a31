/*
 * Parallel loops: weir_for and weir_map spread the indices of a range over the workers of a pool.
 *
 * The caller works too, and returns when every index has been dealt with and no other thread will
 * touch its memory. Workers that are busy with other things are not waited for: with all of them
 * busy, or the pool full or shut down, the caller does the whole loop itself. So loops may be
 * nested and may be called from tasks of the same pool, whatever its size.
 *
 * A body is called with parts of the range that do not overlap, from several threads at once, in no
 * order. It may block, submit, wait, and call weir_for.
 *
 * Ordering: what happened before the call is seen by every body; what the bodies did is seen after
 * its return.
 *
 * The range is split as work is taken: each thread works on a part of its own from the front, and
 * one that has run out takes the back half of another's. (After the lazy splitting of work stealing
 * loops, as in Tzannes and others, 2010; no thread shares a cursor with all others.)
 */
#ifndef WEIR_PARALLEL_H
#define WEIR_PARALLEL_H

#include <weir/base.h>

WEIR__BEGIN

struct weir_pool;

/* Works on the indices low <= i < high. Returns 0 or more to go on, or a negative errno to end the
 * loop. */
typedef int (*weir_body)(void *arg, size_t low, size_t high);

/*
 * Calls body for all indices begin <= i < end, at most grain of them a call; grain 0 chooses: some
 * dozen calls a thread. (More than grain only where there would be over 2^31 calls.) Uses the
 * pool's core threads (the threads that it has, when it keeps none), no more than there are calls
 * to make, and is never rejected: help that the pool has no room for is not called, whatever its
 * full policy. Does not allocate but once for pools of many threads, and then does with fewer
 * threads when there is no memory.
 *
 * When a body returns a negative number no further body is called, those that run are waited for,
 * and the number is returned; the first one, if there are several. When the caller is a task whose
 * token is cancelled (weir_cancelled) the loop ends likewise with -ECANCELED. Bodies on other
 * threads see the caller's token, too. 0: all was done; -EINVAL: pool or body is NULL, or end lies
 * below begin; -EOWNERDEAD: the pool is of a parent process, and nothing was called; or
 * a body ended its thread.
 */
WEIR_API int weir_for(struct weir_pool *pool, size_t begin, size_t end, size_t grain,
                      weir_body body, void *arg);

/* Makes one output from one input. As weir_body. */
typedef int (*weir_function)(void *arg, const void *in, void *out);

/*
 * Calls function for each of n elements of the arrays in and out, whose elements are so many bytes
 * long; in and out may be the same array. An array that is not needed is NULL with size 0, and the
 * function gets NULL. Otherwise as weir_for over the n indices. After an error the elements of out
 * are in part written. -EINVAL also for a size that does not fit the pointer, or the address space.
 */
WEIR_API int weir_map(struct weir_pool *pool, size_t n, weir_function function, void *arg,
                      const void *in, size_t in_size, void *out, size_t out_size, size_t grain);

WEIR__END

#endif
