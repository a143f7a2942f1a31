#include "stress/witness.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stress/episode.h"

#define EVENTS 24

/* The pool's own lock may be what hangs: this comes last, and perhaps never returns. */
static void tell_queued(void) {
    bool usable;
    struct episode *e = episode_current(&usable);
    if (!usable || e->subject->queued == NULL) {
        return;
    }
    dprintf(STDERR_FILENO, "queued, as the pool tells it: ");
    dprintf(STDERR_FILENO, "%zu\n", e->subject->queued(e->pool));
}

static void *look(void *arg) {
    struct board *board = arg;
    while (atomic_load_explicit(&board->look, memory_order_acquire) == 0) {
        syscall(SYS_futex, &board->look, FUTEX_WAIT, 0, NULL, NULL, 0);
    }
    dprintf(STDERR_FILENO, "last events, newest first:\n");
    perturb_write_trail(STDERR_FILENO, EVENTS);
    tell_queued();
    atomic_store_explicit(&board->looked, 1, memory_order_release);
    return NULL;
}

bool witness_start(struct board *board) {
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, look, board);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0;
}
