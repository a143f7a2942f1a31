/*
 * Counts allocations: a shared object to be preloaded before any allocator. Each call is passed on
 * to the next definition of it and counted, so that all allocators are counted alike. The counts
 * are read through dlsym by the workload memory; a process without this object has none.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static _Atomic uint64_t allocations;
static _Atomic int64_t live_bytes;

/* The next definitions. Filled by the first call, before any second thread can exist. */
static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);
static void (*next_free)(void *);
static size_t (*next_usable)(void *);

/* What dlsym itself asks for while the table is being filled; never given back. */
static _Alignas(64) char early[16384];
static size_t early_used;

static bool is_early(const void *p) {
    return (const char *)p >= early && (const char *)p < early + sizeof(early);
}

static void *early_alloc(size_t size) {
    size_t begin = early_used;
    early_used += (size + 63) / 64 * 64;
    return early_used <= sizeof(early) ? early + begin : NULL;
}

static void find(void *function, const char *name) {
    void *address = dlsym(RTLD_NEXT, name);
    memcpy(function, &address, sizeof(address));
}

static bool ready(void) {
    static bool finding;
    if (next_malloc != NULL) {
        return true;
    }
    if (finding) {
        return false;
    }
    finding = true;
    find(&next_calloc, "calloc");
    find(&next_realloc, "realloc");
    find(&next_aligned_alloc, "aligned_alloc");
    find(&next_free, "free");
    find(&next_usable, "malloc_usable_size");
    find(&next_malloc, "malloc");
    return true;
}

static void *counted(void *p) {
    if (p != NULL) {
        atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&live_bytes, (int64_t)next_usable(p), memory_order_relaxed);
    }
    return p;
}

static void uncount(void *p) {
    atomic_fetch_sub_explicit(&live_bytes, (int64_t)next_usable(p), memory_order_relaxed);
}

EXPORT void *malloc(size_t size) {
    return ready() ? counted(next_malloc(size)) : early_alloc(size);
}

EXPORT void *calloc(size_t n, size_t size) {
    return ready() ? counted(next_calloc(n, size))
                   : early_alloc(n * size); /* zero from the start */
}

EXPORT void *realloc(void *p, size_t size) {
    if (p == NULL) {
        return malloc(size);
    }
    if (is_early(p)) {
        void *moved = malloc(size);
        size_t most = (size_t)(early + sizeof(early) - (char *)p);
        return moved == NULL ? NULL : memcpy(moved, p, size < most ? size : most);
    }
    size_t before = next_usable(p);
    void *moved = next_realloc(p, size);
    if (moved != NULL) {
        atomic_fetch_sub_explicit(&live_bytes, (int64_t)before, memory_order_relaxed);
    }
    return counted(moved);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    return ready() ? counted(next_aligned_alloc(alignment, size)) : early_alloc(size);
}

EXPORT void *memalign(size_t alignment, size_t size) {
    return aligned_alloc(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size) {
    void *p = aligned_alloc(alignment, size);
    if (p == NULL) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

EXPORT void free(void *p) {
    if (p != NULL && !is_early(p) && ready()) {
        uncount(p);
        next_free(p);
    }
}

/* ---- For the workload memory and for machine_allocator() ------------------------------------ */

EXPORT uint64_t weir_counting_allocations(void);
EXPORT int64_t weir_counting_live_bytes(void);
EXPORT void *weir_counting_next_malloc(void);

uint64_t weir_counting_allocations(void) {
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

int64_t weir_counting_live_bytes(void) {
    return atomic_load_explicit(&live_bytes, memory_order_relaxed);
}

/* The malloc that is really in use. */
void *weir_counting_next_malloc(void) {
    void *address;
    ready();
    memcpy(&address, &next_malloc, sizeof(address));
    return address;
}
