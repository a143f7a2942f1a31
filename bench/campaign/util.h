/*
 * What the campaign's files share: memory that is never NULL, text, the clock, one random
 * generator, and messages of one line.
 */
#ifndef WEIR_CAMPAIGN_UTIL_H
#define WEIR_CAMPAIGN_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes of weir-bench, as its --help documents them. */
enum bench_exit {
    BENCH_OK = 0,         /* done; compare: A is FASTER than B or the SAME */
    BENCH_SLOWER = 1,     /* compare: A is SLOWER than B in at least one cell */
    BENCH_UNRESOLVED = 2, /* compare: not SLOWER anywhere, but at least one cell undecided */
    BENCH_BROKEN = 3,     /* a subject lost a task, ran one twice, hung or crashed */
    BENCH_INTERRUPTED = 4,
    BENCH_USAGE = 64,
    BENCH_NO_INPUT = 66,
    BENCH_INTERNAL = 70,
    BENCH_IO = 74,
};

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Returns p; NULL means that memory ran out and ends the program with BENCH_INTERNAL. */
void *must(void *p);
void *must_array(size_t n, size_t size);
/* realloc that is never NULL, with the overflow check of calloc. */
void *must_grow(void *p, size_t n, size_t size);
/* printf into memory of its own. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Path of this program, and of a file in its folder. The caller frees them. */
char *program_path(void);
char *beside_program(const char *file);

/* One line on stderr, after the program's name. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
