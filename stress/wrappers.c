/*
 * The wrappers themselves; linked into a subject that is built from source (see wrap.h). Each
 * synchronisation of the pool becomes a point where the schedule may be disturbed: before taking
 * a lock, after giving it back, around each wait and signal, and at the start of each thread.
 * Threads, memory and waits may besides be refused.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>

#include "stress/fault.h"
#include "stress/wrap.h"

const struct wrap_hooks *wrap_hooks_now;

__attribute__((visibility("default"))) void
weir_stress_wrap_connect(const struct wrap_hooks *of_harness);

void weir_stress_wrap_connect(const struct wrap_hooks *of_harness) {
    wrap_hooks_now = of_harness;
}

static void point(const char *name) {
    if (wrap_hooks_now != NULL) {
        wrap_hooks_now->point(name);
    }
}

/* Inline, so that the address behind the call is the subject's own. */
#define FAILS(site, call)                                                                          \
    (wrap_hooks_now != NULL && wrap_hooks_now->fault(site, call, __builtin_return_address(0)))

/* A point before the real call, and one after it. */
#define WRAP(name, parameters, arguments)                                                          \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters {                                                                 \
        point("before " #name);                                                                    \
        int result = __real_##name arguments;                                                      \
        point("after " #name);                                                                     \
        return result;                                                                             \
    }

WRAP(pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
WRAP(pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
WRAP(pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
WRAP(pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
WRAP(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
WRAP(pthread_rwlock_unlock, (pthread_rwlock_t * lock), (lock))
WRAP(pthread_spin_lock, (pthread_spinlock_t * lock), (lock))
WRAP(pthread_spin_unlock, (pthread_spinlock_t * lock), (lock))
/* A wait that may return for no reason, its mutex given up meanwhile. */
#define WRAP_WAIT(name, parameters, arguments)                                                     \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters {                                                                 \
        int result = 0;                                                                            \
        point("before " #name);                                                                    \
        if (FAILS(SITE_WAIT, #name)) {                                                             \
            __real_pthread_mutex_unlock(mutex);                                                    \
            point("spurious " #name);                                                              \
            __real_pthread_mutex_lock(mutex);                                                      \
        } else {                                                                                   \
            result = __real_##name arguments;                                                      \
        }                                                                                          \
        point("after " #name);                                                                     \
        return result;                                                                             \
    }

WRAP_WAIT(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex))
WRAP_WAIT(pthread_cond_timedwait,
          (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *until),
          (cond, mutex, until))
WRAP(pthread_cond_signal, (pthread_cond_t * cond), (cond))
WRAP(pthread_cond_broadcast, (pthread_cond_t * cond), (cond))
WRAP(sem_post, (sem_t * semaphore), (semaphore))

int __real_sem_wait(sem_t *semaphore);
int __wrap_sem_wait(sem_t *semaphore);

/* A semaphore may say that a signal came; a pool that takes that for a post is wrong. */
int __wrap_sem_wait(sem_t *semaphore) {
    point("before sem_wait");
    if (FAILS(SITE_WAIT, "sem_wait")) {
        errno = EINTR;
        return -1;
    }
    int result = __real_sem_wait(semaphore);
    point("after sem_wait");
    return result;
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

/* Whoever calls it passes fewer; what is read beyond them is passed on, and ignored. */
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f) {
    long operation = b & FUTEX_CMD_MASK;
    bool waits = number == SYS_futex && (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET);
    if (number == SYS_futex) {
        point(waits ? "before futex wait" : "before futex wake");
    }
    if (waits && FAILS(SITE_WAIT, "futex")) {
        errno = EINTR;
        return -1;
    }
    long result = __real_syscall(number, a, b, c, d, e, f);
    if (number == SYS_futex) {
        int error = errno;
        point(waits ? "after futex wait" : "after futex wake");
        errno = error;
    }
    return result;
}

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
    int result = __real_clock_gettime(clock, now);
    if (clock == CLOCK_REALTIME && wrap_hooks_now != NULL) {
        (void)wrap_hooks_now->fault(SITE_CLOCK, "clock_gettime", __builtin_return_address(0));
        now->tv_sec += (time_t)wrap_hooks_now->clock_offset();
    }
    return result;
}

/* ---- Memory ---- */

#define WRAP_MEMORY(name, parameters, arguments)                                                   \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters;                                                                \
    void *__wrap_##name parameters {                                                               \
        if (FAILS(SITE_MEMORY, #name)) {                                                           \
            errno = ENOMEM;                                                                        \
            return NULL;                                                                           \
        }                                                                                          \
        return __real_##name arguments;                                                            \
    }

WRAP_MEMORY(malloc, (size_t size), (size))
WRAP_MEMORY(calloc, (size_t n, size_t size), (n, size))
WRAP_MEMORY(realloc, (void *memory, size_t size), (memory, size))
WRAP_MEMORY(aligned_alloc, (size_t align, size_t size), (align, size))

/* ---- Threads ---- */

struct start {
    void *(*run)(void *);
    void *arg;
};

static void *started(void *arg) {
    struct start start = *(struct start *)arg;
    free(arg);
    point("thread starts");
    return start.run(start.arg);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg) {
    if (FAILS(SITE_THREAD, "pthread_create")) {
        return EAGAIN;
    }
    struct start *start = __real_malloc(sizeof(*start));
    if (start == NULL) {
        return __real_pthread_create(thread, attributes, run, arg);
    }
    *start = (struct start){run, arg};
    point("before pthread_create");
    int error = __real_pthread_create(thread, attributes, started, start);
    if (error != 0) {
        free(start);
    }
    point("after pthread_create");
    return error;
}
