#include "bench/analyse/erlang.h"

#include <math.h>

double erlang_c(unsigned servers, double load) {
    double offered = load * servers;
    double b = 1.0; /* Erlang's B, by its recursion */
    for (unsigned n = 1; n <= servers; n++) {
        b = offered * b / (n + offered * b);
    }
    return b / (1.0 - load * (1.0 - b));
}

/*
 * P(response > t), t in mean services. Who waits does so for an exponential time of rate
 * d = c (1 - load), and then is served for one of rate 1.
 */
static double survival(unsigned servers, double load, double waits, double t) {
    double d = servers * (1.0 - load);
    double both =
        fabs(d - 1.0) < 1e-9 ? (1.0 + t) * exp(-t) : (d * exp(-t) - exp(-d * t)) / (d - 1.0);
    return (1.0 - waits) * exp(-t) + waits * both;
}

double erlang_response_quantile(unsigned servers, double load, double mean_ns, double q) {
    double waits = erlang_c(servers, load);
    double low = 0.0;
    double high = 1.0;
    while (survival(servers, load, waits, high) > 1.0 - q) {
        high *= 2.0;
    }
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2.0;
        if (survival(servers, load, waits, middle) > 1.0 - q) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high * mean_ns;
}
