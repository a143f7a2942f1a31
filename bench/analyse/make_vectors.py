#!/usr/bin/env python3
"""Makes bench/analyse/vectors.json: answers of scipy that analyse/sign_vectors_test.c compares with.

    bench/analyse/make_vectors.py > bench/analyse/vectors.json

Needs scipy (Debian package python3-scipy); the file is kept in git, so the test does not.
"""

import json
import sys

import numpy
import scipy
from scipy import stats


def binomials():
    for n in (1, 6, 12, 24, 60, 200):
        for k in sorted({0, 1, n // 4, n // 2, n}):
            yield {"n": n, "k": k, "p": stats.binom.cdf(k, n, 0.5)}


def samples(rng):
    for n in (6, 7, 9, 12, 20, 24, 40, 64):
        for scale, shift in ((1, 0), (0.02, 0.01), (0.5, -0.4)):
            yield [round(float(x), 6) for x in rng.normal(shift, scale, n)]


def interval(values):
    """The largest k for which [x_k, x_n+1-k] covers the median with 95 %."""
    n = len(values)
    k = int(stats.binom.ppf(0.025, n, 0.5))
    while k > 0 and stats.binom.cdf(k - 1, n, 0.5) > 0.025 + 1e-15:
        k -= 1
    ordered = sorted(values)
    return ordered[k - 1], ordered[n - k]


def tests(rng):
    for values in samples(rng):
        low, high = interval(values)
        yield {
            "values": values,
            "median": float(numpy.median(values)),
            "low": low,
            "high": high,
            "sign_p": stats.binomtest(sum(x > 0 for x in values), len(values)).pvalue,
            "rank_p": stats.wilcoxon(values, mode="exact").pvalue,
        }


def holms(rng):
    """scipy has no Holm; its definition, step by step, on sorted values."""
    for n in (1, 2, 5, 12):
        p = [round(float(x), 6) for x in rng.uniform(0, 0.2, n)]
        order = sorted(range(n), key=lambda i: p[i])
        out = [0.0] * n
        for rank, i in enumerate(order):
            out[i] = min(1.0, max(p[order[j]] * (n - j) for j in range(rank + 1)))
        yield {"p": p, "corrected": out}


def erlangs():
    """Response quantiles of M/M/c by inverting the survival function with scipy's root finder."""
    from math import exp, factorial

    from scipy.optimize import brentq

    for c, load in ((1, 0.5), (1, 0.9), (2, 0.7), (4, 0.5), (8, 0.875), (16, 0.95)):
        a = c * load
        top = a**c / factorial(c) / (1 - load)
        waits = top / (sum(a**k / factorial(k) for k in range(c)) + top)
        d = c - a

        def survival(t):
            both = (1 + t) * exp(-t) if abs(d - 1) < 1e-9 else (d * exp(-t) - exp(-d * t)) / (d - 1)
            return (1 - waits) * exp(-t) + waits * both

        for q in (0.5, 0.9, 0.99):
            yield {"servers": c, "load": load, "q": q, "waits": waits,
                   "response": brentq(lambda t: survival(t) - (1 - q), 0, 1e4, xtol=1e-12)}


def main():
    rng = numpy.random.default_rng(1)
    vectors = {
        "made_with": f"scipy {scipy.__version__}",
        "binomial": list(binomials()),
        "samples": list(tests(rng)),
        "holm": list(holms(rng)),
        "erlang": list(erlangs()),
    }
    json.dump(vectors, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
