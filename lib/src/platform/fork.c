#include "platform/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

_Atomic uint32_t weir__generation = 1;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct weir__fork_guard *guards; /* guarded by the mutex, as is watching */
static bool watching;

static void before_fork(void) {
    pthread_mutex_lock(&mutex);
    for (struct weir__fork_guard *guard = guards; guard; guard = guard->next)
        guard->hold(guard);
}

static void release_all(void) {
    for (struct weir__fork_guard *guard = guards; guard; guard = guard->next)
        guard->release(guard);
    pthread_mutex_unlock(&mutex);
}

static void after_in_child(void) {
    atomic_fetch_add_explicit(&weir__generation, 1, memory_order_relaxed);
    release_all();
}

int weir__fork_enlist(struct weir__fork_guard *guard) {
    pthread_mutex_lock(&mutex);
    watching = watching || pthread_atfork(before_fork, release_all, after_in_child) == 0;
    if (watching) {
        guard->prev = NULL;
        guard->next = guards;
        if (guards)
            guards->prev = guard;
        guards = guard;
    }
    bool enlisted = watching;
    pthread_mutex_unlock(&mutex);
    return enlisted ? 0 : -ENOMEM;
}

void weir__fork_dismiss(struct weir__fork_guard *guard) {
    pthread_mutex_lock(&mutex);
    if (guard->prev)
        guard->prev->next = guard->next;
    else
        guards = guard->next;
    if (guard->next)
        guard->next->prev = guard->prev;
    pthread_mutex_unlock(&mutex);
}
