#include "bench/measure/clock.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define COST_SAMPLES 101
#define COST_CALLS   64

/* A sleeping CPU of a virtual machine takes up to about 100 µs to come back. */
#define TIMER_LATE_NS 200000u

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double clock_cost_ns(void) {
    double costs[COST_SAMPLES];
    for (int i = 0; i < COST_SAMPLES; i++) {
        uint64_t start = clock_now_ns();
        for (int call = 1; call < COST_CALLS; call++) {
            (void)clock_now_ns();
        }
        costs[i] = (double)(clock_now_ns() - start) / COST_CALLS;
    }
    qsort(costs, COST_SAMPLES, sizeof(costs[0]), compare_doubles);
    return costs[COST_SAMPLES / 2];
}

static inline void relax(bool share_cpu) {
    if (share_cpu) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void clock_wait_until(uint64_t moment_ns, bool share_cpu) {
    uint64_t now = clock_now_ns();
    while (now + 2 * TIMER_LATE_NS < moment_ns) {
        uint64_t until = moment_ns - TIMER_LATE_NS;
        struct timespec wake = {
            .tv_sec = (time_t)(until / 1000000000u),
            .tv_nsec = (long)(until % 1000000000u),
        };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL); /* EINTR: look again */
        now = clock_now_ns();
    }
    while (now < moment_ns) {
        relax(share_cpu);
        now = clock_now_ns();
    }
}

void clock_sharp_timers(void) {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}
