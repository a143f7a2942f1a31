#include "platform/thread.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Those that an instruction of the thread itself raises: blocked, they would kill the process
 * before a handler could say where. */
static const int raised_by_the_thread[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};

int weir__thread_start(pthread_t *thread, size_t stack_bytes, void *(*main)(void *), void *arg) {
    sigset_t most, before;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);

    if (error == 0 && stack_bytes)
        error = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (error)
        return -error;

    /* A thread inherits its creator's mask: block here, not first thing in the new thread, where
     * a signal could come before. */
    sigfillset(&most);
    for (size_t i = 0; i < sizeof raised_by_the_thread / sizeof *raised_by_the_thread; i++)
        sigdelset(&most, raised_by_the_thread[i]);
    pthread_sigmask(SIG_SETMASK, &most, &before);
    error = pthread_create(thread, &attributes, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

uint32_t weir__thread_id(void) {
    static _Thread_local uint32_t id;

    if (id == 0)
        id = (uint32_t)syscall(SYS_gettid);
    return id;
}

void weir__thread_name_text(const char *prefix, const char *suffix) {
    char name[WEIR__THREAD_NAME] = "";
    size_t end = strnlen(suffix, sizeof name - 1);
    size_t begin = strnlen(prefix, sizeof name - 1 - end);

    memcpy(name, prefix, begin);
    memcpy(name + begin, suffix, end);
    pthread_setname_np(pthread_self(), name);
}

void weir__thread_name(const char *prefix, unsigned index) {
    char number[WEIR__THREAD_NAME];

    snprintf(number, sizeof number, "-%u", index);
    weir__thread_name_text(prefix, number);
}
