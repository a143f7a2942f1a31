/*
 * The floor of an open loop: an M/M/c queue, first come first served. Poisson arrivals, exponential
 * service, c servers, and no overhead of any kind. No pool of c workers is faster at that load.
 */
#ifndef WEIR_ANALYSE_ERLANG_H
#define WEIR_ANALYSE_ERLANG_H

/* Probability that an arrival waits; load: of the servers, 0 to below 1. */
double erlang_c(unsigned servers, double load);

/* q-quantile of the response time (waiting and service); mean_ns: of the service. */
double erlang_response_quantile(unsigned servers, double load, double mean_ns, double q);

#endif
