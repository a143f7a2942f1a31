#include "stress/weir/work.h"

#include <errno.h>
#include <string.h>

bool work_in_child;

static int run(struct weir_task *task) {
    struct work *w = (struct work *)(void *)task;
    struct task *record = w->record;
    void (*body)(struct task *) = w->body;
    task_begin(record);
    if (body != NULL) {
        body(record);
    }
    task_end(record);
    return 0;
}

static void drop(struct weir_task *task, int error) {
    struct work *w = (struct work *)(void *)task;
    if (work_in_child) {
        return;
    }
    if (error >= 0) {
        work_wrong(w->record->episode, "drop", error);
    }
    episode_dropped(w->record);
}

void work_wrong(struct episode *e, const char *call, long answer) {
    episode_fail(e, "wrong error", "%s gave %ld (%s)", call, answer,
                 answer < 0 ? strerror((int)-answer) : "a number");
}

void work_options(struct episode *e, struct weir_pool_options *options) {
    static const enum weir_scheduler schedulers[] = {WEIR_STEALING, WEIR_LOCKED, WEIR_RING};
    weir_pool_options_init(options);
    options->threads = e->spec->workers;
    options->capacity = e->spec->capacity;
    options->scheduler = schedulers[episode_below(e, 3)];
    options->full = e->spec->full[0] == 'r'   ? WEIR_FULL_REJECT
                    : e->spec->full[0] == 'c' ? WEIR_FULL_CALLER_RUNS
                                              : WEIR_FULL_BLOCK;
}

struct weir_pool *work_pool(struct episode *e, const struct weir_pool_options *options) {
    struct weir_pool *pool = NULL;
    int error = weir_pool_new(&pool, options);
    if (error != 0) {
        episode_fail(e, "open failed", "weir_pool_new gave %d (%s)", error, strerror(-error));
    }
    return pool;
}

void work_free(struct episode *e, struct weir_pool *pool) {
    episode_phase(e, "weir_pool_free");
    work_expect(e, "weir_pool_free", weir_pool_free(pool), 0);
    e->closed = true;
}

int work_submit(struct episode *e, struct weir_pool *pool, struct work *w, struct task *record,
                uint32_t flags) {
    task_prepare(record);
    w->task = (struct weir_task){.run = run, .drop = drop, .flags = flags};
    w->record = record;
    int error = weir_pool_submit(pool, &w->task);
    episode_note(record, error == 0);
    bool shut = error == -ESHUTDOWN && atomic_load_explicit(&e->shutting, memory_order_relaxed);
    if (error != 0 && error != -EAGAIN && !shut) {
        work_wrong(e, "weir_pool_submit", error);
    }
    return error;
}

int work_insist(struct episode *e, struct weir_pool *pool, struct work *w, struct task *record,
                uint32_t flags) {
    int error;
    while ((error = work_submit(e, pool, w, record, flags)) == -EAGAIN) {
        sched_yield();
    }
    return error;
}

bool work_started(const struct task *t) {
    const struct record *r = &t->episode->board->records[t->id];
    return atomic_load_explicit(&r->started, memory_order_relaxed) != 0;
}

bool work_dropped(const struct task *t) {
    const struct record *r = &t->episode->board->records[t->id];
    return atomic_load_explicit(&r->dropped, memory_order_relaxed) != 0;
}
