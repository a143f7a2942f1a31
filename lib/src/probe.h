/* Probe: USDT probes where the system has them, else nothing. See weir/trace.h. */
#ifndef WEIR__PROBE_H
#define WEIR__PROBE_H

#ifdef __has_include
#if __has_include(<sys/sdt.h>)
#define WEIR__HAS_PROBES 1
#endif
#endif

#ifdef WEIR__HAS_PROBES
#include <sys/sdt.h>
#else
#define DTRACE_PROBE2(provider, name, a, b)    ((void)0)
#define DTRACE_PROBE3(provider, name, a, b, c) ((void)0)
#endif

/* The system's header gives variadic macros no argument, which ISO C does not know. */
#ifdef __clang__
#define WEIR__PROBE_BEGIN                                                                          \
    _Pragma("clang diagnostic push")                                                               \
        _Pragma("clang diagnostic ignored \"-Wgnu-zero-variadic-macro-arguments\"")
#define WEIR__PROBE_END _Pragma("clang diagnostic pop")
#else
#define WEIR__PROBE_BEGIN
#define WEIR__PROBE_END
#endif

#define WEIR__PROBE2(name, a, b)                                                                   \
    do {                                                                                           \
        WEIR__PROBE_BEGIN                                                                          \
        DTRACE_PROBE2(weir, name, a, b);                                                           \
        WEIR__PROBE_END                                                                            \
    } while (0)
#define WEIR__PROBE3(name, a, b, c)                                                                \
    do {                                                                                           \
        WEIR__PROBE_BEGIN                                                                          \
        DTRACE_PROBE3(weir, name, a, b, c);                                                        \
        WEIR__PROBE_END                                                                            \
    } while (0)

#endif
