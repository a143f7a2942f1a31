#include "bench/measure/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure/clock.h"

#define TALLIES 1024u

_Thread_local struct ledger_tally *ledger_tally;

/* Tallies outlive their threads: their sum is what counts. The last one is shared. */
static struct ledger_tally tallies[TALLIES] = {[TALLIES - 1] = {.shared = true}};
static _Atomic uint32_t tallies_used;

struct ledger_tally *ledger_claim_tally(void) {
    uint32_t claimed = atomic_fetch_add_explicit(&tallies_used, 1, memory_order_relaxed);
    if (claimed >= TALLIES - 1) {
        atomic_store_explicit(&tallies_used, TALLIES, memory_order_relaxed); /* never wraps */
        claimed = TALLIES - 1;
    }
    ledger_tally = &tallies[claimed];
    return ledger_tally;
}

void ledger_thread_submits(void) {
    if (ledger_tally == NULL) {
        ledger_claim_tally();
    }
    if (!ledger_tally->shared) {
        atomic_store_explicit(&ledger_tally->submitter, true, memory_order_relaxed);
    }
}

static uint64_t tally_sum(bool submitters_only) {
    uint64_t sum = 0;
    for (size_t i = 0; i < TALLIES; i++) {
        if (!submitters_only || atomic_load_explicit(&tallies[i].submitter, memory_order_relaxed)) {
            sum += atomic_load_explicit(&tallies[i].runs, memory_order_relaxed);
        }
    }
    return sum;
}

int ledger_init(struct ledger *ledger, size_t capacity) {
    memset(ledger, 0, sizeof(*ledger));
    if (capacity == 0 || capacity > UINT32_MAX) {
        return -EINVAL;
    }
    ledger->base = aligned_alloc(LEDGER_STRIDE, capacity * LEDGER_STRIDE);
    if (ledger->base == NULL) {
        return -ENOMEM;
    }
    ledger->capacity = capacity;
    return 0;
}

void ledger_fini(struct ledger *ledger) {
    free(ledger->base);
    ledger->base = NULL;
    ledger->bytes = 0;
}

void ledger_reset(struct ledger *ledger, size_t n) {
    memset(ledger->base, 0, n * LEDGER_STRIDE);
    for (size_t i = 0; i < n; i++) {
        struct ledger_slot *slot = ledger_argument(ledger, i);
        slot->index = (uint32_t)i;
    }
    ledger->bytes = n * LEDGER_STRIDE;
    ledger->tallied_before = tally_sum(false);
    ledger->caller_ran_before = tally_sum(true);
    atomic_store_explicit(&ledger->wrong_arguments, 0, memory_order_relaxed);
}

void ledger_count_wrong_argument(struct ledger *ledger) {
    atomic_fetch_add_explicit(&ledger->wrong_arguments, 1, memory_order_relaxed);
}

static uint32_t runs_of(const struct ledger *ledger, size_t index) {
    struct ledger_slot *slot = ledger_argument(ledger, index);
    return atomic_load_explicit(&slot->runs, memory_order_relaxed);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double ledger_cost_ns(void) {
    enum { SLOTS = 512, SAMPLES = 31 };
    struct ledger scratch;
    double costs[SAMPLES];
    if (ledger_init(&scratch, SLOTS) != 0) {
        return 0.0;
    }
    ledger_reset(&scratch, SLOTS);
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t begun_ns = clock_now_ns();
        for (size_t slot = 0; slot < SLOTS; slot++) {
            void *argument = ledger_argument(&scratch, slot);
            if (ledger_begin(&scratch, argument)) {
                ledger_end(argument);
            }
        }
        costs[i] = (double)(clock_now_ns() - begun_ns) / SLOTS;
    }
    ledger_fini(&scratch);
    qsort(costs, SAMPLES, sizeof(costs[0]), ascending);
    return costs[SAMPLES / 2];
}

uint64_t ledger_ended(const struct ledger *ledger) {
    uint64_t ended = 0;
    for (size_t i = 0; i < ledger->bytes / LEDGER_STRIDE; i++) {
        ended += runs_of(ledger, i) != 0;
    }
    return ended;
}

uint64_t ledger_caller_ran(const struct ledger *ledger) {
    return tally_sum(true) - ledger->caller_ran_before;
}

bool ledger_check(const struct ledger *ledger, char *reason, size_t reason_size) {
    uint64_t tasks = ledger->bytes / LEDGER_STRIDE;
    uint64_t wrong = atomic_load_explicit(&ledger->wrong_arguments, memory_order_relaxed);
    uint64_t ended = ledger_ended(ledger);
    uint64_t lost = tasks - ended;
    uint64_t runs = tally_sum(false) - ledger->tallied_before;
    uint64_t extra = runs - ended; /* the tallies see what two runs at one instant hide */
    if (wrong > 0) {
        snprintf(reason, reason_size,
                 "wrong argument: %" PRIu64 " of %" PRIu64 " runs got one that nobody submitted",
                 wrong, runs + wrong);
    } else if (lost > 0) {
        snprintf(reason, reason_size,
                 "lost task: %" PRIu64 " of %" PRIu64 " tasks never ran, %" PRIu64 " extra runs",
                 lost, tasks, extra);
    } else if (extra > 0) {
        snprintf(reason, reason_size,
                 "double run: %" PRIu64 " more runs than the %" PRIu64 " tasks submitted", extra,
                 tasks);
    }
    return wrong == 0 && lost == 0 && extra == 0;
}
