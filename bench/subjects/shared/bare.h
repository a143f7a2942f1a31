/*
 * For pools whose task is one pointer: the argument itself travels, as in any program that uses
 * such a pool for one kind of task. The first function submitted becomes that kind; a task with
 * another function, a NULL argument or an odd address travels in a box, marked by the lowest bit.
 */
#ifndef WEIR_SUBJECTS_BARE_H
#define WEIR_SUBJECTS_BARE_H

#include "bench/subject.h"

#include <stdatomic.h>
#include <stdlib.h>

struct bare {
    _Atomic(weir_subject_fn) fn; /* of the bare arguments; set once */
};

struct bare_box {
    weir_subject_fn fn;
    void *arg;
};

/* What to hand over; NULL without memory for a box. */
static inline void *bare_pack(struct bare *bare, weir_subject_fn fn, void *arg) {
    weir_subject_fn usual = atomic_load_explicit(&bare->fn, memory_order_relaxed);
    if (usual == NULL && atomic_compare_exchange_strong_explicit(
                             &bare->fn, &usual, fn, memory_order_relaxed, memory_order_relaxed)) {
        usual = fn;
    }
    if (fn == usual && arg != NULL && ((uintptr_t)arg & 1) == 0) {
        return arg;
    }
    struct bare_box *box = (struct bare_box *)malloc(sizeof(*box));
    if (box == NULL) {
        return NULL;
    }
    *box = (struct bare_box){.fn = fn, .arg = arg};
    return (void *)((uintptr_t)box + 1);
}

static inline void bare_run(struct bare *bare, void *data) {
    if (((uintptr_t)data & 1) == 0) {
        atomic_load_explicit(&bare->fn, memory_order_relaxed)(data);
        return;
    }
    struct bare_box *boxed = (struct bare_box *)((uintptr_t)data - 1);
    struct bare_box box = *boxed;
    free(boxed);
    box.fn(box.arg);
}

#endif
