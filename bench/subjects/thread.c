/*
 * No pool at all: a thread for each task. Threads are detached; at most LIVE_MAX run tasks at one
 * time, and submit waits for one to end beyond that, except from inside a task, where waiting
 * could wait for itself.
 */
#include "bench/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define LIVE_MAX    256u
#define STACK_BYTES (256u * 1024u)

struct threads {
    pthread_mutex_t lock;
    pthread_cond_t fewer; /* live has fallen */
    pthread_attr_t attributes;
    unsigned live;
};

/* A call's place, in the harness's memory; under the lock of threads. */
struct ticket {
    pthread_cond_t ended_changed;
    bool ended;
    void *value;
};

struct task {
    struct threads *threads;
    weir_subject_fn fn;
    weir_subject_call call; /* instead of fn, with a ticket */
    struct ticket *ticket;
    void *arg;
};

static _Thread_local bool inside_task;

static int threads_open(const struct weir_subject_config *config, void **pool) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL;
    }
    struct threads *threads = calloc(1, sizeof(*threads));
    if (threads == NULL) {
        return -ENOMEM;
    }
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->fewer, NULL);
    pthread_attr_init(&threads->attributes);
    pthread_attr_setdetachstate(&threads->attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&threads->attributes, STACK_BYTES);
    *pool = threads;
    return 0;
}

/* The last look at the ticket: its memory may be reused from the unlock on. */
static void leave(struct threads *threads, struct ticket *ticket, void *value) {
    pthread_mutex_lock(&threads->lock);
    if (ticket != NULL) {
        ticket->value = value;
        ticket->ended = true;
        pthread_cond_broadcast(&ticket->ended_changed);
    }
    threads->live--;
    if (threads->live == 0 || threads->live == LIVE_MAX - 1) {
        pthread_cond_broadcast(&threads->fewer);
    }
    pthread_mutex_unlock(&threads->lock);
}

static void *run(void *arg) {
    struct task task = *(struct task *)arg;
    free(arg);
    inside_task = true;
    void *value = NULL;
    if (task.ticket != NULL) {
        value = task.call(task.arg);
    } else {
        task.fn(task.arg);
    }
    leave(task.threads, task.ticket, value);
    return NULL;
}

static int start(struct threads *threads, struct task task) {
    struct task *own = malloc(sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    *own = task;
    pthread_mutex_lock(&threads->lock);
    while (threads->live >= LIVE_MAX && !inside_task) {
        pthread_cond_wait(&threads->fewer, &threads->lock);
    }
    threads->live++;
    pthread_mutex_unlock(&threads->lock);
    pthread_t thread;
    int error = pthread_create(&thread, &threads->attributes, run, own);
    if (error != 0) {
        free(own);
        leave(threads, NULL, NULL);
    }
    return -error;
}

static int threads_submit(void *pool, weir_subject_fn fn, void *arg) {
    return start(pool, (struct task){.threads = pool, .fn = fn, .arg = arg});
}

static int threads_quiesce(void *pool) {
    struct threads *threads = pool;
    pthread_mutex_lock(&threads->lock);
    while (threads->live > 0) {
        pthread_cond_wait(&threads->fewer, &threads->lock);
    }
    pthread_mutex_unlock(&threads->lock);
    return 0;
}

static int threads_close(void *pool) {
    struct threads *threads = pool;
    threads_quiesce(pool);
    pthread_attr_destroy(&threads->attributes);
    pthread_cond_destroy(&threads->fewer);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
    return 0;
}

static void threads_release(void *pool, void *ticket_memory) {
    (void)pool;
    struct ticket *ticket = ticket_memory;
    pthread_cond_destroy(&ticket->ended_changed);
}

static int threads_async(void *pool, weir_subject_call call, void *arg, void *ticket_memory) {
    struct ticket *ticket = ticket_memory;
    pthread_cond_init(&ticket->ended_changed, NULL);
    ticket->ended = false;
    struct task task = {.threads = pool, .call = call, .ticket = ticket, .arg = arg};
    int error = start(pool, task);
    if (error != 0) {
        threads_release(pool, ticket);
    }
    return error;
}

static int threads_await(void *pool, void *ticket_memory, uint64_t deadline_ns, void **value) {
    struct threads *threads = pool;
    struct ticket *ticket = ticket_memory;
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
    int error = 0;
    pthread_mutex_lock(&threads->lock);
    while (!ticket->ended && error != ETIMEDOUT) {
        error =
            pthread_cond_clockwait(&ticket->ended_changed, &threads->lock, CLOCK_MONOTONIC, &until);
    }
    bool ended = ticket->ended;
    if (ended && value != NULL) {
        *value = ticket->value;
    }
    pthread_mutex_unlock(&threads->lock);
    return ended ? 0 : -ETIMEDOUT;
}

static int threads_poll(void *pool, void *ticket_memory) {
    return threads_await(pool, ticket_memory, WEIR_SUBJECT_NOW, NULL) == 0;
}

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .name = "thread",
        .version = "1",
        .notes = "a detached pthread for each task, 256 KiB of stack, at most 256 at a time",
        .capabilities =
            WEIR_SUBJECT_NESTED | WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_ONE_THREAD_A_TASK,
        .open = threads_open,
        .submit = threads_submit,
        .quiesce = threads_quiesce,
        .close = threads_close,
        .ticket_bytes = sizeof(struct ticket),
        .async = threads_async,
        .await = threads_await,
        .release = threads_release,
        .poll = threads_poll,
    };
    return &subject;
}
