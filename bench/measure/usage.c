#include "bench/measure/usage.h"

#include <sys/resource.h>
#include <time.h>

struct usage usage_now(void) {
    struct rusage used;
    struct timespec cpu;
    getrusage(RUSAGE_SELF, &used);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu); /* rusage rounds to microseconds */
    return (struct usage){
        .cpu_ns = (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec,
        .csw = (uint64_t)used.ru_nvcsw + (uint64_t)used.ru_nivcsw,
    };
}

struct usage usage_since(struct usage before) {
    struct usage now = usage_now();
    return (struct usage){.cpu_ns = now.cpu_ns - before.cpu_ns, .csw = now.csw - before.csw};
}
