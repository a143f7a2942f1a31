/*
 * Parker: puts one worker to sleep and wakes it, with a memory of one wake-up.
 *
 * States: EMPTY, NOTIFIED, PARKED. Only the owner parks; anyone may unpark. An unpark that comes
 * before the park leaves NOTIFIED behind, and the park returns at once; so whoever unparks after
 * it has seen the owner announce itself can never be too early. An owner whose time is up goes back
 * to EMPTY by compare-exchange, and if that fails it has been unparked all the same. Unpark stores
 * with release and park reads with acquire: what the waker wrote before is seen by the woken.
 */
#ifndef WEIR__PARKER_H
#define WEIR__PARKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct weir__parker {
    _Atomic uint32_t state; /* zero is EMPTY */
};

/* Owner only. Returns after an unpark, consuming it; false: at the deadline, without one. */
bool weir__parker_park(struct weir__parker *parker, uint64_t deadline_ns);

/* Any thread. Several unparks before one park count as one. */
void weir__parker_unpark(struct weir__parker *parker);

#endif
