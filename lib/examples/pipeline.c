/*
 * A pipeline that holds back its source: bounded queues between stages, a bounded pool in one.
 *
 *     source thread -> lines (queue) -> main thread -> pool -> counts (queue) -> sink thread
 *
 * Each stage may be ahead of the next by no more than what lies between them. The sink is slow; so
 * the counts queue fills, the pool's tasks wait in put, the pool's queue fills, the main thread
 * waits in submit, the lines queue fills, and the source waits. Nothing is lost, and the memory in
 * use has a bound. Closing the first queue drains them all, stage after stage.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>

#include <weir.h>

#define LINES    2000u
#define QUEUED   8u /* in each queue, and in the pool's */
#define THREADS  2u
#define IN_HANDS (2u + THREADS + 1u) /* source, main thread, workers, sink */

struct line {
    struct weir_task task; /* first, so that a task is a line */
    struct weir_queue *counts;
    char text[32];
    unsigned words;
};

struct source {
    struct weir_queue *lines;
    _Atomic unsigned made;
    unsigned furthest_ahead;
    const _Atomic unsigned *sunk;
};

struct sink {
    struct weir_queue *counts;
    _Atomic unsigned sunk;
    unsigned words;
};

static void *make_lines(void *arg) {
    struct source *source = arg;

    for (unsigned i = 0; i < LINES; i++) {
        struct line *line = calloc(1, sizeof *line);
        if (!line)
            break;
        snprintf(line->text, sizeof line->text, i % 2 ? "line %u" : "the line number %u", i);
        /* Counted before it is put, so that the sink cannot be found ahead of the source. */
        unsigned made = 1 + atomic_fetch_add_explicit(&source->made, 1, memory_order_relaxed);
        if (weir_queue_put(source->lines, line, WEIR_FOREVER) != 0)
            break;
        unsigned ahead = made - atomic_load_explicit(source->sunk, memory_order_relaxed);
        if (ahead > source->furthest_ahead)
            source->furthest_ahead = ahead;
    }
    weir_queue_close(source->lines);
    return NULL;
}

static int count_words(struct weir_task *task) {
    struct line *line = (struct line *)(void *)task;

    for (const char *c = line->text; *c; c++)
        line->words += *c != ' ' && (c == line->text || c[-1] == ' ');
    return weir_queue_put(line->counts, line, WEIR_FOREVER);
}

static void *add_words(void *arg) {
    struct sink *sink = arg;
    void *item;

    while (weir_queue_get(sink->counts, &item, WEIR_FOREVER) == 0) {
        struct line *line = item;
        sink->words += line->words;
        free(line);
        atomic_fetch_add_explicit(&sink->sunk, 1, memory_order_relaxed);
        sched_yield(); /* a slow one */
    }
    return NULL;
}

/* Where the pool is full the submission waits. */
static int feed_pool(struct weir_pool *pool, struct weir_queue *lines, struct weir_queue *counts) {
    void *item;
    int rc = 0;

    while (rc == 0 && weir_queue_get(lines, &item, WEIR_FOREVER) == 0) {
        struct line *line = item;
        line->counts = counts;
        line->task.run = count_words;
        rc = weir_pool_submit(pool, &line->task);
    }
    return rc;
}

int main(void) {
    struct weir_pool_options options;
    struct weir_pool *pool;
    struct source source = {.made = 0};
    struct sink sink = {.sunk = 0};
    pthread_t source_thread, sink_thread;

    weir_pool_options_init(&options);
    options.threads = THREADS;
    options.capacity = QUEUED;
    options.full = WEIR_FULL_BLOCK;
    if (weir_pool_new(&pool, &options) != 0 || weir_queue_new(&source.lines, QUEUED) != 0 ||
        weir_queue_new(&sink.counts, QUEUED) != 0)
        return 1;
    source.sunk = &sink.sunk;
    if (pthread_create(&source_thread, NULL, make_lines, &source) != 0 ||
        pthread_create(&sink_thread, NULL, add_words, &sink) != 0)
        return 1;

    int rc = feed_pool(pool, source.lines, sink.counts);
    weir_pool_free(pool); /* drains it */
    weir_queue_close(sink.counts);
    pthread_join(source_thread, NULL);
    pthread_join(sink_thread, NULL);
    weir_queue_free(source.lines);
    weir_queue_free(sink.counts);

    unsigned bound = 3 * QUEUED + IN_HANDS;
    printf("pipeline: %u lines, %u words, the source at most %u lines ahead\n", sink.sunk,
           sink.words, source.furthest_ahead);
    if (rc != 0 || sink.sunk != LINES || sink.words != LINES / 2 * (4 + 2) ||
        source.furthest_ahead > bound) {
        fprintf(stderr, "pipeline: expected %u lines, %u words, at most %u ahead\n", LINES,
                LINES / 2 * (4 + 2), bound);
        return 1;
    }
    return 0;
}
