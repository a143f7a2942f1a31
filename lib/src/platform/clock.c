#include "platform/clock.h"

#include <time.h>

#include <weir/base.h>

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t weir_now_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t weir__clock_coarse_ns(void) {
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

uint64_t weir_after(uint64_t ns) {
    uint64_t now_ns = weir_now_ns();

    return ns > WEIR_FOREVER - now_ns ? WEIR_FOREVER : now_ns + ns;
}
