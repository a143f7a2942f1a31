/*
 * What every part of weir shares: errors and deadlines.
 *
 * Functions return 0 or a count, or a negative errno. When a function returns an error nothing
 * has happened, and no callback of its arguments will run.
 */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define WEIR__BEGIN     extern "C" {
#define WEIR__END       }
#define WEIR__ATOMIC(T) T /* the library alone touches these; same size and alignment */
#else
#define WEIR__BEGIN
#define WEIR__END
#define WEIR__ATOMIC(T) _Atomic(T)
#endif

#define WEIR_API __attribute__((visibility("default")))

WEIR__BEGIN

/* Deadlines are absolute CLOCK_MONOTONIC nanoseconds; a change of the wall clock moves none. */
#define WEIR_NOW     UINT64_C(0) /* do not block */
#define WEIR_FOREVER UINT64_MAX  /* no deadline */

/* The clock that deadlines are on. Any thread; no system call on usual kernels. */
WEIR_API uint64_t weir_now_ns(void);

/* The deadline that lies ns nanoseconds from now; WEIR_FOREVER instead of an overflow. */
WEIR_API uint64_t weir_after(uint64_t ns);

/*
 * What an error of this library means, in words. Takes the negative value that a function
 * returned. Never NULL, never freed, safe in any thread and in a signal handler.
 */
WEIR_API const char *weir_strerror(int error);

WEIR__END

#endif
