/*
 * Exactly-once ledger: every task has a slot of its own, counts itself there, and counts itself
 * once more in a tally of its thread.
 *
 * Why two counts. A slot is a cache line of its own, counted with a plain load and store, so that
 * the ledger costs a task no locked instruction and shares no line between workers. Two runs of
 * one task at the same instant could then leave the slot at 1; the tallies, each with one writer,
 * still add up to one too many. A lost task leaves its slot at 0. So every mixture of losses and
 * repetitions shows.
 */
#ifndef WEIR_MEASURE_LEDGER_H
#define WEIR_MEASURE_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_STRIDE 64u

/* The head of a task's argument; the workload's own data follow, 64 bytes in all. */
struct ledger_slot {
    _Atomic uint32_t runs;
    uint32_t index;
};

/* Runs counted by one thread. Threads beyond the table share one tally. */
struct ledger_tally {
    _Alignas(64) _Atomic uint64_t runs;
    bool shared; /* the last one of the table, from the start */
    atomic_bool submitter;
};

struct ledger {
    char *base; /* the slots, LEDGER_STRIDE apart */
    size_t capacity;
    size_t bytes; /* of the slots in use; an argument outside is a wrong one */
    _Atomic uint64_t wrong_arguments;
    uint64_t tallied_before;
    uint64_t caller_ran_before;
};

extern _Thread_local struct ledger_tally *ledger_tally;

/* Room for capacity slots, none in use before ledger_reset. -ENOMEM, -EINVAL. */
int ledger_init(struct ledger *ledger, size_t capacity);
void ledger_fini(struct ledger *ledger);

/* Takes the first n slots into use for an epoch and clears them, all 64 bytes; that also brings in
 * their pages, so that no task faults on them. No task may run. */
void ledger_reset(struct ledger *ledger, size_t n);

static inline void *ledger_argument(const struct ledger *ledger, size_t index) {
    return ledger->base + index * LEDGER_STRIDE;
}

/* Says that this thread submits: tasks that run on it count as run by the caller. */
void ledger_thread_submits(void);

/* Slow paths of the two below. */
void ledger_count_wrong_argument(struct ledger *ledger);
struct ledger_tally *ledger_claim_tally(void);

/* First act of a task: true when arg is the argument of some task of this ledger. */
static inline bool ledger_begin(struct ledger *ledger, const void *arg) {
    uintptr_t offset = (uintptr_t)arg - (uintptr_t)ledger->base;
    if (__builtin_expect(offset < ledger->bytes && offset % LEDGER_STRIDE == 0, 1)) {
        return true;
    }
    ledger_count_wrong_argument(ledger);
    return false;
}

/* Last act of a task that has begun. */
static inline void ledger_end(struct ledger_slot *slot) {
    uint32_t runs = atomic_load_explicit(&slot->runs, memory_order_relaxed);
    atomic_store_explicit(&slot->runs, runs + 1, memory_order_relaxed);
    struct ledger_tally *tally = ledger_tally;
    if (__builtin_expect(tally == NULL, 0)) {
        tally = ledger_claim_tally();
    }
    if (__builtin_expect(tally->shared, 0)) {
        atomic_fetch_add_explicit(&tally->runs, 1, memory_order_relaxed);
    } else {
        uint64_t tallied = atomic_load_explicit(&tally->runs, memory_order_relaxed);
        atomic_store_explicit(&tally->runs, tallied + 1, memory_order_relaxed);
    }
}

/* Nanoseconds that the two above take together, the median of many; with no task under way. */
double ledger_cost_ns(void);

/* How many tasks have ended at least once; may be asked while they run. */
uint64_t ledger_ended(const struct ledger *ledger);

/* Runs since the last reset on threads that submit. */
uint64_t ledger_caller_ran(const struct ledger *ledger);

/*
 * Judges after the tasks have ended: true when each ran exactly once. Otherwise reason starts with
 * "wrong argument", "lost task" or "double run".
 */
bool ledger_check(const struct ledger *ledger, char *reason, size_t reason_size);

#endif
