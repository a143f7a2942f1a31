/*
 * GLib's GThreadPool, exclusive, as its documentation recommends for a pool of one's own.
 *
 * A GThreadPool runs one function over many data. The first function submitted becomes that one,
 * and its arguments travel bare, as in any program that uses the pool; a task with another
 * function, a NULL argument, or an odd address travels in a box, marked by the lowest bit.
 */
#include "bench/subject.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <glib.h>

struct pool {
    GThreadPool *threads;
    unsigned workers;
    _Atomic(weir_subject_fn) fn; /* of the bare arguments; set once */
    pthread_mutex_t quiescing;
};

struct box {
    weir_subject_fn fn;
    void *arg;
};

static char version[32];

static void run(gpointer data, gpointer user_data) {
    struct pool *pool = user_data;
    if (((uintptr_t)data & 1) == 0) {
        atomic_load_explicit(&pool->fn, memory_order_relaxed)(data);
        return;
    }
    struct box *boxed = (struct box *)((uintptr_t)data - 1);
    struct box box = *boxed;
    g_free(boxed);
    box.fn(box.arg);
}

static int glib_open(const struct weir_subject_config *config, void **out) {
    if ((config->options != NULL && config->options[0] != NULL) || config->capacity != 0) {
        return -EINVAL; /* a GThreadPool has no bound */
    }
    struct pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return -ENOMEM;
    }
    pool->workers = config->workers != 0 ? config->workers : g_get_num_processors();
    pthread_mutex_init(&pool->quiescing, NULL);
    pool->threads = g_thread_pool_new(run, pool, (gint)pool->workers, TRUE, NULL);
    if (pool->threads == NULL || g_thread_pool_get_num_threads(pool->threads) < pool->workers) {
        if (pool->threads != NULL) {
            g_thread_pool_free(pool->threads, TRUE, TRUE);
        }
        pthread_mutex_destroy(&pool->quiescing);
        free(pool);
        return -EAGAIN;
    }
    *out = pool;
    return 0;
}

/* Without memory g_new ends the process, as the push itself does. */
static void push_boxed(struct pool *pool, weir_subject_fn fn, void *arg) {
    struct box *box = g_new(struct box, 1);
    *box = (struct box){.fn = fn, .arg = arg};
    g_thread_pool_push(pool->threads, (gpointer)((uintptr_t)box + 1), NULL);
}

static int glib_submit(void *memory, weir_subject_fn fn, void *arg) {
    struct pool *pool = memory;
    weir_subject_fn usual = atomic_load_explicit(&pool->fn, memory_order_relaxed);
    if (usual == NULL && atomic_compare_exchange_strong_explicit(
                             &pool->fn, &usual, fn, memory_order_relaxed, memory_order_relaxed)) {
        usual = fn;
    }
    if (fn != usual || arg == NULL || ((uintptr_t)arg & 1) != 0) {
        push_boxed(pool, fn, arg);
    } else {
        g_thread_pool_push(pool->threads, arg, NULL);
    }
    return 0;
}

/*
 * A GThreadPool does not tell when it is idle, and counting tasks would burden each. Instead as
 * many tasks as workers meet at a barrier: the queue is first-in first-out, so when all have come
 * every earlier task has been taken, and by a worker that has ended it.
 */
static void meet(void *arg) {
    pthread_barrier_wait(arg);
}

static int glib_quiesce(void *memory) {
    struct pool *pool = memory;
    pthread_barrier_t barrier;
    pthread_mutex_lock(&pool->quiescing); /* half of two meetings would wait for ever */
    int error = -pthread_barrier_init(&barrier, NULL, pool->workers + 1);
    if (error == 0) {
        for (unsigned i = 0; i < pool->workers; i++) {
            push_boxed(pool, meet, &barrier);
        }
        pthread_barrier_wait(&barrier);
        pthread_barrier_destroy(&barrier); /* waits for those who are still leaving */
    }
    pthread_mutex_unlock(&pool->quiescing);
    return error;
}

static int glib_close(void *memory) {
    struct pool *pool = memory;
    g_thread_pool_free(pool->threads, FALSE, TRUE);
    pthread_mutex_destroy(&pool->quiescing);
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
        .notes = "GThreadPool, exclusive; no futures, no bound",
        .capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK,
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
