#include "pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *jobs;
    unsigned unfinished, threads;
    bool stop;
    pthread_t thread[];
};

static void *work(void *arg) {
    struct pool *p = arg;
    while (!p->stop) {
        pthread_mutex_lock(&p->lock);
        if (p->jobs == NULL) {
            pthread_cond_wait(&p->changed, &p->lock);
        }
        struct job *job = p->jobs;
        p->jobs = job != NULL ? job->next : NULL;
        pthread_mutex_unlock(&p->lock);
        if (job != NULL) {
            job->fn(job->arg);
            free(job);
            pthread_mutex_lock(&p->lock);
            p->unfinished--;
            pthread_cond_broadcast(&p->changed);
            pthread_mutex_unlock(&p->lock);
        }
    }
    return NULL;
}

struct pool *pool_open(unsigned threads) {
    struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->thread[0]));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    for (p->threads = 0; p->threads < threads; p->threads++) {
        pthread_create(&p->thread[p->threads], NULL, work, p);
    }
    return p;
}

void pool_submit(struct pool *p, void (*fn)(void *arg), void *arg) {
    struct job *job = malloc(sizeof(*job));
    pthread_mutex_lock(&p->lock);
    *job = (struct job){p->jobs, fn, arg};
    p->jobs = job;
    p->unfinished++;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

void pool_wait(struct pool *p) {
    pthread_mutex_lock(&p->lock);
    while (p->unfinished > 0) {
        pthread_cond_wait(&p->changed, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

void pool_close(struct pool *p) {
    pool_wait(p);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    for (unsigned i = 0; i < p->threads; i++) {
        pthread_join(p->thread[i], NULL);
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
