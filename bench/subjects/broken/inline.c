/* No pool: submit runs the task. What a cell reports of it is the harness's own cost. */
#include "bench/subject.h"

#include <errno.h>
#include <stddef.h>

static int inline_open(const struct weir_subject_config *config, void **pool) {
    static char nothing;
    *pool = &nothing;
    return config->capacity == 0 ? 0 : -EINVAL;
}

static int inline_submit(void *pool, weir_subject_fn fn, void *arg) {
    (void)pool;
    fn(arg);
    return 0;
}

static int inline_rest(void *pool) {
    (void)pool;
    return 0;
}

const struct weir_subject *weir_subject(void) {
    static const struct weir_subject subject = {
        .abi = WEIR_SUBJECT_ABI,
        .size = sizeof(struct weir_subject),
        .name = "inline",
        .version = "1",
        .notes = "the submitting thread runs each task at once",
        .capabilities = WEIR_SUBJECT_FIFO | WEIR_SUBJECT_FROM_TASK | WEIR_SUBJECT_NESTED,
        .open = inline_open,
        .submit = inline_submit,
        .quiesce = inline_rest,
        .close = inline_rest,
    };
    return &subject;
}
