/* Runs every 100th task with an argument that nobody submitted. */
#include "bench/subjects/broken/tiny.h"

static enum tiny_fate fate(uint64_t n) {
    return n % 100 == 0 ? TINY_SWAP : TINY_RUN;
}

const struct weir_subject *weir_subject(void) {
    return tiny_subject("wrong_argument", fate);
}
