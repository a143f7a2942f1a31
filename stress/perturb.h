/*
 * Seeded random delays at synchronisation points: the one place where weir-stress waits for time
 * to pass. Each episode follows one of several strategies, drawn by its seed:
 *
 *   scatter  any thread at any point, some points more than others
 *   starve   a few threads, for intervals, at every point
 *   rank     threads have priorities, which now and then change: the low ones wait at their points
 *   stutter  many threads give up the CPU a few times in a row
 *   adapt    the points that are reached least are where delays are longest
 *
 * State is per thread, and what threads share is written before they start, so that the hook adds
 * no order between the pool's threads.
 */
#ifndef STRESS_PERTURB_H
#define STRESS_PERTURB_H

#include <stdint.h>

/* For scenarios that a subject brings. */
#pragma GCC visibility push(default)

#define PERTURB_LEVELS 4

/* Starts an episode: level 0 (no delays) to 3. Called while no other thread of the episode runs. */
void perturb_begin(uint64_t seed, int level);

/* A synchronisation point called name was reached: perhaps waits a little. The hook that is given
 * to the subject. */
void perturb_point(const char *name);

/* The same before and after an atomic operation: only a few of them become points. */
void perturb_atomic(const char *name);

/* Lets up to about max_us microseconds pass, drawn by the seed, whatever the level: gives the
 * pool's workers the time to go to sleep. */
void perturb_rest(unsigned max_us);

/* Delays of this process so far, about; read when no other thread runs. */
uint64_t perturb_delays(void);

/* Writes the points that the episode's threads passed last, newest first, to the descriptor. While
 * they run: a line may be torn, none is made up. */
void perturb_write_trail(int fd, unsigned most);

/* The generator behind it, for whoever needs seeded choices of its own. */
uint64_t stress_random(uint64_t *state);
uint64_t stress_mix(uint64_t value);

#pragma GCC visibility pop

#endif
