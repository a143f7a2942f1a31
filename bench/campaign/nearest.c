#include "bench/campaign/nearest.h"
#include "bench/campaign/util.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static int fold(char c) {
    return tolower((unsigned char)c);
}

size_t nearest_distance(const char *a, const char *b) {
    size_t n = strlen(a);
    size_t m = strlen(b);
    /* Three rows of the table: a swap of neighbours looks back two. */
    size_t *rows = must_array(3 * (m + 1), sizeof *rows);
    size_t *before = rows;
    size_t *above = rows + (m + 1);
    size_t *row = rows + 2 * (m + 1);
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = above[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
            row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1])) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
    }
    size_t distance = row[m];
    free(rows);
    return distance;
}

const char *nearest_name(const char *wrong, const char *const *names, size_t n) {
    const char *best = NULL;
    size_t best_distance = 0;
    for (size_t i = 0; i < n; i++) {
        size_t distance = nearest_distance(wrong, names[i]);
        if (!best || distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}
