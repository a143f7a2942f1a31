#include "bench/campaign/latin.h"
#include "bench/campaign/util.h"
#include "bench/measure/rng.h"

#include <stdlib.h>

static void shuffle(struct rng *rng, size_t *items, size_t n) {
    for (size_t i = 0; i < n; i++) {
        items[i] = i;
    }
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(rng, i);
        size_t swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

/* The cyclic square (row + column) mod n with its rows, columns and symbols shuffled. */
void latin_row(uint64_t seed, size_t n, size_t round, size_t *order) {
    if (n == 0) {
        return;
    }
    struct rng rng;
    rng_seed(&rng, rng_mix(seed, round / n));
    size_t *rows = must_array(3 * n, sizeof *rows);
    size_t *columns = rows + n;
    size_t *symbols = rows + 2 * n;
    shuffle(&rng, rows, n);
    shuffle(&rng, columns, n);
    shuffle(&rng, symbols, n);
    for (size_t i = 0; i < n; i++) {
        order[i] = symbols[(rows[round % n] + columns[i]) % n];
    }
    free(rows);
}
