#include "platform/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

int weir__thread_start(pthread_t *thread, void *(*main)(void *), void *arg) {
    sigset_t all, before;

    /* A thread inherits its creator's mask: block here, not first thing in the new thread, where
     * a signal could come before. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

void weir__thread_name(const char *prefix, unsigned index) {
    char number[WEIR__THREAD_NAME], name[WEIR__THREAD_NAME] = "";

    size_t digits = (size_t)snprintf(number, sizeof number, "-%u", index);
    size_t room = sizeof name - 1 - digits;
    size_t length = strnlen(prefix, room);
    memcpy(name, prefix, length);
    memcpy(name + length, number, digits + 1);
    pthread_setname_np(pthread_self(), name);
}
