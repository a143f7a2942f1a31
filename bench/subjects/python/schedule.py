"""The open loop's schedule, number for number that of bench/measure/arrivals.c: with one seed and one
rate every pool gets the same load."""

import math

WORD = (1 << 64) - 1
BURST_SIZE = 16
PARETO_INDEX = 1.5
PARETO_CUT = 1000.0  # times the mean


def rotate_left(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & WORD


class Random:
    """xoshiro256**, its state filled by splitmix64."""

    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & WORD
            z = seed
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
            self.state.append(z ^ (z >> 31))

    def next(self):
        a, b, c, d = self.state
        result = (rotate_left((b * 5) & WORD, 7) * 9) & WORD
        c ^= a
        d ^= b
        self.state = [a ^ d, b ^ c, c ^ ((b << 17) & WORD), rotate_left(d, 45)]
        return result

    def unit(self):
        """Over (0, 1]."""
        return ((self.next() >> 11) + 1) * 2.0**-53

    def exponential(self, mean):
        return -mean * math.log(self.unit())

    def below(self, n):
        limit = WORD - WORD % n
        while (value := self.next()) >= limit:
            pass
        return value % n


def gap_after(kind, index, gap, draw):
    if kind == "poisson":
        return draw.exponential(gap)
    if kind == "burst":
        return draw.exponential(gap * BURST_SIZE) if index % BURST_SIZE == 0 else 0.0
    return gap


def arrivals(kind, n, rate, draw):
    """n moments after the start, in nanoseconds, whose last is n gaps after it."""
    gap = 1e9 / rate
    gaps = [gap_after(kind, i, gap, draw) for i in range(n)]
    at = 0.0
    for one in gaps:
        at += one
    scale = n * gap / at if at > 0 else 1.0
    moments = []
    at = 0.0
    for one in gaps:
        at += one
        moments.append(int(at * scale + 0.5))
    return moments


def service_of(kind, mean, draw):
    if kind == "exponential":
        return draw.exponential(mean)
    if kind == "bimodal":
        return 5.5 * mean if draw.below(10) == 0 else 0.5 * mean
    if kind == "pareto":
        least = mean * (PARETO_INDEX - 1) / PARETO_INDEX
        return min(least * draw.unit() ** (-1 / PARETO_INDEX), mean * PARETO_CUT)
    return mean


def services(kind, n, mean, draw):
    """Lengths of n tasks in nanoseconds, whose mean is exact."""
    lengths = [service_of(kind, mean, draw) for _ in range(n)]
    total = 0.0
    for length in lengths:
        total += length
    scale = n * mean / total if total > 0 else 1.0
    return [int(length * scale + 0.5) for length in lengths]
