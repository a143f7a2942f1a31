/*
 * Fork: what is known of it, and how locks are kept whole across it.
 *
 * The generation tells a process from its parent: it is one higher in a child. An object that keeps
 * the generation of its making knows by one load whether its threads exist in this process.
 *
 * A guard holds its owner's locks while the process forks, so that what they guard is whole in the
 * child, where nobody else would ever unlock them. The list of guards, and the generation, are the
 * process's and not a pool's.
 */
#ifndef WEIR__FORK_H
#define WEIR__FORK_H

#include <stdatomic.h>
#include <stdint.h>

extern _Atomic uint32_t weir__generation;

static inline uint32_t weir__fork_generation(void) {
    return atomic_load_explicit(&weir__generation, memory_order_relaxed);
}

struct weir__fork_guard {
    struct weir__fork_guard *next, *prev;
    void (*hold)(struct weir__fork_guard *self);    /* before the fork */
    void (*release)(struct weir__fork_guard *self); /* after it, in parent and child */
};

/* 0 or -ENOMEM. */
int weir__fork_enlist(struct weir__fork_guard *guard);
void weir__fork_dismiss(struct weir__fork_guard *guard);

#endif
