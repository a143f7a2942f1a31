/* Placement: on which CPUs a thread runs, and from which NUMA node its memory comes. */
#ifndef WEIR__PLACEMENT_H
#define WEIR__PLACEMENT_H

#include <stdbool.h>
#include <sched.h>

#define WEIR__CPUS_MOST 4096

/* Whether the calling thread's affinity mask allows the CPU. */
bool weir__placement_allows(int cpu);

/* Runs the calling thread on that CPU alone. A failure, such as a CPU that has gone since it was
 * checked, leaves it where it may run. */
void weir__placement_pin(int cpu);

/* The CPUs of a node as a set of WEIR__CPUS_MOST. root is "/" but for tests. False: there is no
 * such node, or it has no CPU. */
bool weir__placement_node(const char *root, int node, cpu_set_t *cpus, size_t bytes);

/* Runs the calling thread on the node's CPUs, and has its memory come from there where there is
 * some. */
void weir__placement_bind_node(int node);

#endif
