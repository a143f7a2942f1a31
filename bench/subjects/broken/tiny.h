/*
 * A small correct pool, one mutex and one condition variable each way, with every optional
 * operation. The broken subjects are this pool with one fault each, so that what the harness says
 * of them is the fault and nothing else; the harness's own tests use it without any.
 */
#ifndef WEIR_BROKEN_TINY_H
#define WEIR_BROKEN_TINY_H

#include <stdbool.h>

#include "bench/subject.h"

/* What to do with the n-th task (1, 2, ...) that a worker takes. */
enum tiny_fate {
    TINY_RUN,
    TINY_LOSE,   /* counted as ended, never run */
    TINY_REPEAT, /* run twice */
    TINY_FORGET, /* neither run nor counted: who waits for it waits for ever */
    TINY_SWAP,   /* run with another argument */
};

/* A complete table whose workers ask fate; NULL: every task runs. One such table a process. */
const struct weir_subject *tiny_subject(const char *name, enum tiny_fate (*fate)(uint64_t n));

#endif
