/*
 * The gate's decision: has anything become slower? It is asked at most GATE_LOOKS times while
 * rounds come in, of every cell of a family, and may be wrong in fewer than one of two hundred
 * families in which nothing has changed.
 *
 * At each look a cell is SLOWER or FASTER when its signed-rank test, corrected by Holm over the
 * family, is below GATE_ALPHA / GATE_LOOKS and its median lies beyond the margin; SAME when the
 * interval at that confidence lies within the margin. The looks share the error, so that looking
 * more often does not find more. A decided cell stays decided.
 */
#ifndef WEIR_ANALYSE_GATE_H
#define WEIR_ANALYSE_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/analyse/verdict.h"

#define GATE_LOOKS 3

/* Rounds at each look, and its share of the error; the shares sum to 0.005. */
extern const size_t gate_rounds[GATE_LOOKS];
extern const double gate_alpha[GATE_LOOKS];

struct gate_cell {
    const double *log_ratios; /* new over base, better above 0 */
    size_t n;
    struct estimate log_ratio; /* at the look's confidence */
    double holm;
    enum verdict verdict; /* start with VERDICT_UNRESOLVED */
};

/* Look 0, 1 or 2; true when no further look can change anything: all cells are decided. */
bool gate_look(struct gate_cell *cells, size_t n, size_t look, double margin);

#endif
