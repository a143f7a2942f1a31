/*
 * deque_history: the work-stealing deque is linearizable, and every task comes out once.
 *
 * One owner pushes and pops in short bursts while thieves steal; after each burst the deque is
 * drained, so that the burst is a small window that starts and ends empty, and the general search
 * decides whether it is possible. The owner pops to the last task again and again: that is where
 * owner and thief meet.
 */
#include <weir.h>

#include "deque.h"
#include "stress/history.h"
#include "stress/structures/structures.h"

#define BURSTS  60
#define PUSHES  8
#define THIEVES 3
#define ROOM    16

struct burst {
    pthread_barrier_t begin, end;
    struct weir__deque *deque;
    struct episode *e;
    bool over;
};

struct thief {
    struct burst *burst;
    struct history history;
    uint64_t random;
};

static struct weir_task tasks[PUSHES]; /* the value is the index */

static uint64_t value_of(struct episode *e, const struct weir_task *task) {
    if (task < tasks || task >= tasks + PUSHES) {
        episode_fail(e, "wrong argument", "the deque gave a task that nobody pushed");
    }
    return (uint64_t)(task - tasks);
}

/* Until it has found the deque empty once, or its log is full. */
static void *steal(void *arg) {
    struct thief *t = arg;
    struct burst *b = t->burst;
    for (;;) {
        pthread_barrier_wait(&b->begin);
        if (b->over) {
            return NULL;
        }
        unsigned tries = 1 + (unsigned)(stress_random(&t->random) % 4);
        uint64_t from = history_now();
        for (unsigned i = 0; i < tries; i++) {
            struct weir_task *task = weir__deque_steal(b->deque);
            if (task != NULL) {
                history_note(&t->history, HISTORY_GET, value_of(b->e, task), &from);
            } else {
                history_note(&t->history, HISTORY_EMPTY, 0, &from);
            }
        }
        pthread_barrier_wait(&b->end);
    }
}

static void pop(struct episode *e, struct weir__deque *deque, struct history *h, uint64_t *from) {
    struct weir_task *task = weir__deque_pop(deque);
    if (task != NULL) {
        history_note(h, HISTORY_POP, value_of(e, task), from);
    } else {
        history_note(h, HISTORY_EMPTY, 0, from);
    }
}

static void own_burst(struct episode *e, struct burst *b, struct history *h) {
    uint64_t from = history_now();
    unsigned pushed = 0, pushes = 1 + (unsigned)episode_below(e, PUSHES);
    while (pushed < pushes) {
        if (weir__deque_has_room(b->deque)) {
            weir__deque_push(b->deque, &tasks[pushed]);
            history_note(h, HISTORY_PUT, pushed, &from);
            pushed++;
        }
        if (episode_below(e, 2) == 0 && h->count < ROOM) {
            pop(e, b->deque, h, &from);
        }
    }
    if (episode_below(e, 2) == 0) {
        pop(e, b->deque, h, &from);
    }
}

static void check(struct episode *e, const struct history *logs, unsigned n) {
    size_t count, in = 0, out = 0;
    struct history_op *ops = history_merge(logs, n, &count);
    if (ops == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    for (size_t i = 0; i < count; i++) {
        in += ops[i].kind == HISTORY_PUT;
        out += ops[i].kind == HISTORY_GET || ops[i].kind == HISTORY_POP;
    }
    if (in != out) {
        episode_fail(e, in > out ? "lost task" : "double run",
                     "%zu tasks went into the deque and %zu came out", in, out);
    }
    if (count <= HISTORY_WINDOW && !history_linearizable(ops, count, 0)) {
        episode_fail(e, "order", "no order of %zu operations explains what the deque gave", count);
    }
    free(ops);
}

static void bursts(struct episode *e, struct burst *b, struct thief *thieves, unsigned n) {
    struct history logs[THIEVES + 1];
    if (!history_init(&logs[0], 4 * ROOM)) {
        episode_fail(e, "harness error", "no memory");
    }
    for (unsigned i = 0; i < BURSTS; i++) {
        logs[0].count = 0;
        for (unsigned k = 0; k < n; k++) {
            thieves[k].history.count = 0;
        }
        pthread_barrier_wait(&b->begin);
        own_burst(e, b, &logs[0]);
        pthread_barrier_wait(&b->end);
        uint64_t from = history_now();
        while (weir__deque_size(b->deque) != 0) {
            pop(e, b->deque, &logs[0], &from);
        }
        for (unsigned k = 0; k < n; k++) {
            logs[1 + k] = thieves[k].history;
        }
        check(e, logs, n + 1);
    }
    b->over = true;
    pthread_barrier_wait(&b->begin);
    history_fini(&logs[0]);
}

static void run(struct episode *e) {
    unsigned n = e->spec->workers < THIEVES ? e->spec->workers : THIEVES;
    struct thief thieves[THIEVES];
    struct burst b = {.e = e, .deque = aligned_alloc(64, sizeof(struct weir__deque))};
    if (b.deque == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    *b.deque = (struct weir__deque){.top = 0};
    pthread_barrier_init(&b.begin, NULL, n + 1);
    pthread_barrier_init(&b.end, NULL, n + 1);
    for (unsigned i = 0; i < n; i++) {
        thieves[i] = (struct thief){.burst = &b, .random = episode_seed(e, i)};
        if (!history_init(&thieves[i].history, ROOM)) {
            episode_fail(e, "harness error", "no memory");
        }
    }
    episode_phase(e, "an owner and thieves of a deque");
    episode_crew(e, n, steal, thieves, sizeof(thieves[0]));
    bursts(e, &b, thieves, n);
    episode_join(e);
    for (unsigned i = 0; i < n; i++) {
        history_fini(&thieves[i].history);
    }
    pthread_barrier_destroy(&b.begin);
    pthread_barrier_destroy(&b.end);
    free(b.deque);
    episode_reach(e, 0, BURSTS);
}

const struct scenario scenario_deque_history = {
    .name = "deque_history",
    .invariant = "the deque: every burst of pushes, pops and steals is linearizable",
    .reach = {"bursts"},
    .run = run,
};
