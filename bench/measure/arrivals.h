/*
 * Open-loop load, made before the clock starts: when each task is meant to arrive, and how much
 * work it brings. A schedule never reacts to the pool.
 */
#ifndef WEIR_MEASURE_ARRIVALS_H
#define WEIR_MEASURE_ARRIVALS_H

#include <stddef.h>
#include <stdint.h>

#include "bench/measure/rng.h"

enum arrivals {
    ARRIVALS_POISSON, /* independent exponential gaps */
    ARRIVALS_CONSTANT,
};

enum service {
    SERVICE_CONSTANT,
    SERVICE_EXPONENTIAL,
};

/* at_ns[i]: the moment of arrival i after the start; rising; rate_per_s on average. */
void arrivals_schedule(uint64_t *at_ns, size_t n, enum arrivals kind, double rate_per_s,
                       struct rng *rng);

/* service_ns[i]: the work of task i, mean_ns on average. */
void arrivals_services(uint64_t *service_ns, size_t n, enum service kind, double mean_ns,
                       struct rng *rng);

#endif
