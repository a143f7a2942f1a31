/* Thread: creation with a name and without the signals of the program. */
#ifndef WEIR__THREAD_H
#define WEIR__THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel's limit for a thread name, final NUL included. */
#define WEIR__THREAD_NAME 16

/* Starts a joinable thread with all signals blocked but those that its own instructions raise
 * (SIGSEGV and the like), so that a program's handlers run on its own threads. 0, or the negative
 * errno of pthread_create. stack_bytes: 0 for the system's default. */
int weir__thread_start(pthread_t *thread, size_t stack_bytes, void *(*main)(void *), void *arg);

/* The kernel's number of the calling thread; one system call a thread. */
uint32_t weir__thread_id(void);

/* Names the calling thread "prefix-index", cutting the prefix so that the number stays whole. */
void weir__thread_name(const char *prefix, unsigned index);

/* The same with any short suffix. */
void weir__thread_name_text(const char *prefix, const char *suffix);

#endif
