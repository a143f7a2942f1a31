/* What the process has used: CPU time and context switches of all its threads. */
#ifndef WEIR_MEASURE_USAGE_H
#define WEIR_MEASURE_USAGE_H

#include <stdint.h>

struct usage {
    uint64_t cpu_ns; /* user and system */
    uint64_t csw;    /* voluntary and involuntary */
};

struct usage usage_now(void);
struct usage usage_since(struct usage before);

#endif
