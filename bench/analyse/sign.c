#include "bench/analyse/sign.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/rng.h"

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double sign_binomial(size_t n, size_t k) {
    double sum = 0;
    for (size_t i = 0; i <= k && i <= n; i++) {
        double log_choose =
            lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1);
        sum += exp(log_choose - (double)n * M_LN2);
    }
    return sum < 1 ? sum : 1;
}

double sign_test(const double *values, size_t n) {
    size_t below = 0;
    size_t above = 0;
    for (size_t i = 0; i < n; i++) {
        below += values[i] < 0;
        above += values[i] > 0;
    }
    if (below + above == 0) {
        return 1;
    }
    double p = 2 * sign_binomial(below + above, below < above ? below : above);
    return p < 1 ? p : 1;
}

struct estimate sign_estimate(const double *values, size_t n, double confidence) {
    struct estimate e = {.n = n, .median = NAN, .low = NAN, .high = NAN, .p = 1};
    if (n == 0) {
        return e;
    }
    double *sorted = must_array(n, sizeof *sorted);
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    e.median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    e.p = sign_test(values, n);
    /* k counts from 1; k - 1 values are cut off at each end. */
    for (size_t k = 1; n >= SIGN_MIN_ROUNDS && 2 * k <= n; k++) {
        double coverage = 1 - 2 * sign_binomial(n, k - 1);
        if (coverage < confidence) {
            break;
        }
        e.claims = true;
        e.coverage = coverage;
        e.low = sorted[k - 1];
        e.high = sorted[n - k];
    }
    free(sorted);
    return e;
}

#define RESAMPLES      2000
#define BOOTSTRAP_SEED 1

void sign_bootstrap(const double *values, size_t n, double *low, double *high) {
    *low = NAN;
    *high = NAN;
    if (n < SIGN_MIN_ROUNDS) {
        return;
    }
    struct rng rng;
    double *medians = must_array(RESAMPLES, sizeof *medians);
    double *drawn = must_array(n, sizeof *drawn);
    rng_seed(&rng, BOOTSTRAP_SEED);
    for (size_t r = 0; r < RESAMPLES; r++) {
        for (size_t i = 0; i < n; i++) {
            drawn[i] = values[rng_below(&rng, n)];
        }
        qsort(drawn, n, sizeof *drawn, ascending);
        medians[r] = n % 2 ? drawn[n / 2] : (drawn[n / 2 - 1] + drawn[n / 2]) / 2;
    }
    qsort(medians, RESAMPLES, sizeof *medians, ascending);
    *low = medians[(size_t)(0.025 * RESAMPLES)];
    *high = medians[(size_t)(0.975 * RESAMPLES) - 1];
    free(drawn);
    free(medians);
}

/* ---- Signed ranks --------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
    double x = fabs(*(const double *)a);
    double y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* Twice the ranks of the sizes, ties sharing the middle, so that all are whole. */
static void double_ranks(const double *sorted, size_t n, size_t *ranks) {
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && fabs(sorted[end]) == fabs(sorted[i])) {
            end++;
        }
        for (size_t j = i; j < end; j++) {
            ranks[j] = i + 1 + end; /* 2 * ((i + 1 + end) / 2) */
        }
        i = end;
    }
}

/* P(sum of the ranks of positive values <= below) when each sign is a fair coin. */
static double exact_below(const size_t *ranks, size_t n, size_t below) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += ranks[i];
    }
    double *ways = must_array(total + 1, sizeof *ways);
    ways[0] = 1;
    size_t reached = 0;
    for (size_t i = 0; i < n; i++) {
        reached += ranks[i];
        for (size_t sum = reached + 1; sum-- > ranks[i];) {
            ways[sum] = (ways[sum] + ways[sum - ranks[i]]) / 2;
        }
        for (size_t sum = 0; sum < ranks[i] && sum <= total; sum++) {
            ways[sum] /= 2;
        }
    }
    double p = 0;
    for (size_t sum = 0; sum <= below; sum++) {
        p += ways[sum];
    }
    free(ways);
    return p;
}

static double approximate_below(const size_t *ranks, size_t n, size_t below) {
    double mean = 0;
    double variance = 0;
    for (size_t i = 0; i < n; i++) {
        mean += (double)ranks[i] / 2;
        variance += (double)ranks[i] * (double)ranks[i] / 4;
    }
    return 0.5 * erfc((mean - (double)below - 1) / sqrt(2 * variance)); /* a half rank between */
}

double sign_rank_test(const double *values, size_t n) {
    double *sorted = must_array(n, sizeof *sorted);
    size_t *ranks = must_array(n, sizeof *ranks);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (values[i] != 0) {
            sorted[used++] = values[i];
        }
    }
    qsort(sorted, used, sizeof *sorted, by_size);
    double_ranks(sorted, used, ranks);
    size_t above = 0;
    size_t below = 0;
    for (size_t i = 0; i < used; i++) {
        *(sorted[i] > 0 ? &above : &below) += ranks[i];
    }
    size_t least = above < below ? above : below;
    double p = 1;
    if (used > 0) {
        p = 2 * (used <= SIGN_RANK_EXACT ? exact_below : approximate_below)(ranks, used, least);
    }
    free(sorted);
    free(ranks);
    return p < 1 ? p : 1;
}

struct indexed {
    double p;
    size_t index;
};

static int by_p(const void *a, const void *b) {
    const struct indexed *x = a;
    const struct indexed *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

void sign_holm(const double *p, size_t n, double *out) {
    struct indexed *order = must_array(n, sizeof *order);
    for (size_t i = 0; i < n; i++) {
        order[i] = (struct indexed){p[i], i};
    }
    qsort(order, n, sizeof *order, by_p);
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double corrected = order[i].p * (double)(n - i);
        worst = corrected > worst ? corrected : worst;
        out[order[i].index] = worst < 1 ? worst : 1;
    }
    free(order);
}
