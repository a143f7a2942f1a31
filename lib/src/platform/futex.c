#include "platform/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/base.h>

#define NS_PER_S     UINT64_C(1000000000)
#define RELAX_PAUSES 64u

int weir__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns) {
    struct timespec deadline, *timeout = NULL;

    if (deadline_ns != WEIR_FOREVER) {
        deadline.tv_sec = (time_t)(deadline_ns / NS_PER_S);
        deadline.tv_nsec = (long)(deadline_ns % NS_PER_S);
        timeout = &deadline;
    }
    /* WAIT_BITSET takes an absolute CLOCK_MONOTONIC time; WAIT would take a relative one. */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, timeout,
                      NULL, FUTEX_BITSET_MATCH_ANY);
    return rc == -1 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

static void wake(_Atomic uint32_t *word, int most) {
    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, most, NULL, NULL, 0);
}

void weir__futex_wake_one(_Atomic uint32_t *word) {
    wake(word, 1);
}

void weir__futex_wake_all(_Atomic uint32_t *word) {
    wake(word, INT_MAX);
}

void weir__relax(unsigned turn) {
    if (turn >= RELAX_PAUSES) {
        sched_yield();
        return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}
