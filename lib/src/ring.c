#include "ring.h"

#include "platform/point.h"
#include "task.h"

#define CLOSED (UINT64_C(1) << 63)

static struct weir__ring_slot *slot_at(struct weir__ring *ring, uint64_t position) {
    return &ring->slots[ring->mask ? position & ring->mask : position % ring->capacity];
}

void weir__ring_init(struct weir__ring *ring, struct weir__ring_slot *slots, size_t capacity) {
    *ring = (struct weir__ring){.slots = slots, .capacity = capacity};
    if ((capacity & (capacity - 1)) == 0)
        ring->mask = capacity - 1;
    for (size_t i = 0; i < capacity; i++) {
        atomic_init(&slots[i].turn, 2 * i);
        atomic_init(&slots[i].task, NULL);
    }
}

/* Wins a position to fill. */
static enum weir__ring_result win_tail(struct weir__ring *ring, uint64_t *position) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_seq_cst);

    for (;;) {
        if (tail & CLOSED)
            return RING_CLOSED;
        /* seq_cst: a submitter that waits for room looks here after it has announced itself. */
        uint64_t turn = atomic_load_explicit(&slot_at(ring, tail)->turn, memory_order_seq_cst);
        if (turn == 2 * tail) {
            if (atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + 1,
                                                      memory_order_seq_cst, memory_order_seq_cst))
                break;
        } else if (turn < 2 * tail) {
            return RING_FULL;
        } else { /* others have filled it since we read tail */
            tail = atomic_load_explicit(&ring->tail, memory_order_seq_cst);
        }
    }
    *position = tail;
    WEIR__POINT("ring.push");
    return RING_PUSHED;
}

enum weir__ring_result weir__ring_push(struct weir__ring *ring, struct weir_task *task) {
    uint64_t position;
    enum weir__ring_result result = win_tail(ring, &position);

    if (result != RING_PUSHED)
        return result;
    struct weir__ring_slot *slot = slot_at(ring, position);
    weir__task_set_place(task, (uintptr_t)&slot->task | WEIR__PLACE_SLOT);
    if (weir__age_is_due(&ring->age, position))
        weir__age_log_stamp(&ring->log, &ring->age, position);
    /* Before it is marked queued: from then on a claimer may empty the slot. */
    atomic_store_explicit(&slot->task, task, memory_order_release);
    if (!weir__task_mark_queued(task)) {
        atomic_store_explicit(&slot->task, NULL, memory_order_relaxed);
        result = RING_CANCELLED;
    }
    atomic_store_explicit(&slot->turn, 2 * position + 1, memory_order_seq_cst);
    return result;
}

static bool is_barred(const _Atomic uint32_t *barrier, uint32_t barred) {
    return barrier && (atomic_load_explicit(barrier, memory_order_relaxed) & barred);
}

/* Wins the oldest published position; with spent, only if a claimer has emptied it: nobody fills it
 * again before it was won. The barrier is read after the turn, whose acquire shows what the pusher
 * knew. */
static bool win_head(struct weir__ring *ring, bool spent, const _Atomic uint32_t *barrier,
                     uint32_t barred, uint64_t *position) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    for (;;) {
        struct weir__ring_slot *slot = slot_at(ring, head);
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
        if (turn == 2 * head + 1) {
            if (spent && atomic_load_explicit(&slot->task, memory_order_relaxed))
                return false;
            if (is_barred(barrier, barred))
                return false;
            if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1,
                                                      memory_order_seq_cst, memory_order_relaxed))
                break;
        } else if (turn <= 2 * head) {
            return false;
        } else {
            head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        }
    }
    *position = head;
    WEIR__POINT("ring.pop");
    return true;
}

/* Takes what is in a position that was won, and gives its slot back. */
static struct weir_task *empty(struct weir__ring *ring, uint64_t position) {
    struct weir__ring_slot *slot = slot_at(ring, position);
    struct weir_task *task = atomic_exchange_explicit(&slot->task, NULL, memory_order_acq_rel);

    atomic_store_explicit(&slot->turn, 2 * (position + ring->capacity), memory_order_seq_cst);
    return task;
}

struct weir_task *weir__ring_pop(struct weir__ring *ring, size_t *freed,
                                 const _Atomic uint32_t *barrier, uint32_t barred) {
    struct weir_task *task = NULL;
    uint64_t position;

    while (!task && win_head(ring, false, barrier, barred, &position)) {
        task = empty(ring, position);
        ++*freed;
    }
    return task;
}

size_t weir__ring_skip_spent(struct weir__ring *ring) {
    size_t freed = 0;
    uint64_t position;

    for (; win_head(ring, true, NULL, 0, &position); freed++)
        empty(ring, position);
    return freed;
}

struct weir_task *weir__ring_harvest(struct weir__ring *ring, struct weir_task *rest) {
    for (size_t i = 0; i < ring->capacity; i++) {
        struct weir__ring_slot *slot = &ring->slots[i];
        struct weir_task *task = atomic_load_explicit(&slot->task, memory_order_relaxed);
        if (!task || atomic_load_explicit(&slot->turn, memory_order_relaxed) % 2 == 0)
            continue;
        task->weir__next = rest;
        rest = task;
    }
    bool closed = atomic_load_explicit(&ring->tail, memory_order_relaxed) & CLOSED;
    struct weir__age_log log = ring->log;
    weir__ring_init(ring, ring->slots, ring->capacity);
    weir__age_log_init(&ring->log, log.words, log.count);
    if (closed)
        weir__ring_close(ring);
    return rest;
}

void weir__ring_close(struct weir__ring *ring) {
    atomic_fetch_or_explicit(&ring->tail, CLOSED, memory_order_seq_cst);
}

bool weir__ring_is_ready(struct weir__ring *ring) {
    /* uncovered: a second look takes a popper between the two loads of the first */
    for (;;) {
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
        uint64_t turn = atomic_load_explicit(&slot_at(ring, head)->turn, memory_order_seq_cst);
        if (turn <= 2 * head + 1)
            return turn == 2 * head + 1;
    }
}

size_t weir__ring_size(struct weir__ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
    uint64_t tail = weir__ring_pushed(ring);

    return tail > head ? (size_t)(tail - head) : 0;
}

uint64_t weir__ring_pushed(struct weir__ring *ring) {
    return atomic_load_explicit(&ring->tail, memory_order_seq_cst) & ~CLOSED;
}

uint64_t weir__ring_oldest_ns(struct weir__ring *ring) {
    if (!ring->log.words || !weir__ring_is_ready(ring))
        return 0;
    return weir__age_log_of(&ring->log, atomic_load_explicit(&ring->head, memory_order_relaxed));
}
