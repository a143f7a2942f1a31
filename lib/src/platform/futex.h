/*
 * Futex: sleep in the kernel while a word keeps a value.
 *
 * All words are private to the process. A wake uses the address alone and never reads the word,
 * so it may be sent to memory that its owner has already given up: at worst somebody else's wait
 * on a reused address returns early, which is why every wait stands in a loop over its condition.
 */
#ifndef WEIR__FUTEX_H
#define WEIR__FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* Sleeps while *word == expected. 0: woken, interrupted or the value differs: look again.
 * -ETIMEDOUT: the absolute CLOCK_MONOTONIC deadline has passed. */
int weir__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_ns);

void weir__futex_wake_one(_Atomic uint32_t *word);
void weir__futex_wake_all(_Atomic uint32_t *word);

/* A short pause in a loop that waits for another thread's next few instructions; from some turn
 * on it gives up the CPU, since that thread may need it. */
void weir__relax(unsigned turn);

#endif
