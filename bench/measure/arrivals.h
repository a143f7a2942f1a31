/*
 * Open-loop load, made before the clock starts: when each task is meant to arrive, and how much
 * work it brings. A schedule never reacts to the pool.
 *
 * Both are scaled to what was asked for: the last arrival falls exactly where the rate puts it, and
 * the services have exactly the wanted mean. So the load of a short run is the load that its name
 * says; given their number, Poisson arrivals in a span are uniform in it either way.
 */
#ifndef WEIR_MEASURE_ARRIVALS_H
#define WEIR_MEASURE_ARRIVALS_H

#include <stddef.h>
#include <stdint.h>

#include "bench/measure/rng.h"

#define ARRIVALS_BURST_SIZE 16u

enum arrivals {
    ARRIVALS_POISSON, /* independent exponential gaps */
    ARRIVALS_CONSTANT,
    ARRIVALS_BURST, /* ARRIVALS_BURST_SIZE at once, at Poisson moments */
};

enum service {
    SERVICE_CONSTANT,
    SERVICE_EXPONENTIAL,
    SERVICE_BIMODAL, /* nine of ten take half the mean, the tenth 5.5 times the mean */
    SERVICE_PARETO,  /* heavy tail of index 1.5, cut at a thousand times the mean */
};

/* at_ns[i]: the moment of arrival i after the start; rising; at_ns[n - 1] is n / rate_per_s. */
void arrivals_schedule(uint64_t *at_ns, size_t n, enum arrivals kind, double rate_per_s,
                       struct rng *rng);

/* service_ns[i]: the work of task i, mean_ns on average, to the rounding. */
void arrivals_services(uint64_t *service_ns, size_t n, enum service kind, double mean_ns,
                       struct rng *rng);

#endif
