#include "bench/measure/rng.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *state) {
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rng_seed(struct rng *rng, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        rng->state[i] = splitmix64(&seed);
    }
}

static uint64_t rotate_left(uint64_t value, unsigned bits) {
    return (value << bits) | (value >> (64 - bits));
}

uint64_t rng_next(struct rng *rng) {
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double rng_unit(struct rng *rng) {
    return (double)((rng_next(rng) >> 11) + 1) * 0x1p-53;
}

double rng_exponential(struct rng *rng, double mean) {
    return -mean * log(rng_unit(rng));
}

uint64_t rng_below(struct rng *rng, uint64_t n) {
    /* Values above the last whole multiple of n would favour the small remainders. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t value;
    do {
        value = rng_next(rng);
    } while (value >= limit);
    return value % n;
}

uint64_t rng_mix(uint64_t a, uint64_t b) {
    uint64_t state = a ^ (b * UINT64_C(0xd6e8feb86659fd93));
    return splitmix64(&state);
}
