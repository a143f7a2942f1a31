/*
 * Room: the bound on queued tasks of a scheduler that has no one lock to count them under.
 *
 * queued never passes the limit: a submitter reserves by compare-exchange before it publishes, and
 * whoever takes the task out returns the place. A submitter that must wait registers in waiters
 * (seq_cst), tries once more, then sleeps on moves; whoever returns a place lowers queued
 * (seq_cst), then reads waiters (seq_cst). One of the two sees the other. A waiter tries a last
 * time after its deadline, so a wake-up that it received is never lost to the others.
 */
#ifndef WEIR__ROOM_H
#define WEIR__ROOM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct weir__room {
    size_t limit; /* 0: no bound, and nothing is counted */
    _Atomic size_t queued;
    _Atomic uint32_t waiters;
    _Atomic uint32_t moves;
};

void weir__room_init(struct weir__room *room, size_t limit);

/* Reserves up to n places; returns how many, 0 when full. */
size_t weir__room_try(struct weir__room *room, size_t n);

/* Waits until there may be room, or a wake_all. 0: try again; -ETIMEDOUT. expected is *moves,
 * read before the caller's last try. */
void weir__room_enter(struct weir__room *room);
void weir__room_leave(struct weir__room *room);
int weir__room_wait(struct weir__room *room, uint32_t expected, uint64_t deadline_ns);

/* Returns n places, and wakes as many waiters. */
void weir__room_return(struct weir__room *room, size_t n);

/* For a bound that is kept elsewhere: n places have become free (a seq_cst store). */
void weir__room_tell(struct weir__room *room, size_t n);

/* Wakes all waiters so that they see that the pool has shut down. */
void weir__room_wake_all(struct weir__room *room);

#endif
