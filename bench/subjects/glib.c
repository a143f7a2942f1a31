/*
 * GLib's GThreadPool. Exclusive pools own their threads from the start, as its documentation
 * recommends for a pool of one's own; shared ones take threads from a list that all pools of the
 * process share, and make them on demand.
 */
#include "bench/subject.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <glib.h>

#include "bench/subjects/shared/bare.h"
#include "bench/subjects/shared/pending.h"

struct pool {
    GThreadPool *threads;
    struct bare bare;
    struct pending *pending;
};

static const struct weir_subject_variant variants[] = {
    {"default", "exclusive: own threads, all started at once", WEIR_SUBJECT_SHARED_THREADS},
    {"shared", "not exclusive: threads started on demand and shared with other pools", 0},
    {NULL, NULL, 0},
};

static char version[32];

static void run(gpointer data, gpointer user_data) {
    struct pool *pool = user_data;
    bare_run(&pool->bare, data);
    pending_end(pool->pending);
}

static int glib_open(const struct weir_subject_config *config, void **out) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL; /* a GThreadPool has no bound */
    }
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL || (pool->pending = pending_new()) == NULL) {
        free(pool);
        return -ENOMEM;
    }
    unsigned workers = config->workers != 0 ? config->workers : g_get_num_processors();
    bool shared = config->config != NULL && strcmp(config->config, "shared") == 0;
    pool->threads = g_thread_pool_new(run, pool, (gint)workers, !shared, NULL);
    if (pool->threads == NULL ||
        (!shared && g_thread_pool_get_num_threads(pool->threads) < workers)) {
        if (pool->threads != NULL) {
            g_thread_pool_free(pool->threads, TRUE, TRUE);
        }
        pending_free(pool->pending);
        free(pool);
        return -EAGAIN;
    }
    *out = pool;
    return 0;
}

static int glib_submit(void *memory, weir_subject_fn fn, void *arg) {
    struct pool *pool = memory;
    void *data = bare_pack(&pool->bare, fn, arg);
    if (data == NULL) {
        return -ENOMEM;
    }
    pending_begin(pool->pending);
    g_thread_pool_push(pool->threads, data, NULL); /* the task is kept whatever it returns */
    return 0;
}

static int glib_quiesce(void *memory) {
    struct pool *pool = memory;
    pending_wait(pool->pending);
    return 0;
}

static int glib_close(void *memory) {
    struct pool *pool = memory;
    g_thread_pool_free(pool->threads, FALSE, TRUE);
    pending_free(pool->pending);
    free(pool);
    return 0;
}

static size_t glib_queued(void *memory) {
    struct pool *pool = memory;
    return g_thread_pool_unprocessed(pool->threads);
}

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .name = "glib",
        .version = version,
        .notes = "GThreadPool: unbounded; no spinning; bare pointers; no futures; end: counted",
        .capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_SHARED_THREADS,
        .variants = variants,
        .open = glib_open,
        .submit = glib_submit,
        .quiesce = glib_quiesce,
        .close = glib_close,
        .queued = glib_queued,
    };
    g_snprintf(version, sizeof(version), "%u.%u.%u", glib_major_version, glib_minor_version,
               glib_micro_version);
    return &subject;
}
