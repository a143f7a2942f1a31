/*
 * Queue: a blocking first-in first-out queue of pointers, bounded or not.
 *
 * Any thread may put and get. An item is got by exactly one thread; what the putting thread wrote
 * before put is seen by the getter after get. One mutex and two condition variables: producers and
 * consumers never share one, so a wake-up meant for one cannot be eaten by the other.
 *
 * Waiting functions take an absolute deadline: WEIR_NOW does not block, WEIR_FOREVER waits.
 */
#ifndef WEIR_QUEUE_H
#define WEIR_QUEUE_H

#include <weir/base.h>

WEIR__BEGIN

struct weir_queue;

/* Makes a queue that holds at most capacity items; 0: no bound. The caller frees it.
 * -EINVAL: out is NULL or capacity is absurd; -ENOMEM. */
WEIR_API int weir_queue_new(struct weir_queue **out, size_t capacity);

/* Puts one item at the tail; blocks while the queue is full. item may be anything but NULL.
 * -ETIMEDOUT: still full at the deadline (-EAGAIN with WEIR_NOW); -EPIPE: closed;
 * -ENOMEM: an unbounded queue could not grow; -EINVAL: NULL. */
WEIR_API int weir_queue_put(struct weir_queue *queue, void *item, uint64_t deadline_ns);

/* Puts items in order, blocking for room as needed; other producers may come between. Returns
 * how many went in: n, or fewer when the deadline passed or the queue was closed on the way; an
 * error only when none went in. n == 0 gives 0. */
WEIR_API ptrdiff_t weir_queue_put_batch(struct weir_queue *queue, void *const *items, size_t n,
                                        uint64_t deadline_ns);

/* Takes the item at the head; blocks while the queue is empty.
 * -ETIMEDOUT: still empty at the deadline (-EAGAIN with WEIR_NOW);
 * -EPIPE: closed and empty, for good. */
WEIR_API int weir_queue_get(struct weir_queue *queue, void **item, uint64_t deadline_ns);

/* Waits for at least one item, then takes up to n that follow each other. Returns how many;
 * errors as weir_queue_get. n == 0 gives 0. */
WEIR_API ptrdiff_t weir_queue_get_batch(struct weir_queue *queue, void **items, size_t n,
                                        uint64_t deadline_ns);

/* Items held just now. Never blocks long; the answer is old when it arrives. */
WEIR_API size_t weir_queue_size(struct weir_queue *queue);

/* No further put succeeds; blocked putters return -EPIPE; getters drain what is left, then get
 * -EPIPE. May be called more than once. */
WEIR_API void weir_queue_close(struct weir_queue *queue);

/* Frees the queue; items still in it are forgotten, not freed. No thread may be in a call.
 * NULL is allowed. */
WEIR_API void weir_queue_free(struct weir_queue *queue);

WEIR__END

#endif
