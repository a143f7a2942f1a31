/*
 * Trace, as the pool's parts see it: rings of events.
 *
 * A ring's writer is one thread, or, for threads outside the workers, many, each of which takes its
 * index by fetch-add. An event's slot has a turn: 0 while it is written, index + 1 once it is
 * whole. The writer clears it, stores the fields (release, so that who sees a field sees the turn
 * cleared), then the turn (release). A reader takes turn and fields (acquire), then turn again:
 * equal means that no writer came between. Two outside writers a whole lap apart could meet in one
 * slot; the later turn wins, and the mixed event is at worst one strange slice in a picture.
 */
#ifndef WEIR__TRACE_H
#define WEIR__TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/task.h>
#include <weir/trace.h>

struct weir_allocator;
struct weir__worker;

enum weir__event_kind { EVENT_SUBMIT, EVENT_TASK, EVENT_PARK, EVENT_STEAL, EVENT_DEPTH };

struct weir__event {
    _Atomic uint64_t turn;
    _Atomic uint64_t start_ns;
    _Atomic uint64_t span_ns;  /* DEPTH: the number itself */
    _Atomic uint64_t flow;     /* what joins a submission and a start */
    _Atomic uint64_t kind_who; /* kind in the high half, worker or thread in the low */
    _Atomic int64_t status;
};

struct weir__event_ring {
    _Atomic uint64_t next;
    size_t capacity;
    struct weir__event_ring
        *older; /* smaller; somebody may be reading it until the pool is freed */
    struct weir__event events[];
};

struct weir__trace {
    _Atomic(struct weir__event_ring *) outside;
    _Atomic size_t capacity;   /* of new rings */
    _Atomic uint64_t start_ns; /* earlier events are forgotten */
};

void weir__trace_destroy(struct weir_pool *pool);

/* The joint of a task's submission and its start: no other task has been queued at this address at
 * this time. */
static inline uint64_t weir__trace_flow(const struct weir_task *task, uint64_t queued_ns) {
    return ((uint64_t)(uintptr_t)task * UINT64_C(0x9E3779B97F4A7C15)) ^ queued_ns;
}

/* Writes one event into the ring of the calling worker, or of the outsiders when it is NULL. */
void weir__trace_event(struct weir_pool *pool, struct weir__worker *self,
                       enum weir__event_kind kind, uint64_t start_ns, uint64_t span_ns,
                       uint64_t flow, int64_t status);

#endif
