/* Correct, but each worker is 3 % slower than it could be: after each task it spends 3 % of the
 * time since the task before once more. For tasks that keep the workers busy. */
#include "bench/subjects/broken/tiny.h"

#include <time.h>

#define SLOWER 0.03

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static enum tiny_fate fate(uint64_t n) {
    static _Thread_local double last_ns;
    (void)n;
    double begun_ns = now_ns();
    /* A pause is no task: nothing longer than a millisecond counts. */
    double since_ns = last_ns > 0.0 && begun_ns - last_ns < 1e6 ? begun_ns - last_ns : 0.0;
    do {
        last_ns = now_ns();
    } while (last_ns - begun_ns < SLOWER * since_ns);
    return TINY_RUN;
}

const struct weir_subject *weir_subject(void) {
    return tiny_subject("slow3", fate);
}
