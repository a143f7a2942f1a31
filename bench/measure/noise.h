/*
 * What went on beside a measurement, and whether its figures may be trusted.
 *
 * A witness thread sleeps 10 ms at a time and notes how late it wakes: when the process stood still
 * it sees the gap, and the kernel tells how much of it was waiting for a CPU. Counters before and
 * after tell the load of others, time stolen by a hypervisor, and throttling by a quota. The
 * witness costs about 100 wake-ups a second, which noise_witness_usage tells to whom it matters.
 */
#ifndef WEIR_MEASURE_NOISE_H
#define WEIR_MEASURE_NOISE_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/measure/usage.h"

struct noise;

/* What was seen between start and stop; what the kernel does not tell stays 0. */
struct noise_seen {
    double wall_s;
    double other_cpus;  /* CPUs that other processes used on average */
    double stolen_cpus; /* CPUs that the hypervisor gave to others */
    double throttled_s; /* held back by a quota */
    double gap_s;       /* longest time that the witness overslept */
    double gap_wait_s;  /* of it, waiting for a CPU */
};

/* What should be as it was when the run began; unknown: 0 or NULL. */
struct noise_setting {
    unsigned cpus;
    const char *clocksource;
    const char *allocator;
    double clock_ns;   /* of a reading */
    const char *flags; /* of the compiler */
};

struct noise *noise_start(void); /* NULL: no memory or no thread */
/* Stops the witness and frees it. NULL is allowed: nothing was seen. */
void noise_stop(struct noise *noise, struct noise_seen *seen);
/* CPU time and switches of the witness of this process so far; nothing when there is none. */
struct usage noise_witness_usage(void);

/* Calls doubt(arg, text) for each reason to doubt; own_hogs: outside load that the cell wanted. */
void noise_judge(const struct noise_seen *seen, bool own_hogs,
                 void (*doubt)(void *arg, const char *text), void *arg);
void noise_judge_setting(const struct noise_setting *expected, const struct noise_setting *now,
                         void (*doubt)(void *arg, const char *text), void *arg);

/* True when the object was compiled without optimisation, as far as its debug information tells. */
bool noise_is_unoptimised(const char *path);

#endif
