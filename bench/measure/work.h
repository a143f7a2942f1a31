/*
 * Calibrated work: a chain of dependent multiplications that takes a wanted time on an
 * undisturbed CPU. It touches no memory and cannot be shortened by the compiler. Each process
 * calibrates for itself and says how far off it was.
 */
#ifndef WEIR_MEASURE_WORK_H
#define WEIR_MEASURE_WORK_H

#include <stdint.h>

struct work {
    double step_ns; /* one multiplication */
    double call_ns; /* entering and leaving work_do */
};

/* Takes about 3 ms. */
void work_calibrate(struct work *work);

/* Steps that take ns; 0 when ns is less than the call itself. */
uint64_t work_steps(const struct work *work, uint64_t ns);

void work_do(uint64_t steps);

/* |measured - wanted| / wanted for work of ns, by the median of several measurements. */
double work_error(const struct work *work, uint64_t ns);

#endif
