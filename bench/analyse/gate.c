#include "bench/analyse/gate.h"

#include <math.h>
#include <stdlib.h>

#include "bench/campaign/util.h"

const size_t gate_rounds[GATE_LOOKS] = {12, 18, 24};
const double gate_alpha[GATE_LOOKS] = {0.0005, 0.001, 0.0035};

static enum verdict decide(const struct gate_cell *cell, double alpha, double margin) {
    const struct estimate *e = &cell->log_ratio;
    if (!e->claims) {
        return VERDICT_UNRESOLVED;
    }
    if (cell->holm <= alpha && fabs(e->median) > margin) {
        return e->median < 0 ? VERDICT_SLOWER : VERDICT_FASTER;
    }
    double same = fmin(margin, log1p(VERDICT_SAME_MOST));
    return e->low >= -same && e->high <= same ? VERDICT_SAME : VERDICT_UNRESOLVED;
}

bool gate_look(struct gate_cell *cells, size_t n, size_t look, double margin) {
    double *p = must_array(2 * n, sizeof *p);
    bool decided = true;
    for (size_t i = 0; i < n; i++) {
        /* 95 % over all looks. */
        double confidence = 1 - (1 - SIGN_CONFIDENCE) / GATE_LOOKS;
        cells[i].log_ratio = sign_estimate(cells[i].log_ratios, cells[i].n, confidence);
        cells[i].log_ratio.p = sign_rank_test(cells[i].log_ratios, cells[i].n);
        p[i] = cells[i].log_ratio.p;
    }
    sign_holm(p, n, p + n);
    for (size_t i = 0; i < n; i++) {
        cells[i].holm = p[n + i];
        if (cells[i].verdict == VERDICT_UNRESOLVED) {
            cells[i].verdict = decide(&cells[i], gate_alpha[look], margin);
        }
        decided = decided && cells[i].verdict != VERDICT_UNRESOLVED;
    }
    free(p);
    return decided;
}
