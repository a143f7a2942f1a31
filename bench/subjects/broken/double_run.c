/* Runs every 100th task twice. */
#include "bench/subjects/broken/tiny.h"

static enum tiny_fate fate(uint64_t n) {
    return n % 100 == 0 ? TINY_REPEAT : TINY_RUN;
}

const struct weir_subject *weir_subject(void) {
    return tiny_subject("double_run", fate);
}
