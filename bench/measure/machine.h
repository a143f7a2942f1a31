/*
 * The machine and its state: what a figure depends on and does not say.
 *
 * Everything comes from files of the kernel or from the process itself; what is not there is left
 * out, so that "absent" never reads like "zero".
 */
#ifndef WEIR_MEASURE_MACHINE_H
#define WEIR_MEASURE_MACHINE_H

#include <jansson.h>

/* CPUs that this process may use: the affinity mask, or fewer when a cgroup quota allows fewer
 * (rounded up); at least 1. */
unsigned machine_cpus(void);

/* What malloc really is: "glibc", "jemalloc", "mimalloc", "sanitizer" or "other". */
const char *machine_allocator(void);

/* What CLOCK_MONOTONIC is made of: "tsc", "kvm-clock"; "" when the kernel does not tell. Static. */
const char *machine_clocksource(void);
/* Flags of the compiler that built this program. */
const char *machine_flags(void);

/* What does not change during a run: CPU, kernel, compiler, flags, commit, limits. NULL: no
 * memory. */
json_t *machine_describe(void);

/* What does: load, CPU time stolen by the hypervisor so far, pressure. Take one at the start and
 * one at the end. NULL: no memory. */
json_t *machine_state(void);

/* Share of all CPU time between two states that the hypervisor gave to others, 0 to 1; negative
 * when the kernel does not tell. */
double machine_steal_share(const json_t *start, const json_t *end);

#endif
