/*
 * The reference pool: everything under one mutex, every waiter on one condition variable, every
 * change broadcast. Slow and easy to see correct: it shows that the scenarios accuse nobody
 * wrongly, and is the body of the subjects that are broken on purpose.
 */
#include "stress/subjects/reference_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum state { QUEUED, RUNNING, DONE, CANCELLED };

struct job {
    struct job *next;
    weir_subject_fn fn;
    weir_subject_call call; /* a ticket's; then the job is the ticket */
    void *arg;
    void *value;
    enum state state;
    bool leaving; /* on_done runs */
    weir_subject_fn done;
    void *done_arg;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *head, **tail;
    size_t queued, running, capacity;
    bool stopped, reject, caller_runs;
    void (*dropped)(void *arg);
    unsigned workers;
    pthread_t threads[];
};

static _Thread_local struct pool *pool_of_thread; /* whose task this thread is inside of */

/* ---- The queue; all under the lock ---- */

static void append(struct pool *p, struct job *job) {
    job->next = NULL;
    job->state = QUEUED;
    *p->tail = job;
    p->tail = &job->next;
    p->queued++;
    pthread_cond_broadcast(&p->changed);
}

static bool take(struct pool *p, struct job *wanted) {
    for (struct job **link = &p->head; *link != NULL; link = &(*link)->next) {
        if (*link == wanted) {
            *link = wanted->next;
            if (p->tail == &wanted->next) {
                p->tail = link;
            }
            p->queued--;
            pthread_cond_broadcast(&p->changed);
            return true;
        }
    }
    return false;
}

static void end(struct pool *p, struct job *job, enum state state) {
    weir_subject_fn done = job->done;
    job->state = state;
    if (done != NULL) {
        job->leaving = true;
        pthread_mutex_unlock(&p->lock);
        done(job->done_arg);
        pthread_mutex_lock(&p->lock);
        job->leaving = false;
    }
    pthread_cond_broadcast(&p->changed);
}

/* Runs a job that was taken; the lock is given up meanwhile. */
static void run(struct pool *p, struct job *job) {
    struct pool *outside = pool_of_thread;
    pool_of_thread = p; /* a caller that runs a task is as good as a worker meanwhile */
    p->running++;
    job->state = RUNNING;
    pthread_mutex_unlock(&p->lock);
    bool ticket = job->call != NULL;
    void *value = NULL;
    if (ticket) {
        value = job->call(job->arg);
    } else {
        job->fn(job->arg);
        free(job);
    }
    pthread_mutex_lock(&p->lock);
    if (ticket) {
        job->value = value;
        end(p, job, DONE);
    }
    p->running--;
    pool_of_thread = outside;
    pthread_cond_broadcast(&p->changed);
}

static void *work(void *arg) {
    struct pool *p = arg;
    pthread_mutex_lock(&p->lock);
    while (p->head != NULL || !p->stopped) {
        struct job *job = p->head;
        if (job == NULL) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        take(p, job);
        run(p, job);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* 0, or -ETIMEDOUT at the deadline. */
static int wait_change(struct pool *p, uint64_t deadline_ns) {
    if (deadline_ns == WEIR_SUBJECT_FOREVER) {
        return -pthread_cond_wait(&p->changed, &p->lock);
    }
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                             .tv_nsec = (long)(deadline_ns % 1000000000u)};
    return -pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

/* ---- Life ---- */

static int pool_close(void *pool) {
    struct pool *p = pool;
    pthread_mutex_lock(&p->lock);
    p->stopped = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->workers; i++) {
        pthread_join(p->threads[i], NULL);
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return 0;
}

static int pool_open(const struct weir_subject_config *config, void **pool) {
    unsigned workers = config->workers != 0 ? config->workers : 2;
    if (config->options != NULL && config->options[0] != NULL) {
        return -EINVAL;
    }
    struct pool *p = calloc(1, sizeof(*p) + workers * sizeof(p->threads[0]));
    if (p == NULL) {
        return -ENOMEM;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&p->lock, NULL);
    p->tail = &p->head;
    p->capacity = config->capacity;
    p->reject = config->full != NULL && strcmp(config->full, "reject") == 0;
    p->caller_runs = config->full != NULL && strcmp(config->full, "caller-runs") == 0;
    p->dropped = config->dropped;
    for (; p->workers < workers; p->workers++) {
        if (pthread_create(&p->threads[p->workers], NULL, work, p) != 0) {
            pool_close(p);
            return -EAGAIN;
        }
    }
    *pool = p;
    return 0;
}

/* ---- Submission ---- */

static int hand_over(struct pool *p, struct job *job, bool wait, uint64_t deadline_ns) {
    int error = 0;
    pthread_mutex_lock(&p->lock);
    while (error == 0 && !p->stopped && p->capacity != 0 && p->queued >= p->capacity) {
        if (p->caller_runs) {
            run(p, job);
            pthread_mutex_unlock(&p->lock);
            return 0;
        }
        error = wait && pool_of_thread != p ? wait_change(p, deadline_ns) : -EAGAIN;
    }
    error = p->stopped ? -ESHUTDOWN : error;
    if (error == 0) {
        append(p, job);
    }
    pthread_mutex_unlock(&p->lock);
    return error;
}

static int submit_job(struct pool *p, weir_subject_fn fn, void *arg, bool wait,
                      uint64_t deadline_ns) {
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return -ENOMEM;
    }
    job->fn = fn;
    job->arg = arg;
    int error = hand_over(p, job, wait, deadline_ns);
    if (error != 0) {
        free(job);
    }
    return error;
}

static int pool_submit(void *pool, weir_subject_fn fn, void *arg) {
    struct pool *p = pool;
    return submit_job(p, fn, arg, !p->reject, WEIR_SUBJECT_FOREVER);
}

static int pool_submit_until(void *pool, weir_subject_fn fn, void *arg, uint64_t deadline_ns) {
    return submit_job(pool, fn, arg, deadline_ns != WEIR_SUBJECT_NOW, deadline_ns);
}

static int pool_quiesce(void *pool) {
    struct pool *p = pool;
    pthread_mutex_lock(&p->lock);
    while (p->queued + p->running != 0) {
        pthread_cond_wait(&p->changed, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static int pool_shutdown(void *pool, enum weir_subject_shutdown how) {
    struct pool *p = pool;
    pthread_mutex_lock(&p->lock);
    p->stopped = true;
    pthread_cond_broadcast(&p->changed);
    while (how == WEIR_SUBJECT_CANCEL && p->head != NULL) {
        struct job *job = p->head;
        take(p, job);
        if (job->call != NULL) {
            end(p, job, CANCELLED);
        } else if (p->dropped != NULL) {
            p->dropped(job->arg);
        }
        if (job->call == NULL) {
            free(job);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static size_t pool_queued(void *pool) {
    struct pool *p = pool;
    pthread_mutex_lock(&p->lock);
    size_t queued = p->queued;
    pthread_mutex_unlock(&p->lock);
    return queued;
}

/* ---- Values ---- */

static int pool_async(void *pool, weir_subject_call call, void *arg, void *ticket) {
    struct pool *p = pool;
    struct job *job = ticket;
    *job = (struct job){.call = call, .arg = arg};
    return hand_over(p, job, !p->reject, WEIR_SUBJECT_FOREVER);
}

static int pool_await(void *pool, void *ticket, uint64_t deadline_ns, void **value) {
    struct pool *p = pool;
    struct job *job = ticket;
    int error = 0;
    pthread_mutex_lock(&p->lock);
    if (pool_of_thread == p && take(p, job)) {
        run(p, job); /* a nested wait needs no other worker */
    }
    while (error == 0 && job->state < DONE) {
        error = wait_change(p, deadline_ns);
    }
    if (job->state >= DONE) {
        error = job->state == DONE ? 0 : -ECANCELED;
        *value = job->value;
    }
    pthread_mutex_unlock(&p->lock);
    return error;
}

static void pool_release(void *pool, void *ticket) {
    struct pool *p = pool;
    struct job *job = ticket;
    pthread_mutex_lock(&p->lock);
    while (job->leaving) {
        pthread_cond_wait(&p->changed, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

static int pool_poll(void *pool, void *ticket) {
    struct pool *p = pool;
    struct job *job = ticket;
    pthread_mutex_lock(&p->lock);
    int ended = job->state >= DONE;
    pthread_mutex_unlock(&p->lock);
    return ended;
}

static int pool_on_done(void *pool, void *ticket, weir_subject_fn fn, void *arg) {
    struct pool *p = pool;
    struct job *job = ticket;
    pthread_mutex_lock(&p->lock);
    bool ended = job->state >= DONE;
    job->done = fn;
    job->done_arg = arg;
    pthread_mutex_unlock(&p->lock);
    if (ended) {
        fn(arg);
    }
    return 0;
}

static int pool_cancel(void *pool, void *ticket) {
    struct pool *p = pool;
    struct job *job = ticket;
    pthread_mutex_lock(&p->lock);
    int error = job->state == RUNNING ? -EINPROGRESS : -EALREADY;
    if (take(p, job)) {
        end(p, job, CANCELLED);
        error = 0;
    }
    pthread_mutex_unlock(&p->lock);
    return error;
}

const struct weir_subject reference_subject = {
    .abi = WEIR_SUBJECT_ABI,
    .size = sizeof(struct weir_subject),
    .name = "reference",
    .version = "1",
    .notes = "one mutex, one condition variable, broadcast",
    .capabilities = WEIR_SUBJECT_NESTED | WEIR_SUBJECT_FIFO | WEIR_SUBJECT_BOUNDED |
                    WEIR_SUBJECT_FULL_REJECT | WEIR_SUBJECT_FULL_BLOCK | WEIR_SUBJECT_FULL_CALLER |
                    WEIR_SUBJECT_DROPS | WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_SHUTDOWN_INSIDE |
                    WEIR_SUBJECT_EXHAUSTION | WEIR_SUBJECT_NESTED_LOCKED,
    .open = pool_open,
    .submit = pool_submit,
    .quiesce = pool_quiesce,
    .close = pool_close,
    .submit_until = pool_submit_until,
    .ticket_bytes = sizeof(struct job),
    .async = pool_async,
    .await = pool_await,
    .release = pool_release,
    .poll = pool_poll,
    .on_done = pool_on_done,
    .cancel = pool_cancel,
    .shutdown = pool_shutdown,
    .queued = pool_queued,
};
