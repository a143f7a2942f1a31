/*
 * Control groups: the CPU quota that this process runs under, and how long it was held back by it.
 * Both versions, from the process's own group up to the root; a container often sees its own group
 * at the root while /proc names the host's path, so the root is always looked at.
 */
#ifndef WEIR_MEASURE_CGROUP_H
#define WEIR_MEASURE_CGROUP_H

/* The tightest limit, in CPUs; 0: none. */
double cgroup_limit_cpus(void);

/* How long these groups have been held back so far, in seconds. Take the difference of two. */
double cgroup_throttled_s(void);

/* A limit as text, in CPUs; 0: none. Version 2: "max 100000" or "150000 100000"; version 1: quota
 * and period. */
double cgroup_parse_limit(const char *text);

#endif
