#include "bench/measure/arrivals.h"

#include <math.h>

#define PARETO_INDEX 1.5
#define PARETO_CUT   1000.0 /* times the mean */

/* The moment after which the next task or burst comes. */
static double gap_after(enum arrivals kind, size_t index, double gap_ns, struct rng *rng) {
    switch (kind) {
    case ARRIVALS_POISSON:
        return rng_exponential(rng, gap_ns);
    case ARRIVALS_BURST:
        return index % ARRIVALS_BURST_SIZE == 0 ? rng_exponential(rng, gap_ns * ARRIVALS_BURST_SIZE)
                                                : 0.0;
    default:
        return gap_ns;
    }
}

void arrivals_schedule(uint64_t *at_ns, size_t n, enum arrivals kind, double rate_per_s,
                       struct rng *rng) {
    double gap_ns = 1e9 / rate_per_s;
    struct rng again = *rng;
    double end = 0.0;
    for (size_t i = 0; i < n; i++) {
        end += gap_after(kind, i, gap_ns, rng);
    }
    double scale = end > 0.0 ? (double)n * gap_ns / end : 1.0;
    double at = 0.0;
    for (size_t i = 0; i < n; i++) {
        at += gap_after(kind, i, gap_ns, &again);
        at_ns[i] = (uint64_t)(at * scale + 0.5);
    }
}

static double service_of(enum service kind, double mean_ns, struct rng *rng) {
    switch (kind) {
    case SERVICE_EXPONENTIAL:
        return rng_exponential(rng, mean_ns);
    case SERVICE_BIMODAL:
        return rng_below(rng, 10) == 0 ? 5.5 * mean_ns : 0.5 * mean_ns;
    case SERVICE_PARETO:
        return fmin(mean_ns * (PARETO_INDEX - 1.0) / PARETO_INDEX *
                        pow(rng_unit(rng), -1.0 / PARETO_INDEX),
                    mean_ns * PARETO_CUT);
    default:
        return mean_ns;
    }
}

void arrivals_services(uint64_t *service_ns, size_t n, enum service kind, double mean_ns,
                       struct rng *rng) {
    struct rng again = *rng;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += service_of(kind, mean_ns, rng);
    }
    double scale = sum > 0.0 ? (double)n * mean_ns / sum : 1.0;
    for (size_t i = 0; i < n; i++) {
        service_ns[i] = (uint64_t)(service_of(kind, mean_ns, &again) * scale + 0.5);
    }
}
