#include "task.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* Ids are handed to threads in blocks, so that numbering tasks shares no line between them. */
#define ID_BLOCK UINT64_C(1024)

static _Atomic uint64_t next_block = 1;
static _Thread_local uint64_t next_id, end_id;

uint64_t weir_task_id(struct weir_task *task) {
    uint64_t id = atomic_load_explicit(&task->weir__id, memory_order_relaxed);

    if (id != 0)
        return id;
    if (next_id == end_id) {
        next_id = atomic_fetch_add_explicit(&next_block, ID_BLOCK, memory_order_relaxed);
        end_id = next_id + ID_BLOCK;
    }
    /* Two threads may both number it; the first store wins for all, and a number is lost. */
    uint64_t fresh = next_id++;
    if (atomic_compare_exchange_strong_explicit(&task->weir__id, &id, fresh, memory_order_relaxed,
                                                memory_order_relaxed))
        return fresh;
    return id; /* uncovered: two threads must number one task within these few instructions */
}

/* The process's part of every UUID: 64 random bits, chosen once. Two threads may both choose; the
 * first store wins for all. Zero means not chosen. */
static uint64_t process_part(void) {
    static _Atomic uint64_t chosen;
    uint64_t part = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (part != 0)
        return part;
    uint64_t fresh;
    if (getrandom(&fresh, sizeof fresh, GRND_NONBLOCK) != (ssize_t)sizeof fresh)
        fresh = weir_now_ns() * UINT64_C(0x9E3779B97F4A7C15);
    fresh |= 1;
    if (atomic_compare_exchange_strong_explicit(&chosen, &part, fresh, memory_order_relaxed,
                                                memory_order_relaxed))
        return fresh;
    return part; /* uncovered: two threads must ask for the first time at once */
}

/* RFC 9562 version 8: 48 bits of our choice, version, 12 bits of our choice, variant, 62 bits.
 * The process fills the first 60, the id the last 62. */
void weir_task_uuid(struct weir_task *task, char text[WEIR_UUID_TEXT]) {
    uint64_t id = weir_task_id(task);
    uint64_t part = process_part();
    unsigned variant_and_id = 0x8000u | (unsigned)(id >> 48 & 0x3FFF);

    snprintf(text, WEIR_UUID_TEXT, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(part >> 32),
             (unsigned)(part >> 16 & 0xFFFF), 0x8000u | (unsigned)(part & 0xFFF), variant_and_id,
             (unsigned long long)(id & UINT64_C(0xFFFFFFFFFFFF)));
}
