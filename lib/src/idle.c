#include "idle.h"

#include <assert.h>

#include <weir/base.h>

#include "platform/point.h"

#define PARKED_ONE    UINT64_C(1)
#define SEARCHING_ONE (UINT64_C(1) << 16)
#define LIVING_ONE    (UINT64_C(1) << 32)
#define INTENT_ONE    (UINT64_C(1) << 48)

static struct weir__idle_counts split(uint64_t word) {
    return (struct weir__idle_counts){
        .parked = (uint16_t)word,
        .searching = (uint16_t)(word >> 16),
        .living = (uint16_t)(word >> 32),
        .intents = (uint16_t)(word >> 48),
    };
}

struct weir__idle_counts weir__idle_counts(struct weir__idle *idle) {
    return split(atomic_load_explicit(&idle->word, memory_order_seq_cst));
}

void weir__idle_init(struct weir__idle *idle) {
    atomic_init(&idle->word, 0);
    atomic_init(&idle->wakes, 0);
    atomic_init(&idle->helping, 0);
    pthread_mutex_init(&idle->mutex, NULL);
    idle->top = NULL;
}

void weir__idle_destroy(struct weir__idle *idle) {
    pthread_mutex_destroy(&idle->mutex);
}

void weir__idle_search(struct weir__idle *idle) {
    atomic_fetch_add_explicit(&idle->word, SEARCHING_ONE, memory_order_seq_cst);
}

bool weir__idle_found(struct weir__idle *idle, uint32_t limit) {
    struct weir__idle_counts before =
        split(atomic_fetch_sub_explicit(&idle->word, SEARCHING_ONE, memory_order_seq_cst));
    assert(before.searching > 0);
    return before.searching == 1 && (before.parked > 0 || before.living < limit);
}

void weir__idle_announce(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    pthread_mutex_lock(&idle->mutex);
    assert(!sleeper->listed);
    sleeper->listed = true;
    sleeper->below = idle->top;
    idle->top = sleeper;
    /* One step, so that nobody sees the worker as neither searching nor parked. */
    uint64_t before =
        atomic_fetch_add_explicit(&idle->word, PARKED_ONE - SEARCHING_ONE, memory_order_seq_cst);
    assert(split(before).searching > 0);
    (void)before;
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

/* Takes the worker off the stack. False: a waker did, counted it as searching, and has sent, or is
 * about to send, a wake-up. */
static bool take_off(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    pthread_mutex_lock(&idle->mutex);
    bool still_listed = sleeper->listed;
    if (still_listed)
        unlist(idle, sleeper);
    pthread_mutex_unlock(&idle->mutex);
    return still_listed;
}

void weir__idle_retract(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    /* Left behind, the wake-up would end a later sleep for nothing. */
    if (!take_off(idle, sleeper))
        weir__parker_park(&sleeper->parker, WEIR_FOREVER);
}

bool weir__idle_park(struct weir__idle *idle, struct weir__sleeper *sleeper, uint64_t deadline_ns) {
    if (weir__parker_park(&sleeper->parker, deadline_ns))
        return true;
    if (take_off(idle, sleeper))
        return false;
    /* uncovered: a waker must come between the deadline and the lock */
    weir__parker_park(&sleeper->parker, WEIR_FOREVER);
    return true;
}

bool weir__idle_all(struct weir__idle *idle) {
    struct weir__idle_counts now = weir__idle_counts(idle);
    return now.searching + now.parked == now.living;
}

bool weir__idle_hire(struct weir__idle *idle, uint32_t limit, bool if_needed) {
    uint64_t word = atomic_load_explicit(&idle->word, memory_order_seq_cst);

    do {
        struct weir__idle_counts now = split(word);
        if (now.living >= limit || (if_needed && now.searching + now.parked > 0))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&idle->word, &word,
                                                    word + LIVING_ONE + SEARCHING_ONE,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    return true;
}

void weir__idle_dismiss(struct weir__idle *idle, bool searching) {
    atomic_fetch_sub_explicit(&idle->word, LIVING_ONE + (searching ? SEARCHING_ONE : 0),
                              memory_order_seq_cst);
}

bool weir__idle_leave(struct weir__idle *idle, uint32_t keep, bool searching) {
    uint64_t self = LIVING_ONE + (searching ? SEARCHING_ONE : 0);
    uint64_t word = atomic_load_explicit(&idle->word, memory_order_seq_cst);

    do {
        struct weir__idle_counts now = split(word);
        if (now.living <= keep || (now.living == 1 && now.intents > 0))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&idle->word, &word, word - self,
                                                    memory_order_seq_cst, memory_order_seq_cst));
    WEIR__POINT("idle.left");
    return true;
}

uint32_t weir__idle_intend(struct weir__idle *idle) {
    return split(atomic_fetch_add_explicit(&idle->word, INTENT_ONE, memory_order_seq_cst)).living;
}

void weir__idle_intent_done(struct weir__idle *idle) {
    atomic_fetch_sub_explicit(&idle->word, INTENT_ONE, memory_order_seq_cst);
}

static void wake_top(struct weir__idle *idle) {
    struct weir__sleeper *sleeper = NULL;

    WEIR__POINT("idle.wake");
    pthread_mutex_lock(&idle->mutex);
    /* Again, under the mutex: of many submitters that saw nobody searching one wakes. */
    if (idle->top && weir__idle_counts(idle).searching == 0) {
        sleeper = idle->top;
        unlist(idle, sleeper);
        uint64_t wakes = atomic_load_explicit(&idle->wakes, memory_order_relaxed);
        atomic_store_explicit(&idle->wakes, wakes + 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&idle->mutex);
    if (sleeper)
        weir__parker_unpark(&sleeper->parker);
}

bool weir__idle_wake_one(struct weir__idle *idle, uint32_t limit) {
    struct weir__idle_counts now = weir__idle_counts(idle);

    if (now.searching > 0)
        return false;
    if (now.parked == 0)
        return now.living < limit;
    wake_top(idle);
    return false;
}

void weir__idle_wake_this(struct weir__idle *idle, struct weir__sleeper *sleeper) {
    pthread_mutex_lock(&idle->mutex);
    if (sleeper->listed) {
        unlist(idle, sleeper);
        weir__parker_unpark(&sleeper->parker);
    }
    pthread_mutex_unlock(&idle->mutex);
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
