#include "bench/campaign/util.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

char *program_path(void) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    return text("%.*s", n < 0 ? 1 : (int)n, n < 0 ? "." : path);
}

char *beside_program(const char *file) {
    char *path = program_path();
    char *slash = strrchr(path, '/');
    char *beside = text("%.*s/%s", slash ? (int)(slash - path) : 1, slash ? path : ".", file);
    free(path);
    return beside;
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
