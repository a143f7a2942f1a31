/*
 * Parallel loops.
 *
 * The range is cut into chunks of grain indices. Each participant, the caller and every helper, has
 * a range of chunk numbers in one word, low in the low half and high in the high half. The owner
 * takes the lowest chunk by adding 1 to the word; when the low half it found there was not below
 * the high one, the range was empty, and remains so. A thief takes the upper half by compare-
 * exchange of the whole word, and puts it into its own word, which is empty then. All of the loop
 * starts in the caller's word.
 *
 * Each chunk runs once: a chunk number is in one word at any time or in one thread's hand, and
 * every change of a word is a read-modify-write, or the store of its owner when it is empty, which
 * no thief touches. A word never holds the same non-empty range twice, since a low chunk that has
 * been taken never comes back; so a compare-exchange that succeeds has seen the present. What
 * bodies need was published by the submission of the helpers, and what they did by the end of the
 * helpers' futures. (Mutant loop_steals_twice: a thief that stores instead of exchanging runs
 * chunks twice.)
 *
 * Leaving. A participant that finds every word empty is done, but a range that is on its way
 * between two words is in neither. So thefts are counted when they begin and when they are over,
 * and a look counts only if as many had begun at its end as were over at its start. A word that a
 * theft has emptied was exchanged with release after the beginning was counted, and is read with
 * acquire, so the look that sees it empty sees the beginning, too; the end is counted with release
 * after the thief's word was stored. Words that a look has found empty stay so. (Mutant
 * parallel_leaves_at_first_look: no index is lost, but what could be shared is not, and bodies that
 * wait for each other hang.)
 *
 * Lifetime. Helpers' futures and words are in the caller's frame, or in one block. Before the
 * caller leaves it cancels each helper that is still queued and waits for each that runs, then for
 * its future to be quiet. (Mutant parallel_leaves_helpers: a helper that still runs works in a
 * frame that is gone.) A helper that leaves early, since its pool
 * asks running tasks to end, leaves its chunks in its word, where the others find them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <weir/parallel.h>
#include <weir/token.h>

#include "frame.h"
#include "platform/point.h"
#include "pool.h"

#define ON_STACK           ((size_t)8)      /* participants without an allocation */
#define MOST_CHUNKS        (UINT32_MAX / 2) /* an owner adds 1 to an empty word, too */
#define CHUNKS_PARTICIPANT ((size_t)16)

struct loop;

struct participant {
    _Alignas(64) _Atomic uint64_t chunks;
    struct loop *loop;
    _Alignas(64) struct weir_future future; /* of a helper */
};

struct loop {
    weir_body body;
    void *arg;
    size_t begin, end, grain;
    struct participant *participants; /* the first is the caller */
    size_t count;
    size_t called;     /* participants that were queued, and the caller */
    void *block;       /* of the participants, or NULL */
    _Atomic int error; /* the first one: nothing more is begun */
    _Atomic uint32_t thefts_begun, thefts_over;
};

static uint64_t range_of(uint32_t low, uint32_t high) {
    return (uint64_t)high << 32 | low;
}

static bool is_empty(uint64_t chunks) {
    return (uint32_t)chunks >= chunks >> 32;
}

/* The first error stays. */
static void stop(struct loop *loop, int error) {
    int none = 0;

    atomic_compare_exchange_strong_explicit(&loop->error, &none, error, memory_order_relaxed,
                                            memory_order_relaxed);
}

static void run_chunk(struct loop *loop, uint32_t chunk) {
    size_t low = loop->begin + chunk * loop->grain;
    size_t high = loop->end - low > loop->grain ? low + loop->grain : loop->end;

    int rc = loop->body(loop->arg, low, high);
    if (rc < 0)
        stop(loop, rc);
}

static bool is_stopped(struct loop *loop) {
    return atomic_load_explicit(&loop->error, memory_order_relaxed) != 0;
}

/* The participant's own range, until it is empty or the loop is stopped. False: stopped. */
static bool run_own(struct participant *self) {
    struct loop *loop = self->loop;

    while (!is_stopped(loop) && !weir_cancelled()) {
        uint64_t chunks = atomic_fetch_add_explicit(&self->chunks, 1, memory_order_acquire);
        if (is_empty(chunks))
            return true;
        run_chunk(loop, (uint32_t)chunks);
    }
    return false;
}

/* Takes the upper half of the victim's chunks, or its only one. */
static bool steal_half(struct participant *self, struct participant *victim) {
    struct loop *loop = self->loop;
    uint64_t chunks = atomic_load_explicit(&victim->chunks, memory_order_acquire);
    uint32_t middle = 0, high = 0;
    bool stolen = false;

    if (is_empty(chunks))
        return false;
    atomic_fetch_add_explicit(&loop->thefts_begun, 1, memory_order_relaxed);
    while (!stolen && !is_empty(chunks)) {
        uint32_t low = (uint32_t)chunks;
        high = (uint32_t)(chunks >> 32);
        middle = low + (high - low) / 2;
        WEIR__POINT("parallel.steal");
        stolen =
            atomic_compare_exchange_weak_explicit(&victim->chunks, &chunks, range_of(low, middle),
                                                  memory_order_acq_rel, memory_order_acquire);
    }
    if (stolen) {
        WEIR__POINT("parallel.stolen");
        atomic_store_explicit(&self->chunks, range_of(middle, high), memory_order_release);
    }
    atomic_fetch_add_explicit(&loop->thefts_over, 1, memory_order_release);
    return stolen;
}

/* False: no participant has chunks that are not in hand. */
static bool steal(struct participant *self) {
    struct loop *loop = self->loop;
    size_t own = (size_t)(self - loop->participants);

    for (unsigned turn = 0;; turn++) {
        uint32_t over = atomic_load_explicit(&loop->thefts_over, memory_order_acquire);
        for (size_t i = 1; i < loop->count; i++)
            if (steal_half(self, &loop->participants[(own + i) % loop->count]))
                return true;
        if (atomic_load_explicit(&loop->thefts_begun, memory_order_relaxed) == over)
            return false;
        weir__relax(turn); /* uncovered: a theft must be on its way at this moment */
    }
}

static void participate(struct participant *self) {
    do {
        if (!run_own(self))
            return;
    } while (steal(self));
}

/* ---- Helpers ---- */

static int help(void *arg, void **value) {
    *value = NULL;
    WEIR__POINT("parallel.help");
    participate(arg);
    return 0;
}

/* Queues a helper where there is room. No full policy: none may wait here, nor throw out somebody
 * else's task to make room for help that the caller can do without. */
static bool offer(struct weir_pool *pool, struct weir__worker *self, struct weir_task *task) {
    if (weir__pool_mode(pool) != POOL_OPEN)
        return false;
    if (!self)
        return weir__pool_submit_held(pool, task, WEIR_NOW) == 0;
    weir__future_set_host(task, &pool->host);
    return pool->scheduler->submit(pool, self, &task, 1, WEIR_NOW) == 1;
}

/* Calls for helpers until the pool takes no more. */
static void call_helpers(struct weir_pool *pool, struct loop *loop) {
    struct weir__worker *self = weir__worker_self(pool);

    for (loop->called = 1; loop->called < loop->count; loop->called++) {
        struct participant *helper = &loop->participants[loop->called];
        weir_future_init(&helper->future);
        struct weir_task *task = weir_future_task(&helper->future, help, helper, 0);
        weir_future_set_token(&helper->future, weir__frame_token());
        if (!offer(pool, self, task))
            return;
    }
}

/* Those that have not begun never will; afterwards no thread knows of the loop. */
static void part_with_helpers(struct loop *loop) {
    for (size_t i = 1; i < loop->called; i++)
        weir_future_cancel(&loop->participants[i].future);
    for (size_t i = 1; i < loop->called; i++) {
        struct weir_future *future = &loop->participants[i].future;
        int rc = weir_future_get(future, NULL, WEIR_FOREVER);
        if (rc != 0 && rc != -ECANCELED) /* a body has ended its thread */
            stop(loop, rc);
        weir_future_fini(future);
    }
}

/* A body has ended the caller's thread, and the stack goes with it. */
static void abandon(void *arg) {
    struct loop *loop = arg;

    stop(loop, -EOWNERDEAD);
    part_with_helpers(loop);
    free(loop->block);
}

/* ---- The loop ---- */

static bool any_left(struct loop *loop) {
    for (size_t i = 0; i < loop->count; i++) {
        uint64_t chunks = atomic_load_explicit(&loop->participants[i].chunks, memory_order_relaxed);
        if ((uint32_t)chunks < chunks >> 32)
            return true;
    }
    return false;
}

static int run_loop(struct weir_pool *pool, struct loop *loop, uint32_t chunks) {
    struct participant *caller = &loop->participants[0];

    for (size_t i = 0; i < loop->count; i++) {
        atomic_init(&loop->participants[i].chunks, i == 0 ? range_of(0, chunks) : 0);
        loop->participants[i].loop = loop;
    }
    call_helpers(pool, loop);
    pthread_cleanup_push(abandon, loop);
    participate(caller);
    pthread_cleanup_pop(0);
    if (any_left(loop)) /* the caller leaves some only when the loop was stopped, or it is to end */
        stop(loop, -ECANCELED);
    part_with_helpers(loop);
    return atomic_load_explicit(&loop->error, memory_order_relaxed);
}

/* The caller, and helpers as many as the pool keeps other threads, or, when it keeps none, has. */
static size_t participants_of(struct weir_pool *pool) {
    size_t threads = atomic_load_explicit(&pool->sizing.core, memory_order_relaxed);

    if (threads == 0)
        threads = weir__idle_counts(&pool->idle).living;
    if (threads == 0)
        threads = 1;
    return weir__worker_self(pool) ? threads : threads + 1;
}

/* At least 1, and such that the chunks can be numbered. */
static size_t choose_grain(size_t n, size_t grain, size_t participants) {
    if (grain == 0)
        grain = n / (participants * CHUNKS_PARTICIPANT);
    if (grain == 0)
        grain = 1;
    return n / grain < MOST_CHUNKS ? grain : n / MOST_CHUNKS + 1;
}

int weir_for(struct weir_pool *pool, size_t begin, size_t end, size_t grain, weir_body body,
             void *arg) {
    struct participant on_stack[ON_STACK], *many = NULL;

    if (!pool || !body || end < begin)
        return -EINVAL;
    int rc = weir__pool_check(pool);
    if (rc || begin == end)
        return rc;
    size_t count = participants_of(pool), n = end - begin;
    grain = choose_grain(n, grain, count);
    size_t chunks = n / grain + (n % grain != 0);
    if (count > chunks)
        count = chunks;
    if (count > ON_STACK &&
        !(many = aligned_alloc(_Alignof(struct participant), count * sizeof(struct participant))))
        count = ON_STACK;
    struct loop loop = {
        .body = body,
        .arg = arg,
        .begin = begin,
        .end = end,
        .grain = grain,
        .participants = many ? many : on_stack,
        .count = count,
        .block = many,
    };
    rc = run_loop(pool, &loop, (uint32_t)chunks);
    free(many);
    return rc;
}

/* ---- Map ---- */

struct map {
    weir_function function;
    void *arg;
    const char *in;
    char *out;
    size_t in_size, out_size;
};

static int map_range(void *arg, size_t low, size_t high) {
    const struct map *map = arg;
    const char *in = map->in ? map->in + low * map->in_size : NULL;
    char *out = map->out ? map->out + low * map->out_size : NULL;

    for (size_t i = low; i < high; i++) {
        int rc = map->function(map->arg, in, out);
        if (rc < 0)
            return rc;
        in = in ? in + map->in_size : NULL;
        out = out ? out + map->out_size : NULL;
    }
    return 0;
}

static bool is_array(const void *array, size_t size, size_t n) {
    return array ? size > 0 && n <= PTRDIFF_MAX / size : size == 0;
}

int weir_map(struct weir_pool *pool, size_t n, weir_function function, void *arg, const void *in,
             size_t in_size, void *out, size_t out_size, size_t grain) {
    struct map map = {function, arg, in, out, in_size, out_size};

    if (!function || !is_array(in, in_size, n) || !is_array(out, out_size, n))
        return -EINVAL;
    return weir_for(pool, 0, n, grain, map_range, &map);
}
