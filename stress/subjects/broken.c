/*
 * Pools with one bug each, for the harness's own tests: the reference pool behind a layer that
 * breaks one promise. The configuration names the promise.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress/subjects/reference_pool.h"

enum bug {
    NO_BUG,
    LOST_TASK,
    DOUBLE_RUN,
    DEADLOCK,
    LIVELOCK,
    EARLY_IDLE,
    CRASH,
    RACE,
    LEAK,
    THREADS
};

static const struct weir_subject_variant bugs[] = {
    [NO_BUG] = {"none", "the layer alone", 0},
    [LOST_TASK] = {"lost_task", "now and then a task is accepted and forgotten", 0},
    [DOUBLE_RUN] = {"double_run", "now and then a task is queued twice", 0},
    [DEADLOCK] = {"deadlock", "submitters and workers take two locks in opposite order", 0},
    [LIVELOCK] = {"livelock", "now and then a task is handed round for ever", 0},
    [EARLY_IDLE] = {"early_idle", "quiesce does not wait", 0},
    [CRASH] = {"crash", "now and then a null pointer", 0},
    [RACE] = {"race", "an argument is handed over in plain memory after submit", 0},
    [LEAK] = {"leak", "memory of each task is never freed", 0},
    [THREADS] = {"threads", "now and then it starts threads without end", 0},
    [THREADS + 1] = {NULL, NULL, 0},
};

struct layer {
    enum bug bug;
    void *pool;
    _Atomic(uint32_t) calls;
    pthread_mutex_t first, second;
};

struct job {
    struct layer *layer;
    weir_subject_fn fn;
    void *arg;
    _Atomic(uint32_t) runs;
};

static int layer_open(const struct weir_subject_config *config, void **pool) {
    struct layer *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return -ENOMEM;
    }
    for (unsigned i = 0; bugs[i].name != NULL && config->config != NULL; i++) {
        if (strcmp(bugs[i].name, config->config) == 0) {
            l->bug = (enum bug)i;
        }
    }
    pthread_mutex_init(&l->first, NULL);
    pthread_mutex_init(&l->second, NULL);
    int error = reference_subject.open(config, &l->pool);
    if (error != 0) {
        free(l);
        return error;
    }
    *pool = l;
    return 0;
}

static int layer_close(void *pool) {
    struct layer *l = pool;
    int error = reference_subject.close(l->pool);
    pthread_mutex_destroy(&l->first);
    pthread_mutex_destroy(&l->second);
    free(l);
    return error;
}

static void run(void *arg) {
    struct job *job = arg;
    struct layer *l = job->layer;
    if (l->bug == DEADLOCK) {
        pthread_mutex_lock(&l->second);
        sched_yield();
        pthread_mutex_lock(&l->first);
        pthread_mutex_unlock(&l->first);
        pthread_mutex_unlock(&l->second);
    }
    job->fn(job->arg);
    if (l->bug != LEAK && l->bug != DOUBLE_RUN) {
        free(job);
    }
}

static void run_again(void *arg) {
    struct job *job = arg;
    while (reference_subject.submit(job->layer->pool, run_again, job) == -EAGAIN) {
        sched_yield();
    }
}

static int *volatile nowhere; /* volatile: compilers must not see through it */

static void *stay(void *arg) {
    pause();
    return arg;
}

/* As many as a harness that does not look would let come. */
static void start_without_end(void) {
    pthread_t thread;
    while (pthread_create(&thread, NULL, stay, NULL) == 0) {
        pthread_detach(thread);
    }
}

static int submit_broken(struct layer *l, struct job *job) {
    int error;
    switch (l->bug) {
    case LOST_TASK:
        free(job);
        return 0;
    case DOUBLE_RUN:
        error = reference_subject.submit(l->pool, run, job);
        return error != 0 || reference_subject.submit(l->pool, run, job) != 0 ? error : 0;
    case LIVELOCK:
        return reference_subject.submit(l->pool, run_again, job);
    case THREADS:
        start_without_end();
        return 0;
    case CRASH:
        *nowhere = 1;
        return 0;
    default:
        return reference_subject.submit(l->pool, run, job);
    }
}

static int layer_submit(void *pool, weir_subject_fn fn, void *arg) {
    struct layer *l = pool;
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return -ENOMEM;
    }
    *job = (struct job){.layer = l, .fn = fn, .arg = arg};
    uint32_t call = atomic_fetch_add_explicit(&l->calls, 1, memory_order_relaxed);
    if (l->bug == DEADLOCK) {
        pthread_mutex_lock(&l->first);
        sched_yield();
        pthread_mutex_lock(&l->second);
        pthread_mutex_unlock(&l->second);
        pthread_mutex_unlock(&l->first);
    }
    int error =
        call % 16 == 11 ? submit_broken(l, job) : reference_subject.submit(l->pool, run, job);
    if (error != 0) {
        free(job);
    } else if (l->bug == RACE) {
        job->arg = arg;
    }
    return error;
}

static int layer_quiesce(void *pool) {
    struct layer *l = pool;
    return l->bug == EARLY_IDLE ? 0 : reference_subject.quiesce(l->pool);
}

static size_t layer_queued(void *pool) {
    struct layer *l = pool;
    return reference_subject.queued(l->pool);
}

static const struct weir_subject broken_subject = {
    .abi = WEIR_SUBJECT_ABI,
    .size = sizeof(struct weir_subject),
    .name = "broken",
    .version = "1",
    .notes = "one bug a configuration",
    .capabilities = WEIR_SUBJECT_BOUNDED | WEIR_SUBJECT_FULL_REJECT | WEIR_SUBJECT_FROM_TASK,
    .variants = bugs,
    .open = layer_open,
    .submit = layer_submit,
    .quiesce = layer_quiesce,
    .close = layer_close,
    .queued = layer_queued,
};

const struct weir_subject *weir_subject(void) {
    return &broken_subject;
}
