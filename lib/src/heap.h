/*
 * Heap: what is due first. A binary heap of nodes that lie in their owners' memory; equal keys come
 * out in the order in which they went in. Room is reserved beforehand, so that put never fails.
 * One thread at a time.
 */
#ifndef WEIR__HEAP_H
#define WEIR__HEAP_H

#include <stddef.h>
#include <stdint.h>

#include <weir/timer.h>

#include "memory.h"

struct weir__heap {
    const struct weir_allocator *allocator;
    struct weir__heap_node **nodes; /* from index 1 */
    size_t count, room;
    uint64_t next_order;
};

/* Makes room for n nodes in all. 0 or -ENOMEM. */
int weir__heap_reserve(struct weir__heap *heap, size_t n);

/* Frees the memory; the nodes are their owners'. */
void weir__heap_free(struct weir__heap *heap);

/* O(log n). put: the node is in no heap, and there is room. remove: nothing when it is in none. */
void weir__heap_put(struct weir__heap *heap, struct weir__heap_node *node, uint64_t key);
void weir__heap_remove(struct weir__heap *heap, struct weir__heap_node *node);

/* The node with the least key, or NULL. */
static inline struct weir__heap_node *weir__heap_first(const struct weir__heap *heap) {
    return heap->count ? heap->nodes[1] : NULL;
}

#endif
