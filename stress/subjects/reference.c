/* The reference pool as it is: what weir-stress must never accuse. */
#include "stress/subjects/reference_pool.h"

const struct weir_subject *weir_subject(void) {
    return &reference_subject;
}
