/*
 * Synchronisation points. In builds with WEIR_STRESS each point calls a hook that a test harness
 * may set to delay the thread there, so that rare interleavings become common; elsewhere a point
 * is nothing at all.
 */
#ifndef WEIR__POINT_H
#define WEIR__POINT_H

#ifdef WEIR_STRESS
#include <stdatomic.h>

typedef void (*weir__point_hook)(const char *point);
extern _Atomic(weir__point_hook) weir__point;

static inline void weir__at_point(const char *name) {
    weir__point_hook hook = atomic_load_explicit(&weir__point, memory_order_relaxed);
    if (hook)
        hook(name);
}
#define WEIR__POINT(name) weir__at_point(name)
#else
#define WEIR__POINT(name) ((void)0)
#endif

#endif
