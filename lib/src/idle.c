#include "idle.h"

#include "platform/point.h"

#define PARKED_ONE    UINT64_C(1)
#define SEARCHING_ONE (UINT64_C(1) << 32)

static uint64_t parked(uint64_t word) {
    return word & UINT32_MAX;
}

static uint64_t searching(uint64_t word) {
    return word >> 32;
}

void weir__idle_init(struct weir__idle *idle) {
    atomic_init(&idle->word, 0);
    atomic_init(&idle->wakes, 0);
    pthread_mutex_init(&idle->mutex, NULL);
    idle->top = NULL;
}

void weir__idle_destroy(struct weir__idle *idle) {
    pthread_mutex_destroy(&idle->mutex);
}

void weir__idle_search(struct weir__idle *idle) {
    atomic_fetch_add_explicit(&idle->word, SEARCHING_ONE, memory_order_seq_cst);
}

bool weir__idle_found(struct weir__idle *idle) {
    uint64_t before = atomic_fetch_sub_explicit(&idle->word, SEARCHING_ONE, memory_order_seq_cst);
    return searching(before) == 1 && parked(before) > 0;
}

void weir__idle_announce(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    pthread_mutex_lock(&idle->mutex);
    sleeper->listed = true;
    sleeper->below = idle->top;
    idle->top = sleeper;
    /* One step, so that nobody sees the worker as neither searching nor parked. */
    atomic_fetch_add_explicit(&idle->word, PARKED_ONE - SEARCHING_ONE, memory_order_seq_cst);
    pthread_mutex_unlock(&idle->mutex);
    WEIR__POINT("idle.announced");
}

static void unlist(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    struct weir__sleeper **link = &idle->top;

    while (*link != sleeper)
        link = &(*link)->below;
    *link = sleeper->below;
    sleeper->listed = false;
    atomic_fetch_add_explicit(&idle->word, SEARCHING_ONE - PARKED_ONE, memory_order_seq_cst);
}

void weir__idle_retract(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    pthread_mutex_lock(&idle->mutex);
    bool still_listed = sleeper->listed;
    if (still_listed)
        unlist(idle, sleeper);
    pthread_mutex_unlock(&idle->mutex);
    /* Whoever took us off the stack counted us as searching and has sent, or is about to send, a
     * wake-up. Left behind it would end a later sleep for nothing. */
    if (!still_listed)
        weir__parker_park(&sleeper->parker);
}

void weir__idle_park(struct weir__sleeper *sleeper) {
    weir__parker_park(&sleeper->parker);
}

bool weir__idle_all(struct weir__idle *idle, unsigned workers) {
    uint64_t word = atomic_load_explicit(&idle->word, memory_order_seq_cst);
    return searching(word) + parked(word) == workers;
}

static bool needs_wake(uint64_t word) {
    return searching(word) == 0 && parked(word) > 0;
}

static void wake_top(struct weir__idle *idle) {
    struct weir__sleeper *sleeper = NULL;

    WEIR__POINT("idle.wake");
    pthread_mutex_lock(&idle->mutex);
    /* Again, under the mutex: of many submitters that saw nobody searching one wakes. */
    if (idle->top && searching(atomic_load_explicit(&idle->word, memory_order_seq_cst)) == 0) {
        sleeper = idle->top;
        unlist(idle, sleeper);
        uint64_t wakes = atomic_load_explicit(&idle->wakes, memory_order_relaxed);
        atomic_store_explicit(&idle->wakes, wakes + 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&idle->mutex);
    if (sleeper)
        weir__parker_unpark(&sleeper->parker);
}

void weir__idle_wake_one(struct weir__idle *idle) {
    if (needs_wake(atomic_load_explicit(&idle->word, memory_order_seq_cst)))
        wake_top(idle);
}

void weir__idle_wake_all(struct weir__idle *idle) {
    pthread_mutex_lock(&idle->mutex);
    while (idle->top) {
        struct weir__sleeper *sleeper = idle->top;
        unlist(idle, sleeper);
        weir__parker_unpark(&sleeper->parker);
    }
    pthread_mutex_unlock(&idle->mutex);
}
