/*
 * libuv's thread pool. uv_queue_work belongs to the thread of the loop, so other threads hand their
 * requests to it as libuv's documentation says: a list under a lock, and uv_async_send. The size of
 * the pool is fixed for the process by UV_THREADPOOL_SIZE when it is first used.
 */
#include "bench/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "bench/subjects/shared/pending.h"

struct pool {
    uv_loop_t loop;
    uv_async_t wake;
    pthread_t thread;
    pthread_mutex_t lock; /* of the three below */
    struct request *first;
    struct request **last;
    bool closing;
    struct pending *pending;
};

struct request {
    uv_work_t work;
    struct request *next;
    struct pool *pool;
    weir_subject_fn fn;
    void *arg;
};

/* On a thread of the pool. */
static void run(uv_work_t *work) {
    struct request *request = work->data;
    request->fn(request->arg);
    pending_end(request->pool->pending);
}

/* On the loop. */
static void after(uv_work_t *work, int status) {
    (void)status; /* nobody cancels */
    free(work->data);
}

static void take_over(uv_async_t *wake) {
    struct pool *pool = wake->data;
    pthread_mutex_lock(&pool->lock);
    struct request *request = pool->first;
    pool->first = NULL;
    pool->last = &pool->first;
    bool closing = pool->closing;
    pthread_mutex_unlock(&pool->lock);
    while (request != NULL) {
        struct request *next = request->next;
        uv_queue_work(&pool->loop, &request->work, run, after);
        request = next;
    }
    if (closing) {
        uv_close((uv_handle_t *)wake, NULL);
    }
}

static void *loop(void *arg) {
    struct pool *pool = arg;
    uv_run(&pool->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int uv_subject_submit(void *memory, weir_subject_fn fn, void *arg) {
    struct pool *pool = memory;
    struct request *request = malloc(sizeof(*request));
    if (request == NULL) {
        return -ENOMEM;
    }
    *request = (struct request){.work.data = request, .pool = pool, .fn = fn, .arg = arg};
    pending_begin(pool->pending);
    pthread_mutex_lock(&pool->lock);
    *pool->last = request;
    pool->last = &request->next;
    pthread_mutex_unlock(&pool->lock);
    return uv_async_send(&pool->wake);
}

static int uv_subject_quiesce(void *memory) {
    struct pool *pool = memory;
    pending_wait(pool->pending);
    return 0;
}

static int uv_subject_close(void *memory) {
    struct pool *pool = memory;
    pending_wait(pool->pending);
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_mutex_unlock(&pool->lock);
    uv_async_send(&pool->wake);
    pthread_join(pool->thread, NULL); /* after the last `after` */
    int error = uv_loop_close(&pool->loop);
    pthread_mutex_destroy(&pool->lock);
    pending_free(pool->pending);
    free(pool);
    return error;
}

static int uv_subject_open(const struct weir_subject_config *config, void **out) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL;
    }
    static unsigned first; /* pool of the process: its size is that of all */
    if (first != 0 && config->workers != first) {
        return -ENOTSUP;
    }
    char size[16];
    first = config->workers != 0 ? config->workers : uv_available_parallelism();
    snprintf(size, sizeof(size), "%u", first);
    setenv("UV_THREADPOOL_SIZE", size, 1);
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL || (pool->pending = pending_new()) == NULL) {
        free(pool);
        return -ENOMEM;
    }
    pool->last = &pool->first;
    pthread_mutex_init(&pool->lock, NULL);
    uv_loop_init(&pool->loop);
    uv_async_init(&pool->loop, &pool->wake, take_over);
    pool->wake.data = pool;
    *out = pool;
    return -pthread_create(&pool->thread, NULL, loop, pool);
}

const struct weir_subject *weir_subject(void) {
    static struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .name = "uv",
        .notes = "uv_queue_work through uv_async_send; unbounded; no spinning; one pool, of "
                 "UV_THREADPOOL_SIZE = workers; no futures; end: counted",
        .capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_SHARED_THREADS,
        .open = uv_subject_open,
        .submit = uv_subject_submit,
        .quiesce = uv_subject_quiesce,
        .close = uv_subject_close,
    };
    subject.version = uv_version_string();
    return &subject;
}
