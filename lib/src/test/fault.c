#include "fault.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/types.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*main)(void *), void *arg);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *block);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*main)(void *), void *arg);
int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);

static _Atomic unsigned countdown; /* 0: nothing fails */
static _Atomic unsigned happened;
static _Atomic long blocks;

void fault_fail_nth(unsigned n) {
    atomic_store_explicit(&happened, 0, memory_order_relaxed);
    atomic_store_explicit(&countdown, n, memory_order_relaxed);
}

void fault_reset(void) {
    fault_fail_nth(0);
}

unsigned fault_happened(void) {
    return atomic_load_explicit(&happened, memory_order_relaxed);
}

long fault_blocks(void) {
    return atomic_load_explicit(&blocks, memory_order_relaxed);
}

static int must_fail(void) {
    unsigned left = atomic_load_explicit(&countdown, memory_order_relaxed);

    while (left > 0 && !atomic_compare_exchange_weak_explicit(
                           &countdown, &left, left - 1, memory_order_relaxed, memory_order_relaxed))
        ;
    if (left == 1)
        atomic_store_explicit(&happened, 1, memory_order_relaxed);
    return left == 1;
}

/*
 * The allocator of AddressSanitizer does not survive a fork that comes while another thread is
 * inside it: in the child its lock stays taken. There our calls take turns, and fork takes one.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAKE_TURNS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(TAKE_TURNS)
static pthread_mutex_t turns = PTHREAD_MUTEX_INITIALIZER;

static void take_turn(void) {
    pthread_mutex_lock(&turns);
}

static void end_turn(void) {
    pthread_mutex_unlock(&turns);
}

/* First of all, so that fork takes the turn after the library's own locks. */
__attribute__((constructor)) static void guard_fork(void) {
    pthread_atfork(take_turn, end_turn, end_turn);
}
#else
static void take_turn(void) {
}

static void end_turn(void) {
}
#endif

static void *given(void *block) {
    if (block)
        atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    return block;
}

static void *refuse(void) {
    errno = ENOMEM;
    return NULL;
}

void *__wrap_malloc(size_t size) {
    void *block;

    if (must_fail())
        return refuse();
    take_turn();
    block = __real_malloc(size);
    end_turn();
    return given(block);
}

void *__wrap_calloc(size_t n, size_t size) {
    void *block;

    if (must_fail())
        return refuse();
    take_turn();
    block = __real_calloc(n, size);
    end_turn();
    return given(block);
}

void *__wrap_realloc(void *old, size_t size) {
    void *block;

    if (must_fail())
        return refuse();
    take_turn();
    block = __real_realloc(old, size);
    end_turn();
    return old ? block : given(block);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    void *block;

    if (must_fail())
        return refuse();
    take_turn();
    block = __real_aligned_alloc(alignment, size);
    end_turn();
    return given(block);
}

void __wrap_free(void *block) {
    if (block)
        atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
    take_turn();
    __real_free(block);
    end_turn();
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*main)(void *), void *arg) {
    return must_fail() ? EAGAIN : __real_pthread_create(thread, attributes, main, arg);
}

int __wrap_eventfd(unsigned count, int flags) {
    if (must_fail()) {
        errno = EMFILE;
        return -1;
    }
    return __real_eventfd(count, flags);
}

int __wrap_timerfd_create(int clock, int flags) {
    if (must_fail()) {
        errno = EMFILE;
        return -1;
    }
    return __real_timerfd_create(clock, flags);
}

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags) {
    if (must_fail()) {
        errno = EAGAIN; /* as early in boot */
        return -1;
    }
    return __real_getrandom(bytes, size, flags);
}

#ifdef WEIR_COVERAGE
/* What a child of fork has reached counts too. */
void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

_Noreturn void __wrap__exit(int status) {
    __gcov_dump();
    __real__exit(status);
}
#endif
