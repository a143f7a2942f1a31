/* The reference pool's table, for the subjects that are made of it. */
#ifndef STRESS_REFERENCE_POOL_H
#define STRESS_REFERENCE_POOL_H

#include "bench/subject.h"

extern const struct weir_subject reference_subject;

#endif
