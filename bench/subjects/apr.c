/*
 * APR-util's apr_thread_pool, all threads created at once. push puts a task behind those of its
 * priority, for which the pool walks past all of them; top puts it before them, at once, so that
 * the newest task starts first.
 */
#include "bench/subject.h"

#include <apr_general.h>
#include <apr_thread_pool.h>
#include <apu_version.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/subjects/shared/bare.h"
#include "bench/subjects/shared/pending.h"

struct pool {
    apr_pool_t *memory;
    apr_thread_pool_t *threads;
    struct bare bare;
    struct pending *pending;
    bool top;
};

static const struct weir_subject_variant variants[] = {
    {"default", "apr_thread_pool_push: in order, inserting walks past the whole queue", 0},
    {"top", "apr_thread_pool_top: inserts at once, newest task first", WEIR_SUBJECT_FIFO},
    {NULL, NULL, 0},
};

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data) {
    void *owner = NULL;
    apr_thread_pool_task_owner_get(thread, &owner);
    struct pool *pool = owner;
    bare_run(&pool->bare, data);
    pending_end(pool->pending);
    return NULL;
}

static int apr_subject_open(const struct weir_subject_config *config, void **out) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL;
    }
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL || (pool->pending = pending_new()) == NULL) {
        free(pool);
        return -ENOMEM;
    }
    size_t workers = config->workers != 0 ? config->workers : (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    pool->top = config->config != NULL && strcmp(config->config, "top") == 0;
    apr_initialize(); /* counts: terminate below takes one back */
    if (apr_pool_create(&pool->memory, NULL) != APR_SUCCESS ||
        apr_thread_pool_create(&pool->threads, workers, workers, pool->memory) != APR_SUCCESS) {
        apr_terminate();
        pending_free(pool->pending);
        free(pool);
        return -EAGAIN;
    }
    *out = pool;
    return 0;
}

static int apr_subject_submit(void *memory, weir_subject_fn fn, void *arg) {
    struct pool *pool = memory;
    void *data = bare_pack(&pool->bare, fn, arg);
    if (data == NULL) {
        return -ENOMEM;
    }
    pending_begin(pool->pending);
    apr_status_t status = (pool->top ? apr_thread_pool_top : apr_thread_pool_push)(
        pool->threads, run, data, APR_THREAD_TASK_PRIORITY_NORMAL, pool);
    if (status != APR_SUCCESS) {
        pending_end(pool->pending);
        return -ENOMEM;
    }
    return 0;
}

static int apr_subject_quiesce(void *memory) {
    struct pool *pool = memory;
    pending_wait(pool->pending);
    return 0;
}

/* Destroying the pool throws away what is queued, so that is waited for first. */
static int apr_subject_close(void *memory) {
    struct pool *pool = memory;
    pending_wait(pool->pending);
    apr_thread_pool_destroy(pool->threads);
    apr_pool_destroy(pool->memory);
    apr_terminate();
    pending_free(pool->pending);
    free(pool);
    return 0;
}

static size_t apr_subject_queued(void *memory) {
    struct pool *pool = memory;
    return apr_thread_pool_tasks_count(pool->threads);
}

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .name = "apr",
        .version = APU_VERSION_STRING,
        .notes = "apr_thread_pool: unbounded; no spinning; bare pointers; no futures; end: counted",
        .capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK,
        .variants = variants,
        .open = apr_subject_open,
        .submit = apr_subject_submit,
        .quiesce = apr_subject_quiesce,
        .close = apr_subject_close,
        .queued = apr_subject_queued,
    };
    return &subject;
}
