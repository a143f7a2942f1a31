#include <time.h>

#include <weir/base.h>

uint64_t weir_now_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t weir_after(uint64_t ns) {
    uint64_t now_ns = weir_now_ns();

    return ns > WEIR_FOREVER - now_ns ? WEIR_FOREVER : now_ns + ns;
}
