/*
 * The harness's clock: CLOCK_MONOTONIC in nanoseconds, what a reading costs, and waiting for a
 * moment without missing it.
 */
#ifndef WEIR_MEASURE_CLOCK_H
#define WEIR_MEASURE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Nanoseconds between two readings with nothing between: the median of many. */
double clock_cost_ns(void);

/*
 * Returns at moment_ns or just after it; at once when that has passed. Sleeps while the moment is
 * further off than a timer is late, then spins; with share_cpu each turn of the spin offers the
 * CPU to others, for machines where the waiting thread has none of its own.
 */
void clock_wait_until(uint64_t moment_ns, bool share_cpu);

/* Has this thread's timers fire when they are due, not up to 50 µs later. */
void clock_sharp_timers(void);

#endif
