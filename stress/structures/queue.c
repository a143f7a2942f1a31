/*
 * queue_history: weir_queue is first in, first out, loses nothing and invents nothing.
 *
 * Producers and consumers in the episode's shape put and get, with and without deadlines, in ones
 * and in batches, each with a log of its own; the logs together must be a history of a FIFO queue,
 * EMPTY answers included. The producers end, the queue is closed, and every consumer must return.
 */
#include <errno.h>
#include <string.h>

#include <weir.h>

#include "stress/episode.h"
#include "stress/history.h"
#include "stress/structures/structures.h"

#define ITEMS 120 /* of each producer */
#define BATCH 4

struct member {
    struct episode *e;
    struct weir_queue *queue;
    struct history history;
    uint64_t first; /* producers: value of the first item; 0: a consumer */
    uint64_t random;
};

static void *item_of(uint64_t value) {
    return (void *)(uintptr_t)value;
}

static uint64_t some_deadline(struct member *m) {
    switch (stress_random(&m->random) % 4) {
    case 0:
        return WEIR_NOW;
    case 1:
        return weir_after(stress_random(&m->random) % 50000);
    default:
        return WEIR_FOREVER;
    }
}

static void wrong_error(struct member *m, const char *call, int error) {
    episode_fail(m->e, "wrong error", "%s gave %d (%s)", call, error, strerror(-error));
}

static void produce(struct member *m) {
    uint64_t from = history_now();
    for (unsigned i = 0; i < ITEMS;) {
        void *items[BATCH];
        size_t n = 1 + stress_random(&m->random) % BATCH;
        n = n < ITEMS - i ? n : ITEMS - i;
        for (size_t k = 0; k < n; k++) {
            items[k] = item_of(m->first + i + k);
        }
        ptrdiff_t put = n == 1 ? weir_queue_put(m->queue, items[0], some_deadline(m))
                               : weir_queue_put_batch(m->queue, items, n, some_deadline(m));
        if (n == 1 && put == 0) {
            put = 1;
        }
        if (put < 0 && put != -EAGAIN && put != -ETIMEDOUT) {
            wrong_error(m, "put", (int)put);
        }
        uint64_t begun = from;
        for (ptrdiff_t k = 0; k < put; k++, i++) {
            uint64_t own = begun; /* all of a batch lie between its begin and its end */
            history_note(&m->history, HISTORY_PUT, m->first + i, &own);
            from = own;
        }
        from = put > 0 ? from : history_now();
    }
}

static void consume(struct member *m) {
    uint64_t from = history_now();
    for (;;) {
        void *items[BATCH];
        size_t most = 1 + stress_random(&m->random) % BATCH;
        uint64_t deadline_ns = some_deadline(m);
        ptrdiff_t got = most == 1 ? weir_queue_get(m->queue, &items[0], deadline_ns)
                                  : weir_queue_get_batch(m->queue, items, most, deadline_ns);
        if (most == 1 && got == 0) {
            got = 1;
        }
        if (got == -EPIPE) {
            return;
        }
        if (got == -EAGAIN) {
            history_note(&m->history, HISTORY_EMPTY, 0, &from);
            continue;
        }
        if (got < 0 && got != -ETIMEDOUT) {
            wrong_error(m, "get", (int)got);
        }
        uint64_t begun = from;
        for (ptrdiff_t k = 0; k < got; k++) {
            uint64_t own = begun;
            history_note(&m->history, HISTORY_GET, (uint64_t)(uintptr_t)items[k], &own);
            from = own;
        }
        from = got > 0 ? from : history_now();
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    if (m->first != 0) {
        produce(m);
    } else {
        consume(m);
    }
    return NULL;
}

static void check(struct episode *e, struct member *crew, unsigned n) {
    struct history logs[EPISODE_CREW * 2];
    char why[HISTORY_WHY];
    size_t count, got = 0;
    for (unsigned i = 0; i < n; i++) {
        logs[i] = crew[i].history;
    }
    struct history_op *ops = history_merge(logs, n, &count);
    if (ops == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    if (!history_check_fifo(ops, count, why)) {
        episode_fail(e, "order", "of weir_queue: %s", why);
    }
    for (size_t i = 0; i < count; i++) {
        got += ops[i].kind == HISTORY_GET;
    }
    if (got != e->spec->producers * ITEMS) {
        episode_fail(e, "lost task", "%u items went into weir_queue and %zu came out",
                     e->spec->producers * ITEMS, got);
    }
    episode_reach(e, 0, count);
    free(ops);
}

/* ---- As many items as getters that sleep ---- */

static void *get_one(void *arg) {
    struct member *m = arg;
    void *item = NULL;
    episode_ready(m->e);
    int error = weir_queue_get(m->queue, &item, WEIR_FOREVER);
    if (error != 0) {
        wrong_error(m, "get", error);
    }
    return NULL;
}

static void gather(struct episode *e) {
    unsigned getters = e->spec->workers;
    struct member crew[EPISODE_CREW];
    struct weir_queue *queue;
    if (weir_queue_new(&queue, e->spec->capacity) != 0) {
        episode_fail(e, "harness error", "no queue");
    }
    for (unsigned i = 0; i < getters; i++) {
        crew[i] = (struct member){.e = e, .queue = queue};
    }
    episode_phase(e, "as many items as getters that sleep");
    episode_crew(e, getters, get_one, crew, sizeof(crew[0]));
    perturb_rest(300);
    for (unsigned i = 0; i < getters; i++) {
        int error = weir_queue_put(queue, item_of(1 + i), WEIR_FOREVER);
        if (error != 0) {
            wrong_error(&crew[0], "put", error);
        }
    }
    episode_join(e);
    weir_queue_free(queue);
    episode_reach(e, 1, getters);
}

static void mixed(struct episode *e) {
    unsigned producers = e->spec->producers, consumers = e->spec->workers;
    struct member crew[EPISODE_CREW * 2];
    struct weir_queue *queue;
    if (weir_queue_new(&queue, e->spec->capacity) != 0) {
        episode_fail(e, "harness error", "no queue");
    }
    for (unsigned i = 0; i < producers + consumers; i++) {
        crew[i] = (struct member){.e = e, .queue = queue, .random = episode_seed(e, i)};
        crew[i].first = i < producers ? 1 + (uint64_t)i * ITEMS : 0;
        if (!history_init(&crew[i].history, (size_t)8 * EPISODE_MOST_PRODUCERS * ITEMS)) {
            episode_fail(e, "harness error", "no memory");
        }
    }
    episode_phase(e, "producers and consumers of a queue");
    episode_crew(e, producers + consumers, work, crew, sizeof(crew[0]));
    for (unsigned i = 0; i < producers; i++) {
        pthread_join(e->crew[i], NULL);
    }
    episode_phase(e, "consumers of a closed queue");
    weir_queue_close(queue);
    for (unsigned i = producers; i < producers + consumers; i++) {
        pthread_join(e->crew[i], NULL);
    }
    episode_joined(e);
    check(e, crew, producers + consumers);
    for (unsigned i = 0; i < producers + consumers; i++) {
        history_fini(&crew[i].history);
    }
    weir_queue_free(queue);
}

static void run(struct episode *e) {
    if (episode_below(e, 3) == 0) {
        gather(e);
    } else {
        mixed(e);
    }
}

const struct scenario scenario_queue_history = {
    .name = "queue_history",
    .invariant = "weir_queue: the history of puts and gets is one of a FIFO queue",
    .reach = {"operations", "getters that slept"},
    .run = run,
};
