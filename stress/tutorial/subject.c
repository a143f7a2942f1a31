/* The plug-in: the pool as weir-stress and weir-bench see it. */
#include "bench/subject.h"

#include "pool.h"

static int subject_open(const struct weir_subject_config *config, void **pool) {
    *pool = pool_open(config->workers != 0 ? config->workers : 2);
    return 0;
}

static int subject_submit(void *pool, weir_subject_fn fn, void *arg) {
    pool_submit(pool, fn, arg);
    return 0;
}

static int subject_quiesce(void *pool) {
    pool_wait(pool);
    return 0;
}

static int subject_close(void *pool) {
    pool_close(pool);
    return 0;
}

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(subject),
        .name = "tutorial",
        .version = "1",
        .notes = "a pool in forty lines, with a bug",
        .capabilities = WEIR_SUBJECT_FROM_TASK,
        .open = subject_open,
        .submit = subject_submit,
        .quiesce = subject_quiesce,
        .close = subject_close,
    };
    return &subject;
}
