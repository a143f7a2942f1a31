/*
 * Verdicts: what an interval of paired log ratios allows one to say.
 */
#ifndef WEIR_ANALYSE_VERDICT_H
#define WEIR_ANALYSE_VERDICT_H

#include "bench/analyse/sign.h"

#define VERDICT_LEAST_MARGIN 0.02
/* On a machine so noisy that the margin is wider than this, nothing is called the SAME. */
#define VERDICT_SAME_MOST 0.10

/* In the order of what a command reports when several cells differ: the worst comes last. */
enum verdict { VERDICT_FASTER, VERDICT_SAME, VERDICT_UNRESOLVED, VERDICT_SLOWER };

/*
 * How far from 1 the ratio of a subject to itself comes out after as many rounds as were paired:
 * the larger of the median's distance from 0 and its standard error. log_ratios are those of the
 * A/A pairs. 0 for fewer than 2.
 */
double verdict_aa_floor(const double *log_ratios, size_t n);

/* The margin as a log ratio: max(log 1.02, twice the floor). */
double verdict_margin(double aa_floor);

/*
 * log_ratio is log(A/B) with better above 0. FASTER: the interval lies above 0 and the median
 * beyond the margin; SLOWER likewise below; SAME: the interval lies within the margin, and
 * within 10 %, on both sides; UNRESOLVED: anything else, and whatever makes no claim.
 */
enum verdict verdict_of(const struct estimate *log_ratio, double margin);

const char *verdict_name(enum verdict verdict);
/* Exit code of a comparison with this worst verdict. */
int verdict_exit(enum verdict worst);

/*
 * One sentence: "weir:stealing is 2.1× faster than glib at 2 workers (interval 1.9–2.4, 12
 * rounds)". The caller frees it.
 */
char *verdict_sentence(enum verdict verdict, const struct estimate *log_ratio, double margin,
                       const char *a, const char *b, const char *where);

#endif
