#include "deque.h"

#include "platform/point.h"
#include "task.h"

static weir__slot *slot_at(struct weir__deque *deque, int64_t index) {
    return &deque->slots[(uint64_t)index % WEIR__DEQUE_SLOTS];
}

static struct weir_task *empty_slot(weir__slot *slot) {
    WEIR__POINT("deque.take");
    /* Acquire: the task's memory as its pusher left it. Release: the owner who finds the slot
     * empty may fill it again. */
    return atomic_exchange_explicit(slot, NULL, memory_order_acq_rel);
}

static bool next_is_free(struct weir__deque *deque) {
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);

    if (bottom - top >= (int64_t)WEIR__DEQUE_SLOTS)
        return false;
    return atomic_load_explicit(slot_at(deque, bottom), memory_order_acquire) == NULL;
}

void weir__deque_push(struct weir__deque *deque, struct weir_task *task) {
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
    weir__slot *slot = slot_at(deque, bottom);

    weir__task_set_place(task, (uintptr_t)slot | WEIR__PLACE_SLOT);
    atomic_store_explicit(slot, task, memory_order_release);
    WEIR__POINT("deque.push");
    /* seq_cst, not release: the pusher next looks whether anyone sleeps (see idle.h). */
    atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_seq_cst);
}

/* The only task left: whoever moves top owns it. */
static bool win_last(struct weir__deque *deque, int64_t top) {
    WEIR__POINT("deque.last");
    return atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1, memory_order_seq_cst,
                                                   memory_order_relaxed);
}

/* The newest index becomes the owner's. False: the deque is empty. */
static bool win_newest(struct weir__deque *deque, int64_t *index) {
    int64_t last = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1;

    /* Only the owner moves bottom, and top never passes it: empty needs no store. */
    if (atomic_load_explicit(&deque->top, memory_order_relaxed) > last)
        return false;
    atomic_store_explicit(&deque->bottom, last, memory_order_seq_cst);
    WEIR__POINT("deque.pop");
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
    bool won = top < last || (top == last && win_last(deque, top));
    if (top >= last)
        atomic_store_explicit(&deque->bottom, last + 1, memory_order_release);
    *index = last;
    return won;
}

struct weir_task *weir__deque_pop(struct weir__deque *deque) {
    int64_t index;

    while (win_newest(deque, &index)) {
        struct weir_task *task = empty_slot(slot_at(deque, index));
        if (task)
            return task;
    }
    return NULL;
}

/* Gives up the newest indices whose tasks were claimed. Only the owner fills slots, so an empty one
 * between top and bottom stays empty. */
static void drop_spent(struct weir__deque *deque) {
    int64_t index;

    do {
        int64_t last = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1;
        if (atomic_load_explicit(slot_at(deque, last), memory_order_relaxed) != NULL)
            return;
    } while (win_newest(deque, &index));
}

bool weir__deque_has_room(struct weir__deque *deque) {
    if (next_is_free(deque))
        return true;
    /* A task that waits for each future that it makes leaves nothing but spent indices behind. */
    drop_spent(deque);
    return next_is_free(deque);
}

struct weir_task *weir__deque_steal(struct weir__deque *deque) {
    for (;;) {
        int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
        WEIR__POINT("deque.steal");
        int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_seq_cst);

        if (top >= bottom)
            return NULL;
        if (!atomic_compare_exchange_strong_explicit(&deque->top, &top, top + 1,
                                                     memory_order_seq_cst, memory_order_relaxed))
            continue;
        struct weir_task *task = empty_slot(slot_at(deque, top));
        if (task)
            return task;
    }
}

bool weir__slot_remove(weir__slot *slot, struct weir_task *task) {
    return atomic_compare_exchange_strong_explicit(slot, &task, NULL, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

size_t weir__deque_size(struct weir__deque *deque) {
    int64_t top = atomic_load_explicit(&deque->top, memory_order_seq_cst);
    int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_seq_cst);

    return bottom > top ? (size_t)(bottom - top) : 0;
}

struct weir_task *weir__deque_harvest(struct weir__deque *deque, struct weir_task *rest) {
    for (size_t i = 0; i < WEIR__DEQUE_SLOTS; i++) {
        struct weir_task *task = empty_slot(&deque->slots[i]);
        if (!task)
            continue;
        /* uncovered: a fork must find a task in a deque; among many forks one does as a rule */
        task->weir__next = rest;
        rest = task;
    }
    atomic_store_explicit(&deque->top, 0, memory_order_relaxed);
    atomic_store_explicit(&deque->bottom, 0, memory_order_relaxed);
    return rest;
}
