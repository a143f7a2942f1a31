/*
 * No pool at all: a thread for each task, detached; one that is to bring a value is joined for it.
 * At most LIVE_MAX run at one time, in the whole process, and submit waits for one to end beyond
 * that, except from inside a task, where waiting could wait for itself.
 */
#include "bench/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define LIVE_MAX    256u
#define STACK_BYTES (256u * 1024u)

struct task {
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
static pthread_cond_t fewer = PTHREAD_COND_INITIALIZER; /* live has fallen */
static unsigned live;
static pthread_attr_t attributes;
static pthread_once_t attributes_once = PTHREAD_ONCE_INIT;
static _Thread_local bool inside_task;

static void set_attributes(void) {
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
}

static int threads_open(const struct weir_subject_config *config, void **pool) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL;
    }
    pthread_once(&attributes_once, set_attributes);
    *pool = &attributes; /* there is none */
    return 0;
}

static void leave(void) {
    pthread_mutex_lock(&lock);
    if (--live == 0 || live == LIVE_MAX - 1) {
        pthread_cond_broadcast(&fewer);
    }
    pthread_mutex_unlock(&lock);
}

static void *run(void *arg) {
    struct task task = *(struct task *)arg;
    free(arg);
    inside_task = true;
    void *value = task.call != NULL ? task.call(task.arg) : (task.fn(task.arg), NULL);
    leave();
    return value;
}

static int start(struct task task, pthread_t *thread) {
    struct task *own = malloc(sizeof(*own));
    if (own == NULL) {
        return -ENOMEM;
    }
    *own = task;
    pthread_mutex_lock(&lock);
    while (live >= LIVE_MAX && !inside_task) {
        pthread_cond_wait(&fewer, &lock);
    }
    live++;
    pthread_mutex_unlock(&lock);
    int error = pthread_create(thread, &attributes, run, own);
    if (error != 0) {
        free(own);
        leave();
    }
    return -error;
}

static int threads_submit(void *pool, weir_subject_fn fn, void *arg) {
    pthread_t thread;
    (void)pool;
    int error = start((struct task){.fn = fn, .arg = arg}, &thread);
    return error != 0 ? error : -pthread_detach(thread);
}

static int threads_async(void *pool, weir_subject_call call, void *arg, void *memory) {
    struct ticket *ticket = memory;
    (void)pool;
    ticket->joined = false;
    return start((struct task){.call = call, .arg = arg}, &ticket->thread);
}

static int threads_await(void *pool, void *memory, uint64_t deadline_ns, void **value) {
    struct ticket *ticket = memory;
    (void)pool;
    if (!ticket->joined && deadline_ns != WEIR_SUBJECT_FOREVER) {
        return -ETIMEDOUT;
    }
    int error = ticket->joined ? 0 : -pthread_join(ticket->thread, &ticket->value);
    ticket->joined = true;
    *value = ticket->value;
    return error;
}

static void threads_release(void *pool, void *memory) {
    struct ticket *ticket = memory;
    (void)pool;
    if (!ticket->joined) {
        pthread_detach(ticket->thread);
    }
}

static int threads_quiesce(void *pool) {
    (void)pool;
    pthread_mutex_lock(&lock);
    while (live > 0) {
        pthread_cond_wait(&fewer, &lock);
    }
    pthread_mutex_unlock(&lock);
    return 0;
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
        .close = threads_quiesce,
        .ticket_bytes = sizeof(struct ticket),
        .async = threads_async,
        .await = threads_await,
        .release = threads_release,
    };
    return &subject;
}
