#include "bench/campaign/util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void *must(void *p) {
    if (!p) {
        fputs("weir-bench: out of memory\n", stderr);
        exit(BENCH_INTERNAL);
    }
    return p;
}

void *must_array(size_t n, size_t size) {
    return must(calloc(n ? n : 1, size));
}

void *must_grow(void *p, size_t n, size_t size) {
    return must(reallocarray(p, n ? n : 1, size));
}

char *text(const char *format, ...) {
    va_list args;
    char *out = NULL;
    va_start(args, format);
    int length = vasprintf(&out, format, args);
    va_end(args);
    return must(length < 0 ? NULL : out);
}

void complain(const char *format, ...) {
    va_list args;
    fflush(stdout); /* keeps the order of lines when both streams go to one place */
    fputs("weir-bench: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

uint64_t clock_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t random_next(struct random *r) {
    r->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *r, uint64_t n) {
    /* Values above the last whole multiple of n would favour the small remainders. */
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t value;
    do {
        value = random_next(r);
    } while (value >= limit);
    return value % n;
}

uint64_t random_mix(uint64_t a, uint64_t b) {
    struct random r = {a ^ (b * UINT64_C(0xD6E8FEB86659FD93))};
    return random_next(&r);
}
