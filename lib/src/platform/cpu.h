/*
 * How many CPUs this process may use: its affinity mask, cut to the CPU quota of the control
 * groups that it is in (version 1 or 2), its parents' quotas included.
 */
#ifndef WEIR__CPU_H
#define WEIR__CPU_H

#include <stdint.h>

#define WEIR__NO_QUOTA UINT32_MAX

/* CPUs in the affinity mask; at least 1. */
unsigned weir__cpu_affinity(void);

/* Whole CPUs that the quota allows, rounded up; WEIR__NO_QUOTA when there is none. root is "/" but
 * for tests, which bring a tree of their own. */
uint32_t weir__cpu_quota(const char *root);

#endif
