/*
 * future_history: a future is set once, whoever tries, and never goes back.
 *
 * Several threads set, fail, cancel and read the same promises at the same time; each logs what it
 * was told. The logs must be a history of cells that are written once.
 */
#include <errno.h>
#include <string.h>

#include <weir.h>

#include "stress/history.h"
#include "stress/structures/structures.h"

#define FUTURES   24
#define CANCELLED UINT64_C(1000000) /* as a value */
#define FAILED    UINT64_C(2000000)

struct member {
    struct episode *e;
    struct weir_future *futures;
    struct history history;
    uint64_t random, own; /* what this thread sets */
};

static void note(struct member *m, enum history_kind kind, uint64_t value, uint32_t key,
                 uint64_t *from) {
    history_note(&m->history, kind, value, from);
    if (m->history.count != 0) {
        m->history.ops[m->history.count - 1].key = key;
    }
}

static void note_setting(struct member *m, int error, uint64_t value, uint32_t key,
                         uint64_t *from) {
    if (error == 0) {
        note(m, HISTORY_SET, value, key, from);
    } else if (error == -EALREADY) {
        note(m, HISTORY_SET_LATE, 0, key, from);
    } else {
        episode_fail(m->e, "wrong error", "setting a promise gave %d (%s)", error,
                     strerror(-error));
    }
}

static void read_once(struct member *m, uint64_t deadline_ns, uint32_t key, uint64_t *from) {
    void *value = NULL;
    int error = weir_future_get(&m->futures[key], &value, deadline_ns);
    if (error == 0) {
        note(m, HISTORY_READ, (uint64_t)(uintptr_t)value, key, from);
    } else if (error == -ECANCELED) {
        note(m, HISTORY_READ, CANCELLED, key, from);
    } else if (error == -EIO) {
        note(m, HISTORY_READ, FAILED, key, from);
    } else if (error == -EAGAIN) {
        note(m, HISTORY_PENDING, 0, key, from);
    } else if (error == -ETIMEDOUT) {
        *from = history_now();
    } else {
        episode_fail(m->e, "wrong error", "get gave %d (%s)", error, strerror(-error));
    }
}

static void act(struct member *m, uint32_t key, uint64_t *from) {
    struct weir_future *future = &m->futures[key];
    void *value = (void *)(uintptr_t)m->own;
    switch (stress_random(&m->random) % 6) {
    case 0:
        note_setting(m, weir_future_set(future, value), m->own, key, from);
        break;
    case 1:
        note_setting(m, weir_future_fail(future, -EIO), FAILED, key, from);
        break;
    case 2:
        note_setting(m, weir_future_cancel(future), CANCELLED, key, from);
        break;
    case 3:
        read_once(m, weir_after(stress_random(&m->random) % 20000), key, from);
        break;
    default:
        read_once(m, WEIR_NOW, key, from);
    }
}

static void *work(void *arg) {
    struct member *m = arg;
    episode_ready(m->e);
    uint64_t from = history_now();
    for (unsigned i = 0; i < FUTURES * 8; i++) {
        act(m, (i / 8 + (unsigned)(stress_random(&m->random) % 3)) % FUTURES, &from);
    }
    return NULL;
}

static void check(struct episode *e, const struct member *crew, unsigned n) {
    struct history logs[EPISODE_CREW];
    char why[HISTORY_WHY];
    size_t count;
    for (unsigned i = 0; i < n; i++) {
        logs[i] = crew[i].history;
    }
    struct history_op *ops = history_merge(logs, n, &count);
    if (ops == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    if (!history_check_futures(ops, count, why)) {
        episode_fail(e, "two outcomes", "%s", why);
    }
    free(ops);
    episode_reach(e, 0, count);
}

static void run(struct episode *e) {
    unsigned n = 1 + (e->spec->producers < 4 ? e->spec->producers : 4);
    struct member crew[EPISODE_CREW];
    struct weir_future *futures = aligned_alloc(64, FUTURES * sizeof(*futures));
    if (futures == NULL) {
        episode_fail(e, "harness error", "no memory");
    }
    for (unsigned i = 0; i < FUTURES; i++) {
        weir_future_init(&futures[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        crew[i] = (struct member){.e = e, .futures = futures, .random = episode_seed(e, i)};
        crew[i].own = i + 1;
        if (!history_init(&crew[i].history, FUTURES * 8)) {
            episode_fail(e, "harness error", "no memory");
        }
    }
    episode_phase(e, "promises set, failed, cancelled and read at once");
    episode_crew(e, n, work, crew, sizeof(crew[0]));
    episode_join(e);
    check(e, crew, n);
    for (unsigned i = 0; i < n; i++) {
        history_fini(&crew[i].history);
    }
    for (unsigned i = 0; i < FUTURES; i++) {
        (void)weir_future_cancel(&futures[i]);
        weir_future_fini(&futures[i]);
    }
    free(futures);
}

const struct scenario scenario_future_history = {
    .name = "future_history",
    .invariant = "a future is set once, whoever tries, and never goes back",
    .reach = {"operations"},
    .run = run,
};
