/*
 * Seeded random numbers: xoshiro256** (Blackman, Vigna), its state filled by splitmix64. The same
 * seed gives the same numbers on every machine.
 */
#ifndef WEIR_MEASURE_RNG_H
#define WEIR_MEASURE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t n);      /* unbiased; n > 0 */
double rng_unit(struct rng *rng);                     /* over (0, 1] */
double rng_exponential(struct rng *rng, double mean); /* finite, never negative */

/* A new seed from two numbers. */
uint64_t rng_mix(uint64_t a, uint64_t b);

#endif
