#include "bench/analyse/verdict.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <stdlib.h>

double verdict_aa_floor(const double *log_ratios, size_t n) {
    if (n < 2) {
        return 0;
    }
    double median = sign_estimate(log_ratios, n, SIGN_CONFIDENCE).median;
    double *distances = must_array(n, sizeof *distances);
    for (size_t i = 0; i < n; i++) {
        distances[i] = fabs(log_ratios[i] - median);
    }
    double spread = 1.4826 * sign_estimate(distances, n, SIGN_CONFIDENCE).median;
    free(distances);
    double standard_error = sqrt(M_PI_2) * spread / sqrt((double)n);
    return fmax(fabs(median), standard_error);
}

double verdict_margin(double aa_floor) {
    return fmax(log1p(VERDICT_LEAST_MARGIN), 2 * aa_floor);
}

enum verdict verdict_of(const struct estimate *log_ratio, double margin) {
    if (!log_ratio->claims) {
        return VERDICT_UNRESOLVED;
    }
    if (log_ratio->low > 0 && log_ratio->median > margin) {
        return VERDICT_FASTER;
    }
    if (log_ratio->high < 0 && log_ratio->median < -margin) {
        return VERDICT_SLOWER;
    }
    double same = fmin(margin, log1p(VERDICT_SAME_MOST));
    if (log_ratio->low >= -same && log_ratio->high <= same) {
        return VERDICT_SAME;
    }
    return VERDICT_UNRESOLVED;
}

const char *verdict_name(enum verdict verdict) {
    static const char *const names[] = {"FASTER", "SAME", "UNRESOLVED", "SLOWER"};
    return names[verdict];
}

int verdict_exit(enum verdict worst) {
    return worst == VERDICT_SLOWER       ? BENCH_SLOWER
           : worst == VERDICT_UNRESOLVED ? BENCH_UNRESOLVED
                                         : BENCH_OK;
}

/* "2.1× faster", or "4 % faster" where a factor would read as 1.0×. */
static char *by_how_much(double log_ratio, const char *word) {
    double factor = exp(fabs(log_ratio));
    if (factor < 1.2) {
        return text("%.1f %% %s", 100 * (factor - 1), word);
    }
    return text(factor < 10 ? "%.2f× %s" : "%.0f× %s", factor, word);
}

char *verdict_sentence(enum verdict verdict, const struct estimate *log_ratio, double margin,
                       const char *a, const char *b, const char *where) {
    if (!log_ratio->claims) {
        return text("%s against %s %s: UNRESOLVED, only %zu round%s (a claim needs %d)", a, b,
                    where, log_ratio->n, log_ratio->n == 1 ? "" : "s", SIGN_MIN_ROUNDS);
    }
    /* The interval is told in the direction of the sentence. */
    int turned = verdict == VERDICT_SLOWER;
    double low = exp(turned ? -log_ratio->high : log_ratio->low);
    double high = exp(turned ? -log_ratio->low : log_ratio->high);
    char *interval = text("interval %.*f–%.*f, %zu rounds", low < 10 ? 2 : 0, low,
                          high < 10 ? 2 : 0, high, log_ratio->n);
    char *sentence;
    if (verdict == VERDICT_SAME) {
        sentence = text("%s and %s are the SAME %s, within %.1f %% (%s)", a, b, where,
                        100 * expm1(fmin(margin, log1p(VERDICT_SAME_MOST))), interval);
    } else if (verdict == VERDICT_UNRESOLVED) {
        sentence = text("%s against %s %s: UNRESOLVED, the rounds disagree (ratio %.2f, %s)", a, b,
                        where, exp(log_ratio->median), interval);
    } else {
        char *much = by_how_much(log_ratio->median, turned ? "slower" : "faster");
        sentence = text("%s is %s than %s %s (%s)", a, much, b, where, interval);
        free(much);
    }
    free(interval);
    return sentence;
}
