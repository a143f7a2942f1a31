/*
 * Timerfd: a file descriptor that becomes readable at a deadline, for poll, epoll and io_uring,
 * without a thread that watches the clock.
 */
#ifndef WEIR__TIMERFD_H
#define WEIR__TIMERFD_H

#include <stdint.h>

/* A descriptor on CLOCK_MONOTONIC that is closed on exec and never readable until it is armed. A
 * negative errno: none could be made. */
int weir__timerfd_new(void);

/* Makes it readable from the deadline on (WEIR_FOREVER: never). When that has passed it is
 * readable on return: a wait of microseconds for the kernel's timer. */
void weir__timerfd_arm(int fd, uint64_t deadline_ns);

/* Ends it. A negative fd is allowed, and nothing. */
void weir__timerfd_close(int fd);

#endif
