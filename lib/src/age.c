#include "age.h"

/* A word of the log: in its low half the time, in units of about a millisecond, which tells
 * ages of up to 26 days; in its high half which lap of the log it belongs to, counted from one, so
 * that what was never written belongs to none. */
#define UNIT_BITS 20
#define LAP_SHIFT 32

uint64_t weir__age_since(uint64_t stamp_ns) {
    uint64_t now_ns = weir__clock_coarse_ns();

    return now_ns > stamp_ns ? now_ns - stamp_ns : 0;
}

/* The time for a stamp that is due, and the distance to the next. */
static uint64_t take_stamp(struct weir__age *age) {
    uint64_t now_ns = weir__clock_coarse_ns();
    uint32_t rare = atomic_load_explicit(&age->rare, memory_order_relaxed);

    if (now_ns != atomic_load_explicit(&age->last_ns, memory_order_relaxed))
        rare = 0;
    else if (rare < WEIR__STAMP_EVERY_MOST - 1)
        rare = rare * 2 + 1;
    atomic_store_explicit(&age->rare, rare, memory_order_relaxed);
    atomic_store_explicit(&age->last_ns, now_ns, memory_order_relaxed);
    return now_ns;
}

bool weir__age_stamp(struct weir__age *age, struct weir_task *task) {
    uint64_t now_ns = take_stamp(age);

    if (atomic_load_explicit(&task->weir__queued_ns, memory_order_relaxed) == 0)
        atomic_store_explicit(&task->weir__queued_ns, now_ns, memory_order_relaxed);
    return true;
}

void weir__age_log_init(struct weir__age_log *log, _Atomic uint64_t *words, size_t count) {
    *log = (struct weir__age_log){.words = words, .count = count};
    for (size_t i = 0; words && i < count; i++)
        atomic_init(&words[i], 0);
}

static uint64_t lap_of(const struct weir__age_log *log, uint64_t position) {
    return (position / log->count + 1) << LAP_SHIFT;
}

void weir__age_log_stamp(struct weir__age_log *log, struct weir__age *age, uint64_t position) {
    if (!log->words)
        return;
    uint32_t time = (uint32_t)(take_stamp(age) >> UNIT_BITS);
    atomic_store_explicit(&log->words[position % log->count], lap_of(log, position) | time,
                          memory_order_relaxed);
}

uint64_t weir__age_log_of(const struct weir__age_log *log, uint64_t position) {
    uint64_t now_ns = weir__clock_coarse_ns();

    for (uint64_t back = 0; back < WEIR__STAMP_EVERY_MOST && back <= position; back++) {
        uint64_t from = position - back;
        uint64_t word = atomic_load_explicit(&log->words[from % log->count], memory_order_relaxed);
        if ((word >> LAP_SHIFT << LAP_SHIFT) == lap_of(log, from)) {
            uint32_t units = (uint32_t)(now_ns >> UNIT_BITS) - (uint32_t)word;
            if (units > INT32_MAX) /* stamped since now was read */
                return 0;
            return ((uint64_t)units << UNIT_BITS) + (now_ns & ((1u << UNIT_BITS) - 1));
        }
    }
    return 0; /* uncovered: it left the queue, and the log was overwritten, since its caller looked
               */
}
