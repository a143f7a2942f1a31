#include "bench/measure/arrivals.h"

void arrivals_schedule(uint64_t *at_ns, size_t n, enum arrivals kind, double rate_per_s,
                       struct rng *rng) {
    double gap_ns = 1e9 / rate_per_s;
    double at = 0.0;
    for (size_t i = 0; i < n; i++) {
        /* Constant: a product, so that rounding does not add up to another rate. */
        at = kind == ARRIVALS_CONSTANT ? (double)(i + 1) * gap_ns
                                       : at + rng_exponential(rng, gap_ns);
        at_ns[i] = (uint64_t)at;
    }
}

void arrivals_services(uint64_t *service_ns, size_t n, enum service kind, double mean_ns,
                       struct rng *rng) {
    for (size_t i = 0; i < n; i++) {
        double ns = kind == SERVICE_CONSTANT ? mean_ns : rng_exponential(rng, mean_ns);
        service_ns[i] = (uint64_t)(ns + 0.5);
    }
}
