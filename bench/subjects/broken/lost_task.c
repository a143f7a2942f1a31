/* Loses every 100th task, but counts it as ended. */
#include "bench/subjects/broken/tiny.h"

static enum tiny_fate fate(uint64_t n) {
    return n % 100 == 0 ? TINY_LOSE : TINY_RUN;
}

const struct weir_subject *weir_subject(void) {
    return tiny_subject("lost_task", fate);
}
