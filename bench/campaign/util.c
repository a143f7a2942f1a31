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
