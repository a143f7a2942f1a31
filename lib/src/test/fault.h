/*
 * Fault: makes the n-th allocation, thread or descriptor fail, and counts what was not given back.
 *
 * Test programs are linked so that malloc, calloc, realloc, aligned_alloc, pthread_create,
 * eventfd, timerfd_create and getrandom come through here. The usual form of a test is
 *
 *     for (unsigned n = 1; fault_fail_nth(n), (rc = call()) != 0; n++)
 *         check that nothing has happened;
 *     fault_reset();
 *
 * which ends with the first call in which nothing had to fail.
 */
#ifndef WEIR__TEST_FAULT_H
#define WEIR__TEST_FAULT_H

#include <stddef.h>

/* From now on the n-th wrapped call of any kind fails, once; 1 is the next one. */
void fault_fail_nth(unsigned n);

/* Nothing fails any more. */
void fault_reset(void);

/* Whether the failure that was asked for has happened. */
unsigned fault_happened(void);

/* Blocks allocated through the wrappers and not freed. */
long fault_blocks(void);

#endif
