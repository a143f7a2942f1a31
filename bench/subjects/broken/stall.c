/* Correct, but every task between the 1000th and the 1020th takes a millisecond longer: what an
 * open-loop measurement must show and a closed loop hides. */
#include "bench/subjects/broken/tiny.h"

#include <time.h>

static enum tiny_fate fate(uint64_t n) {
    if (n >= 1000 && n < 1020) {
        const struct timespec moment = {.tv_nsec = 1000000};
        nanosleep(&moment, NULL);
    }
    return TINY_RUN;
}

const struct weir_subject *weir_subject(void) {
    return tiny_subject("stall", fate);
}
