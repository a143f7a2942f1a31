/*
 * The wrappers themselves; linked into a subject that is built from source (see wrap.h). Each
 * synchronisation of the pool becomes a point where the schedule may be disturbed: before taking
 * a lock, after giving it back, around each wait and signal, and at the start of each thread.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

static void (*hook)(const char *point); /* set before the pool's first thread */

__attribute__((visibility("default"))) void weir_stress_wrap_connect(void (*point)(const char *));

void weir_stress_wrap_connect(void (*point)(const char *)) {
    hook = point;
}

static void point(const char *name) {
    if (hook != NULL) {
        hook(name);
    }
}

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
WRAP(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex))
WRAP(pthread_cond_timedwait,
     (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *until),
     (cond, mutex, until))
WRAP(pthread_cond_signal, (pthread_cond_t * cond), (cond))
WRAP(pthread_cond_broadcast, (pthread_cond_t * cond), (cond))
WRAP(sem_wait, (sem_t * semaphore), (semaphore))
WRAP(sem_post, (sem_t * semaphore), (semaphore))

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
    struct start *start = malloc(sizeof(*start));
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
