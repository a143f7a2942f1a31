/* Memory of a pool: the user's allocator, or the C library's. */
#ifndef WEIR__MEMORY_H
#define WEIR__MEMORY_H

#include <stdlib.h>
#include <string.h>

#include <weir/pool.h>

#define WEIR__LINE ((size_t)64)

static inline void *weir__alloc(const struct weir_allocator *from, size_t bytes) {
    if (from->alloc)
        return from->alloc(from->arg, bytes, _Alignof(max_align_t));
    return malloc(bytes);
}

static inline void weir__free(const struct weir_allocator *to, void *block, size_t bytes) {
    if (to->alloc)
        to->free(to->arg, block, bytes);
    else
        free(block);
}

/* Zeroed, and begins at a cache line. bytes is a multiple of its size. */
static inline void *weir__alloc_lines(const struct weir_allocator *from, size_t bytes) {
    void *block =
        from->alloc ? from->alloc(from->arg, bytes, WEIR__LINE) : aligned_alloc(WEIR__LINE, bytes);

    return block ? memset(block, 0, bytes) : NULL;
}

static inline size_t weir__whole_lines(size_t bytes) {
    return (bytes + WEIR__LINE - 1) / WEIR__LINE * WEIR__LINE;
}

#endif
