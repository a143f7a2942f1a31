/*
 * Watchdog: ends a cell that hangs, with words. Exactly one side has the last say: either the
 * watchdog fires and the process ends in its function, or watchdog_stop returns and it never will.
 */
#ifndef WEIR_MEASURE_WATCHDOG_H
#define WEIR_MEASURE_WATCHDOG_H

#include <stdint.h>

struct watchdog;

/* Calls fired(arg) on a thread of its own at deadline_ns (CLOCK_MONOTONIC) unless stopped
 * before. fired does not return: it ends the process. NULL: no memory or no thread. */
struct watchdog *watchdog_start(uint64_t deadline_ns, void (*fired)(void *arg), void *arg);

/* Stops and frees it. Does not return when it has fired already. NULL is allowed. */
void watchdog_stop(struct watchdog *watchdog);

#endif
