/*
 * The same points for a subject that is taken as it is: the program exports the pthread calls
 * itself, so that every shared object loaded into it meets them here first (what LD_PRELOAD would
 * do). Not in sanitized builds, which have interceptors of their own in this place.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "stress/perturb.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) ||                               \
    __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
typedef int stress_no_interposition; /* ISO C forbids an empty translation unit */
#else

/* Found at the first call; two threads may both look, and find the same. */
static void *next_of(_Atomic(void *) *known, const char *name) {
    void *next = atomic_load_explicit(known, memory_order_relaxed);
    if (next == NULL) {
        next = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(known, next, memory_order_relaxed);
    }
    return next;
}

#define INTERPOSE(name, parameters, arguments)                                                     \
    __attribute__((visibility("default"))) int name parameters {                                   \
        static _Atomic(void *) known;                                                              \
        void *next = next_of(&known, #name);                                                       \
        int(*real) parameters;                                                                     \
        memcpy(&real, &next, sizeof(real));                                                        \
        perturb_point("before " #name);                                                            \
        int result = real arguments;                                                               \
        perturb_point("after " #name);                                                             \
        return result;                                                                             \
    }

INTERPOSE(pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
INTERPOSE(pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
INTERPOSE(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex))
INTERPOSE(pthread_cond_signal, (pthread_cond_t * cond), (cond))
INTERPOSE(pthread_cond_broadcast, (pthread_cond_t * cond), (cond))

#endif
