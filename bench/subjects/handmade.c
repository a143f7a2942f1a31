/*
 * The pool that people write by hand: a linked list under one mutex, one condition for workers, a
 * signal for every task, a second condition for those who wait until nothing is left.
 */
#include "bench/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    struct job *next;
    weir_subject_fn fn;
    void *arg;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_cond_t idle;
    struct job *first;
    struct job **last;
    size_t queued;
    size_t running;
    bool stop;
    unsigned workers;
    pthread_t threads[];
};

static void *work(void *arg) {
    struct pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->first == NULL && !pool->stop) {
            pthread_cond_wait(&pool->more, &pool->lock);
        }
        struct job *job = pool->first;
        if (job == NULL) {
            break;
        }
        pool->first = job->next;
        pool->last = pool->first == NULL ? &pool->first : pool->last;
        pool->queued--;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        job->fn(job->arg);
        free(job);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0 && pool->first == NULL) {
            pthread_cond_broadcast(&pool->idle);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static int handmade_submit(void *memory, weir_subject_fn fn, void *arg) {
    struct pool *pool = memory;
    struct job *job = malloc(sizeof(*job));
    if (job == NULL) {
        return -ENOMEM;
    }
    *job = (struct job){.fn = fn, .arg = arg};
    pthread_mutex_lock(&pool->lock);
    *pool->last = job;
    pool->last = &job->next;
    pool->queued++;
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

static int handmade_quiesce(void *memory) {
    struct pool *pool = memory;
    pthread_mutex_lock(&pool->lock);
    while (pool->first != NULL || pool->running > 0) {
        pthread_cond_wait(&pool->idle, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return 0;
}

static int handmade_close(void *memory) {
    struct pool *pool = memory;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->workers; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    return 0;
}

static int handmade_open(const struct weir_subject_config *config, void **out) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL;
    }
    unsigned workers =
        config->workers != 0 ? config->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    struct pool *pool = calloc(1, sizeof(*pool) + workers * sizeof(pool->threads[0]));
    if (pool == NULL) {
        return -ENOMEM;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->more, NULL);
    pthread_cond_init(&pool->idle, NULL);
    pool->last = &pool->first;
    for (; pool->workers < workers; pool->workers++) {
        int error = pthread_create(&pool->threads[pool->workers], NULL, work, pool);
        if (error != 0) {
            handmade_close(pool);
            return -error;
        }
    }
    *out = pool;
    return 0;
}

static size_t handmade_queued(void *memory) {
    struct pool *pool = memory;
    pthread_mutex_lock(&pool->lock);
    size_t queued = pool->queued;
    pthread_mutex_unlock(&pool->lock);
    return queued;
}

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .name = "handmade",
        .version = "1",
        .notes =
            "one mutex, one list, unbounded; no spinning; a malloc and a signal each; no futures",
        .capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK,
        .open = handmade_open,
        .submit = handmade_submit,
        .quiesce = handmade_quiesce,
        .close = handmade_close,
        .queued = handmade_queued,
    };
    return &subject;
}
