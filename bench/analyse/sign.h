/*
 * The median of a sample and its exact confidence interval by the sign test.
 *
 * Of n independent values, the number that lie below the true median is binomial(n, 1/2),
 * whatever their distribution. So the k-th smallest and the k-th largest value enclose the median
 * with probability 1 - 2 P(Bin(n, 1/2) < k), exactly. The interval takes the largest k that keeps
 * this at or above the confidence; fewer than 6 values reach 95 % with no k and make no claim.
 */
#ifndef WEIR_ANALYSE_SIGN_H
#define WEIR_ANALYSE_SIGN_H

#include <stdbool.h>
#include <stddef.h>

#define SIGN_CONFIDENCE 0.95
#define SIGN_MIN_ROUNDS 6

struct estimate {
    size_t n;
    double median; /* NaN when n is 0 */
    bool claims;   /* false: too few values, low and high are NaN */
    double low;
    double high;
    double coverage; /* of [low, high]: at least the confidence */
    double p;        /* two-sided sign test that the median is 0; values of 0 are left out */
};

struct estimate sign_estimate(const double *values, size_t n, double confidence);

/* Percentile bootstrap of the median, beside the exact interval; seeded, so always the same. Both
 * are NaN with fewer than SIGN_MIN_ROUNDS values. */
void sign_bootstrap(const double *values, size_t n, double *low, double *high);

/* P(Bin(n, 1/2) <= k). */
double sign_binomial(size_t n, size_t k);

/* Values that are below and above 0 so unevenly, by chance, on both sides. */
double sign_test(const double *values, size_t n);

/*
 * Wilcoxon's signed-rank test that the values lie symmetrically about 0, both sides. Exact up to
 * SIGN_RANK_EXACT values, ties and all, by the normal approximation beyond. Sharper than the sign
 * test, and fit for pairs in random order: when A and B are the same, A/B and B/A are equally
 * likely, so the log ratios are symmetric whatever their distribution. Values of 0 are left out.
 */
#define SIGN_RANK_EXACT 64
double sign_rank_test(const double *values, size_t n);

/* Holm: out[i] is p[i] corrected for a family of n. */
void sign_holm(const double *p, size_t n, double *out);

#endif
