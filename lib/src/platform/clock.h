/* Clock: CLOCK_MONOTONIC as of the kernel's last tick, for what needs no better. */
#ifndef WEIR__CLOCK_H
#define WEIR__CLOCK_H

#include <stdint.h>

uint64_t weir__clock_coarse_ns(void);

#endif
