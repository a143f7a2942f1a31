/* Forgets every 100th task, so that whoever waits for it waits for ever. */
#include "bench/subjects/broken/tiny.h"

static enum tiny_fate fate(uint64_t n) {
    return n % 100 == 0 ? TINY_FORGET : TINY_RUN;
}

const struct weir_subject *weir_subject(void) {
    return tiny_subject("hang", fate);
}
