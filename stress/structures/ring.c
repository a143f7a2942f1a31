/*
 * ring_history: the ring is a bounded FIFO queue, linearizable but for two answers.
 *
 * Pushers and poppers meet in short bursts; after each the ring is drained, so that the burst is a
 * small window that starts and ends empty, and the general search decides whether it is possible
 * with the ring's bound.
 *
 * Two answers promise less (ring.h): a pop says NULL when the oldest position is not published
 * yet, even if a younger one is, and a push says FULL when the oldest slot is not given back yet.
 * Such an answer counts only where no push (or pop) was under way that may have caused it.
 */
#include <string.h>

#include <weir.h>

#include "ring.h"
#include "stress/history.h"
#include "stress/structures/structures.h"

#define BURSTS        40
#define MEMBERS       4
#define STEPS         5
#define CAPACITY_MOST 64

struct burst {
    pthread_barrier_t begin, end;
    struct weir__ring ring;
    struct weir__ring_slot slots[CAPACITY_MOST];
    struct weir_task tasks[MEMBERS * STEPS]; /* the value is the index */
    struct episode *e;
    bool over;
};

struct member {
    struct burst *burst;
    struct history history;
    uint64_t random;
    unsigned first; /* of its tasks */
};

static void push(struct burst *b, struct history *h, unsigned value, uint64_t *from) {
    switch (weir__ring_push(&b->ring, &b->tasks[value])) {
    case RING_PUSHED:
        history_note(h, HISTORY_PUT, value, from);
        return;
    case RING_FULL:
        history_note(h, HISTORY_FULL, value, from);
        return;
    default:
        episode_fail(b->e, "wrong error", "a ring that is open refused a task that nobody claims");
    }
}

/* False: it found nothing. */
static bool pop(struct burst *b, struct history *h, uint64_t *from) {
    size_t freed = 0;
    struct weir_task *task = weir__ring_pop(&b->ring, &freed, NULL, 0);
    if (task == NULL) {
        history_note(h, HISTORY_EMPTY, 0, from);
        return false;
    }
    if (task < b->tasks || task >= b->tasks + MEMBERS * STEPS || freed != 1) {
        episode_fail(b->e, "wrong argument", "the ring gave what nobody pushed, from %zu positions",
                     freed);
    }
    history_note(h, HISTORY_GET, (uint64_t)(task - b->tasks), from);
    return true;
}

static void *meet(void *arg) {
    struct member *m = arg;
    struct burst *b = m->burst;
    for (;;) {
        pthread_barrier_wait(&b->begin);
        if (b->over) {
            return NULL;
        }
        uint64_t turn = stress_random(&m->random);
        unsigned steps = 1 + (unsigned)(turn % STEPS);
        uint64_t from = history_now();
        for (unsigned i = 0; i < steps; i++) {
            if ((turn >> (8 + i)) % 2 == 0) {
                push(b, &m->history, m->first + i, &from);
            } else {
                (void)pop(b, &m->history, &from);
            }
        }
        pthread_barrier_wait(&b->end);
    }
}

/* ---- Checking ---- */

static bool is_excused(const struct history_op *op, const struct history_op *ops, size_t n) {
    if (op->kind != HISTORY_EMPTY && op->kind != HISTORY_FULL) {
        return false;
    }
    uint32_t cause = op->kind == HISTORY_EMPTY ? HISTORY_PUT : HISTORY_GET;
    for (size_t i = 0; i < n; i++) {
        if (ops[i].kind == cause && ops[i].from <= op->to && ops[i].to >= op->from) {
            return true;
        }
    }
    return false;
}

static size_t without_excused(struct history_op *ops, size_t n) {
    struct history_op kept[HISTORY_WINDOW];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_excused(&ops[i], ops, n)) {
            kept[count++] = ops[i];
        }
    }
    memcpy(ops, kept, count * sizeof(*ops));
    return count;
}

static void check(struct burst *b, const struct history *logs, unsigned n) {
    size_t count, in = 0, out = 0;
    struct history_op *ops = history_merge(logs, n, &count);
    if (ops == NULL || count > HISTORY_WINDOW) {
        episode_fail(b->e, "harness error", "no memory, or too many operations: %zu", count);
    }
    for (size_t i = 0; i < count; i++) {
        in += ops[i].kind == HISTORY_PUT;
        out += ops[i].kind == HISTORY_GET;
    }
    if (in != out) {
        episode_fail(b->e, in > out ? "lost task" : "double run",
                     "%zu tasks went into the ring and %zu came out", in, out);
    }
    size_t left = without_excused(ops, count);
    if (!history_linearizable(ops, left, b->ring.capacity)) {
        episode_fail(b->e, "order", "no order of %zu operations explains what the ring gave", left);
    }
    episode_reach(b->e, 0, 1);
    episode_reach(b->e, 1, left - in - out);
    free(ops);
}

/* The last log is that of whoever drains. */
static void bursts(struct burst *b, struct member *members, unsigned n) {
    struct history logs[MEMBERS + 1];
    if (!history_init(&logs[n], MEMBERS * STEPS + 1)) {
        episode_fail(b->e, "harness error", "no memory");
    }
    for (unsigned i = 0; i < BURSTS; i++) {
        memset(b->tasks, 0, sizeof(b->tasks)); /* as new */
        logs[n].count = 0;
        for (unsigned k = 0; k < n; k++) {
            members[k].history.count = 0;
        }
        pthread_barrier_wait(&b->begin);
        pthread_barrier_wait(&b->end);
        uint64_t from = history_now();
        while (pop(b, &logs[n], &from)) {
            continue;
        }
        for (unsigned k = 0; k < n; k++) {
            logs[k] = members[k].history;
        }
        check(b, logs, n + 1);
    }
    b->over = true;
    pthread_barrier_wait(&b->begin);
    history_fini(&logs[n]);
}

static void run(struct episode *e) {
    unsigned n = 2 + e->spec->workers % (MEMBERS - 1);
    struct member members[MEMBERS];
    struct burst *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);
    if (b == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    size_t capacity = e->spec->capacity == 0 ? 3 : e->spec->capacity;
    memset(b, 0, sizeof(*b));
    b->e = e;
    weir__ring_init(&b->ring, b->slots, capacity < CAPACITY_MOST ? capacity : CAPACITY_MOST);
    pthread_barrier_init(&b->begin, NULL, n + 1);
    pthread_barrier_init(&b->end, NULL, n + 1);
    for (unsigned i = 0; i < n; i++) {
        members[i] = (struct member){.burst = b, .random = episode_seed(e, i), .first = i * STEPS};
        if (!history_init(&members[i].history, STEPS)) {
            episode_fail(e, "harness error", "no memory");
        }
    }
    episode_phase(e, "pushers and poppers of a ring");
    episode_crew(e, n, meet, members, sizeof(members[0]));
    bursts(b, members, n);
    episode_join(e);
    for (unsigned i = 0; i < n; i++) {
        history_fini(&members[i].history);
    }
    pthread_barrier_destroy(&b->begin);
    pthread_barrier_destroy(&b->end);
    free(b);
}

const struct scenario scenario_ring_history = {
    .name = "ring_history",
    .invariant = "the ring: every burst of pushes and pops is one of a bounded FIFO queue",
    .reach = {"bursts", "refusals without an excuse"},
    .run = run,
};
