#include "heap.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ROOM_AT_FIRST ((size_t)16)

int weir__heap_reserve(struct weir__heap *heap, size_t n) {
    size_t room = heap->room ? heap->room : ROOM_AT_FIRST;

    if (n <= heap->room)
        return 0;
    while (room < n && room <= SIZE_MAX / sizeof *heap->nodes / 4)
        room *= 2;
    struct weir__heap_node **nodes =
        room < n ? NULL : weir__alloc(heap->allocator, (room + 1) * sizeof *nodes);
    if (!nodes)
        return -ENOMEM;
    if (heap->nodes)
        memcpy(nodes, heap->nodes, (heap->count + 1) * sizeof *nodes);
    weir__heap_free(heap);
    heap->nodes = nodes;
    heap->room = room;
    return 0;
}

void weir__heap_free(struct weir__heap *heap) {
    if (heap->nodes)
        weir__free(heap->allocator, heap->nodes, (heap->room + 1) * sizeof *heap->nodes);
    heap->nodes = NULL;
    heap->room = 0;
}

static bool is_before(const struct weir__heap_node *a, const struct weir__heap_node *b) {
    return a->weir__key != b->weir__key ? a->weir__key < b->weir__key
                                        : a->weir__order < b->weir__order;
}

static void place(struct weir__heap *heap, struct weir__heap_node *node, size_t index) {
    heap->nodes[index] = node;
    node->weir__index = index;
}

/* The place at index is free: moves ancestors down until node fits. */
static void rise(struct weir__heap *heap, struct weir__heap_node *node, size_t index) {
    for (; index > 1 && is_before(node, heap->nodes[index / 2]); index /= 2)
        place(heap, heap->nodes[index / 2], index);
    place(heap, node, index);
}

/* The same towards the leaves. */
static void sink(struct weir__heap *heap, struct weir__heap_node *node, size_t index) {
    for (size_t child; (child = 2 * index) <= heap->count; index = child) {
        if (child < heap->count && is_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!is_before(heap->nodes[child], node))
            break;
        place(heap, heap->nodes[child], index);
    }
    place(heap, node, index);
}

void weir__heap_put(struct weir__heap *heap, struct weir__heap_node *node, uint64_t key) {
    assert(node->weir__index == 0 && heap->count < heap->room);
    node->weir__key = key;
    node->weir__order = heap->next_order++;
    rise(heap, node, ++heap->count);
}

void weir__heap_remove(struct weir__heap *heap, struct weir__heap_node *node) {
    size_t index = node->weir__index;

    if (index == 0)
        return;
    node->weir__index = 0;
    struct weir__heap_node *last = heap->nodes[heap->count--];
    if (last == node)
        return;
    if (index > 1 && is_before(last, heap->nodes[index / 2]))
        rise(heap, last, index);
    else
        sink(heap, last, index);
}
