/*
 * Lock: mutual exclusion in one word, for what its user may give up right after an unlock.
 *
 * States: FREE, HELD, and CONTENDED, which is held while somebody sleeps, or is about to. Whoever
 * cannot have the lock makes it CONTENDED (acquire) and sleeps while it is; so does a sleeper that
 * wakes up, since others may still sleep. Unlocking stores FREE (release), which is the last touch
 * of the memory: the wake-up that CONTENDED asks for uses the address alone. A pthread mutex
 * makes no such promise in practice, needs an initialiser and takes 40 bytes. (After the third
 * mutex of Drepper's "Futexes Are Tricky".) Zero is FREE.
 */
#ifndef WEIR__LOCK_H
#define WEIR__LOCK_H

#include <stdatomic.h>
#include <stdint.h>

void weir__lock(_Atomic uint32_t *lock);
void weir__unlock(_Atomic uint32_t *lock);

#endif
