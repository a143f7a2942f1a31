/* The control: the same pool without a fault. */
#include "bench/subjects/broken/tiny.h"

const struct weir_subject *weir_subject(void) {
    return tiny_subject("correct", NULL);
}
