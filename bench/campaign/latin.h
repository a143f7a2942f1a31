/*
 * Random Latin squares: the order of the subjects in each round of a cell.
 *
 * In n rounds each of n subjects stands once at each position, so that what depends on the
 * position (a warm cache, a CPU that has just slowed down) falls on all of them alike. After n
 * rounds a new square is drawn.
 */
#ifndef WEIR_CAMPAIGN_LATIN_H
#define WEIR_CAMPAIGN_LATIN_H

#include <stddef.h>
#include <stdint.h>

/* Fills order[0..n) with the subjects of the given round, first to last. */
void latin_row(uint64_t seed, size_t n, size_t round, size_t *order);

#endif
