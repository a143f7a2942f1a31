#include "bench/measure/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct watchdog {
    pthread_mutex_t lock;
    pthread_cond_t stopped_changed;
    pthread_t thread;
    bool stopped;
    struct timespec deadline;
    void (*fired)(void *arg);
    void *arg;
};

static void *watch(void *arg) {
    struct watchdog *watchdog = arg;
    int error = 0;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stopped && error != ETIMEDOUT) {
        error = pthread_cond_clockwait(&watchdog->stopped_changed, &watchdog->lock, CLOCK_MONOTONIC,
                                       &watchdog->deadline);
    }
    if (!watchdog->stopped) {
        watchdog->fired(watchdog->arg); /* with the lock held: watchdog_stop waits for the end */
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

struct watchdog *watchdog_start(uint64_t deadline_ns, void (*fired)(void *arg), void *arg) {
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
    if (watchdog == NULL) {
        return NULL;
    }
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_cond_init(&watchdog->stopped_changed, NULL);
    watchdog->deadline.tv_sec = (time_t)(deadline_ns / 1000000000u);
    watchdog->deadline.tv_nsec = (long)(deadline_ns % 1000000000u);
    watchdog->fired = fired;
    watchdog->arg = arg;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&watchdog->thread, NULL, watch, watchdog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(watchdog);
        return NULL;
    }
    return watchdog;
}

void watchdog_stop(struct watchdog *watchdog) {
    if (watchdog == NULL) {
        return;
    }
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stopped = true;
    pthread_cond_signal(&watchdog->stopped_changed);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    pthread_cond_destroy(&watchdog->stopped_changed);
    pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
}
