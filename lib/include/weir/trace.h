/*
 * Trace: what a pool's threads did when, for a picture of it.
 *
 * Off unless started. Each worker then writes its events into a ring of its own, and all other
 * threads share one; a full ring forgets its oldest events. Tracing costs some readings of the
 * clock and a few stores a task. The events are written as Chrome trace JSON, which Perfetto's
 * viewer and chrome://tracing open: a row a worker with its tasks and sleeps, arrows from submit to
 * start, and the depth of the queue.
 *
 * Where <sys/sdt.h> was there when the library was built it has USDT probes besides, which cost a
 * no-operation each while nobody looks: weir:task_submit (pool, task), weir:task_start (pool, task,
 * worker), weir:task_end (pool, task, status), weir:worker_park and weir:worker_wake (pool,
 * worker). worker is WEIR_NO_WORKER for a thread outside the pool's workers.
 */
#ifndef WEIR_TRACE_H
#define WEIR_TRACE_H

#include <weir/base.h>

WEIR__BEGIN

struct weir_pool;

#define WEIR_TRACE_EVENTS_MOST ((size_t)1 << 24)

/*
 * Begins to trace, with room for at least so many events a thread (0: 65536). Any thread. Memory
 * comes from the pool's allocator, for each worker when it first has an event, and is given back
 * when the pool is freed. Events of an earlier trace are forgotten. -EALREADY: on already; -EINVAL;
 * -ENOMEM; -EOWNERDEAD, as submit.
 */
WEIR_API int weir_trace_start(struct weir_pool *pool, size_t events);

/* Ends it; the events stay until the next start. A task that runs just now still has its end
 * written. -EALREADY: off. */
WEIR_API int weir_trace_stop(struct weir_pool *pool);

/*
 * Writes what the rings hold to a file descriptor, as one JSON object. Any thread, also while the
 * trace is on: events that are overwritten meanwhile are left out. Blocks as the descriptor does.
 * Returns how many events it wrote, or the negative errno of write; -EINVAL: NULL, or no trace was
 * ever started.
 */
WEIR_API ptrdiff_t weir_trace_write(struct weir_pool *pool, int fd);

WEIR__END

#endif
