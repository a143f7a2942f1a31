/*
 * No pool at all: a detached thread for each task; one that brings a value is joined for it. Beyond
 * LIVE_MAX submit waits for one to end, but not inside a task, where that could be its own.
 */
#include "bench/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define LIVE_MAX 256u

struct pool {
    unsigned live; /* threads that run; under the lock */
};

struct task {
    struct pool *pool;
    weir_subject_fn fn;
    weir_subject_call call; /* instead of fn */
    void *arg;
};

struct ticket {
    pthread_t thread;
    bool joined;
    void *value;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t fewer = PTHREAD_COND_INITIALIZER; /* live of some pool has fallen */
static _Thread_local bool inside_task;

static int threads_open(const struct weir_subject_config *config, void **pool) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL;
    }
    *pool = calloc(1, sizeof(struct pool));
    return *pool != NULL ? 0 : -ENOMEM;
}

static void leave(struct pool *pool) {
    pthread_mutex_lock(&lock);
    if (--pool->live == 0 || pool->live == LIVE_MAX - 1) {
        pthread_cond_broadcast(&fewer);
    }
    pthread_mutex_unlock(&lock);
}

static void *run(void *arg) {
    struct task task = *(struct task *)arg;
    free(arg);
    inside_task = true;
    void *value = task.call != NULL ? task.call(task.arg) : (task.fn(task.arg), NULL);
    leave(task.pool);
    return value;
}

static int start(struct task task, pthread_t *thread) {
    struct task *own = malloc(sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    *own = task;
    pthread_mutex_lock(&lock);
    while (task.pool->live >= LIVE_MAX && !inside_task) {
        pthread_cond_wait(&fewer, &lock);
    }
    task.pool->live++;
    pthread_mutex_unlock(&lock);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256u * 1024u);
    int error = pthread_create(thread, &attributes, run, own);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        free(own);
        leave(task.pool);
    }
    return -error;
}

static int threads_submit(void *pool, weir_subject_fn fn, void *arg) {
    pthread_t thread;
    int error = start((struct task){.pool = pool, .fn = fn, .arg = arg}, &thread);
    return error != 0 ? error : -pthread_detach(thread);
}

static int threads_async(void *pool, weir_subject_call call, void *arg, void *memory) {
    struct ticket *ticket = memory;
    ticket->joined = false;
    return start((struct task){.pool = pool, .call = call, .arg = arg}, &ticket->thread);
}

static int threads_await(void *pool, void *memory, uint64_t deadline_ns, void **value) {
    struct ticket *ticket = memory;
    (void)pool;
    if (!ticket->joined && deadline_ns != WEIR_SUBJECT_FOREVER) {
        return -ETIMEDOUT;
    }
    int error = ticket->joined ? 0 : -pthread_join(ticket->thread, &ticket->value);
    ticket->joined = true;
    return *value = ticket->value, error;
}

static void threads_release(void *pool, void *memory) {
    struct ticket *ticket = memory;
    (void)pool;
    if (!ticket->joined) {
        pthread_detach(ticket->thread);
    }
}

static int threads_quiesce(void *memory) {
    struct pool *pool = memory;
    pthread_mutex_lock(&lock);
    while (pool->live > 0) {
        pthread_cond_wait(&fewer, &lock);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static int threads_close(void *memory) {
    threads_quiesce(memory);
    return free(memory), 0; /* whoever left last has let go of the lock */
}

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .name = "thread",
        .version = "1",
        .notes =
            "a pthread for each task, 256 KiB of stack, at most 256 at a time; join for values",
        .capabilities = WEIR_SUBJECT_NESTED | WEIR_SUBJECT_FROM_TASK |
                        WEIR_SUBJECT_ONE_THREAD_A_TASK | WEIR_SUBJECT_UNTIMED,
        .open = threads_open,
        .submit = threads_submit,
        .quiesce = threads_quiesce,
        .close = threads_close,
        .ticket_bytes = sizeof(struct ticket),
        .async = threads_async,
        .await = threads_await,
        .release = threads_release,
    };
    return &subject;
}
