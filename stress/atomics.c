/*
 * Every atomic operation of a subject as a point where the schedule may be disturbed, without a
 * change of its source: the compiler's hooks for ThreadSanitizer.
 *
 * In native builds the subject is compiled with -fsanitize=thread and linked with this file instead
 * of ThreadSanitizer's runtime: the operations are carried out here, with the order that the source
 * asks for, and plain accesses cost an empty call. In ThreadSanitizer's builds the linker leads the
 * same calls here first (--wrap), and from here to the runtime.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stress/wrap.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define RUNTIME 1
#else
#define RUNTIME 0
#endif

static inline void point(const char *name) {
    const struct wrap_hooks *hooks = wrap_hooks_now;
    if (hooks != NULL) {
        hooks->atomic(name);
    }
}

#if RUNTIME

#define ENTRY(name)             __wrap___tsan_##name
#define REAL(type, name, list)  type __real___tsan_##name list;
#define DO_LOAD(bits)           __real___tsan_atomic##bits##_load(at, order)
#define DO_STORE(bits)          __real___tsan_atomic##bits##_store(at, value, order)
#define DO_RMW(bits, operation) __real___tsan_atomic##bits##_##operation(at, value, order)
#define DO_CAS(bits, kind)                                                                         \
    __real___tsan_atomic##bits##_compare_exchange_##kind(at, expected, value, order, failure)

#else

#define ENTRY(name)            __tsan_##name
#define REAL(type, name, list) /* there is none */

/* The builtins want their order as a constant. */
#define IN_ORDER(call)                                                                             \
    (order == __ATOMIC_RELAXED   ? call(__ATOMIC_RELAXED)                                          \
     : order == __ATOMIC_CONSUME ? call(__ATOMIC_CONSUME)                                          \
     : order == __ATOMIC_ACQUIRE ? call(__ATOMIC_ACQUIRE)                                          \
     : order == __ATOMIC_RELEASE ? call(__ATOMIC_RELEASE)                                          \
     : order == __ATOMIC_ACQ_REL ? call(__ATOMIC_ACQ_REL)                                          \
                                 : call(__ATOMIC_SEQ_CST))

#define DO_LOAD(bits)                                                                              \
    (order == __ATOMIC_RELAXED ? __atomic_load_n(at, __ATOMIC_RELAXED)                             \
     : order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME                                      \
         ? __atomic_load_n(at, __ATOMIC_ACQUIRE)                                                   \
         : __atomic_load_n(at, __ATOMIC_SEQ_CST))
#define DO_STORE(bits)                                                                             \
    (order == __ATOMIC_RELAXED   ? __atomic_store_n(at, value, __ATOMIC_RELAXED)                   \
     : order == __ATOMIC_RELEASE ? __atomic_store_n(at, value, __ATOMIC_RELEASE)                   \
                                 : __atomic_store_n(at, value, __ATOMIC_SEQ_CST))
#define RMW_exchange(o)         __atomic_exchange_n(at, value, o)
#define RMW_fetch_add(o)        __atomic_fetch_add(at, value, o)
#define RMW_fetch_sub(o)        __atomic_fetch_sub(at, value, o)
#define RMW_fetch_and(o)        __atomic_fetch_and(at, value, o)
#define RMW_fetch_or(o)         __atomic_fetch_or(at, value, o)
#define RMW_fetch_xor(o)        __atomic_fetch_xor(at, value, o)
#define RMW_fetch_nand(o)       __atomic_fetch_nand(at, value, o)
#define DO_RMW(bits, operation) IN_ORDER(RMW_##operation)
#define CAS(o)                  __atomic_compare_exchange_n(at, expected, value, 0, o, __ATOMIC_RELAXED)
#define CAS_STRONG_FAILURE                                                                         \
    __atomic_compare_exchange_n(at, expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
/* An order for the failure beyond relaxed asks for the strongest of both: never weaker than asked,
 * and the same instruction where compare-exchange is one. */
#define DO_CAS(bits, kind) (failure == __ATOMIC_RELAXED ? IN_ORDER(CAS) : CAS_STRONG_FAILURE)

#endif

#define TYPE(bits) uint##bits##_t

#define LOAD(bits)                                                                                 \
    REAL(TYPE(bits), atomic##bits##_load, (const volatile TYPE(bits) *, int))                      \
    TYPE(bits) ENTRY(atomic##bits##_load)(const volatile TYPE(bits) * at, int order);              \
    TYPE(bits) ENTRY(atomic##bits##_load)(const volatile TYPE(bits) * at, int order) {             \
        point("atomic load");                                                                      \
        return DO_LOAD(bits);                                                                      \
    }

#define STORE(bits)                                                                                \
    REAL(void, atomic##bits##_store, (volatile TYPE(bits) *, TYPE(bits), int))                     \
    void ENTRY(atomic##bits##_store)(volatile TYPE(bits) * at, TYPE(bits) value, int order);       \
    void ENTRY(atomic##bits##_store)(volatile TYPE(bits) * at, TYPE(bits) value, int order) {      \
        point("atomic store");                                                                     \
        DO_STORE(bits);                                                                            \
        point("atomic stored");                                                                    \
    }

#define RMW(bits, operation)                                                                       \
    REAL(TYPE(bits), atomic##bits##_##operation, (volatile TYPE(bits) *, TYPE(bits), int))         \
    TYPE(bits)                                                                                     \
    ENTRY(atomic##bits##_##operation)(volatile TYPE(bits) * at, TYPE(bits) value, int order);      \
    TYPE(bits)                                                                                     \
    ENTRY(atomic##bits##_##operation)(volatile TYPE(bits) * at, TYPE(bits) value, int order) {     \
        point("atomic " #operation);                                                               \
        TYPE(bits) before = DO_RMW(bits, operation);                                               \
        point("atomic after " #operation);                                                         \
        return before;                                                                             \
    }

#define COMPARE(bits, kind)                                                                        \
    REAL(int, atomic##bits##_compare_exchange_##kind,                                              \
         (volatile TYPE(bits) *, TYPE(bits) *, TYPE(bits), int, int))                              \
    int ENTRY(atomic##bits##_compare_exchange_##kind)(volatile TYPE(bits) * at,                    \
                                                      TYPE(bits) * expected, TYPE(bits) value,     \
                                                      int order, int failure);                     \
    int ENTRY(atomic##bits##_compare_exchange_##kind)(volatile TYPE(bits) * at,                    \
                                                      TYPE(bits) * expected, TYPE(bits) value,     \
                                                      int order, int failure) {                    \
        point("atomic compare_exchange");                                                          \
        int won = DO_CAS(bits, kind);                                                              \
        point("atomic after compare_exchange");                                                    \
        return won;                                                                                \
    }

/* The form that gcc emits for some uses: what was there comes back. */
#define COMPARE_VALUE(bits)                                                                        \
    TYPE(bits)                                                                                     \
    ENTRY(atomic##bits##_compare_exchange_val)                                                     \
    (volatile TYPE(bits) * at, TYPE(bits) wanted, TYPE(bits) value, int order, int failure);       \
    TYPE(bits)                                                                                     \
    ENTRY(atomic##bits##_compare_exchange_val)                                                     \
    (volatile TYPE(bits) * at, TYPE(bits) wanted, TYPE(bits) value, int order, int failure) {      \
        TYPE(bits) *expected = &wanted;                                                            \
        point("atomic compare_exchange");                                                          \
        (void)DO_CAS(bits, strong);                                                                \
        point("atomic after compare_exchange");                                                    \
        return wanted;                                                                             \
    }

#define ALL(bits)                                                                                  \
    LOAD(bits)                                                                                     \
    STORE(bits)                                                                                    \
    RMW(bits, exchange)                                                                            \
    RMW(bits, fetch_add)                                                                           \
    RMW(bits, fetch_sub)                                                                           \
    RMW(bits, fetch_and)                                                                           \
    RMW(bits, fetch_or)                                                                            \
    RMW(bits, fetch_xor)                                                                           \
    RMW(bits, fetch_nand)                                                                          \
    COMPARE(bits, strong)                                                                          \
    COMPARE(bits, weak)                                                                            \
    COMPARE_VALUE(bits)

ALL(8)
ALL(16)
ALL(32)
ALL(64)

/* ---- What else the compiler emits, where no runtime takes it ---- */

#if !RUNTIME

#define EMPTY(name, list)                                                                          \
    void __tsan_##name list;                                                                       \
    void __tsan_##name list {                                                                      \
    }
#define ACCESS(bytes)                                                                              \
    EMPTY(read##bytes, (void *at))                                                                 \
    EMPTY(write##bytes, (void *at))                                                                \
    EMPTY(read_write##bytes, (void *at))                                                           \
    EMPTY(unaligned_read##bytes, (void *at))                                                       \
    EMPTY(unaligned_write##bytes, (void *at))                                                      \
    EMPTY(unaligned_read_write##bytes, (void *at))                                                 \
    EMPTY(volatile_read##bytes, (void *at))                                                        \
    EMPTY(volatile_write##bytes, (void *at))

#pragma GCC diagnostic ignored "-Wunused-parameter"
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
EMPTY(init, (void))
EMPTY(func_entry, (void *caller))
EMPTY(func_exit, (void))
EMPTY(read_range, (void *at, size_t bytes))
EMPTY(write_range, (void *at, size_t bytes))
EMPTY(vptr_update, (void **at, void *value))
EMPTY(vptr_read, (void **at))

void *__tsan_memcpy(void *to, const void *from, size_t bytes);
void *__tsan_memcpy(void *to, const void *from, size_t bytes) {
    return memcpy(to, from, bytes);
}

void *__tsan_memmove(void *to, const void *from, size_t bytes);
void *__tsan_memmove(void *to, const void *from, size_t bytes) {
    return memmove(to, from, bytes);
}

void *__tsan_memset(void *at, int byte, size_t bytes);
void *__tsan_memset(void *at, int byte, size_t bytes) {
    return memset(at, byte, bytes);
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order) {
    point("atomic fence");
    if (order != __ATOMIC_RELAXED) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    point("atomic after fence");
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order) {
    (void)order;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
