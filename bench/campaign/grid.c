#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void grid_init(struct grid *grid, size_t columns) {
    *grid = (struct grid){.columns = columns};
}

void grid_add(struct grid *grid, char *cell) {
    size_t n = grid->rows;
    grid->cells = must_grow(grid->cells, n + 1, sizeof *grid->cells);
    grid->cells[n] = cell;
    grid->rows = n + 1;
}

/* Columns that a UTF-8 text takes: bytes that begin a character. */
static int width_of(const char *cell) {
    int width = 0;
    for (; *cell; cell++) {
        width += ((unsigned char)*cell & 0xC0) != 0x80;
    }
    return width;
}

void grid_print(const struct grid *grid, FILE *out) {
    int *widths = must_array(grid->columns, sizeof *widths);
    for (size_t i = 0; i < grid->rows; i++) {
        int width = width_of(grid->cells[i]);
        int *widest = &widths[i % grid->columns];
        *widest = width > *widest ? width : *widest;
    }
    for (size_t i = 0; i < grid->rows; i++) {
        size_t column = i % grid->columns;
        int pad = widths[column] - width_of(grid->cells[i]);
        /* Names to the left, figures to the right. */
        if (column == 0) {
            fprintf(out, "  %s%*s", grid->cells[i], pad, "");
        } else {
            fprintf(out, "  %*s%s", pad, "", grid->cells[i]);
        }
        if (column + 1 == grid->columns) {
            fputc('\n', out);
        }
    }
    free(widths);
}

void grid_free(struct grid *grid) {
    for (size_t i = 0; i < grid->rows; i++) {
        free(grid->cells[i]);
    }
    free(grid->cells);
    *grid = (struct grid){0};
}

/* Three significant digits. */
static int decimals(double value) {
    value = fabs(value);
    return value < 10 ? 2 : value < 100 ? 1 : 0;
}

char *count_text(double value) {
    if (isnan(value)) {
        return text("–");
    }
    const char *unit = value >= 1e9 ? " G" : value >= 1e6 ? " M" : value >= 1e3 ? " k" : "";
    double scaled = value >= 1e9   ? value / 1e9
                    : value >= 1e6 ? value / 1e6
                    : value >= 1e3 ? value / 1e3
                                   : value;
    return text("%.*f%s", decimals(scaled), scaled, unit);
}

char *duration_text(double ns) {
    if (isnan(ns)) {
        return text("–");
    }
    const char *unit = ns >= 1e9 ? "s" : ns >= 1e6 ? "ms" : ns >= 1e3 ? "µs" : "ns";
    double scaled = ns >= 1e9 ? ns / 1e9 : ns >= 1e6 ? ns / 1e6 : ns >= 1e3 ? ns / 1e3 : ns;
    return text("%.*f %s", decimals(scaled), scaled, unit);
}

static char *bytes_text(double bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (fabs(bytes) >= 1024 && unit < 3) {
        bytes /= 1024;
        unit++;
    }
    return text("%.*f %s", decimals(bytes), bytes, units[unit]);
}

char *figure_text(double value, enum shape shape) {
    if (isnan(value)) {
        return text("–");
    }
    switch (shape) {
    case SHAPE_DURATION:
        return duration_text(value);
    case SHAPE_PERCENT:
        return text("%.*f %%", decimals(value), value);
    case SHAPE_SHARE:
        return text("%.*f %%", decimals(100 * value), 100 * value);
    case SHAPE_RATIO:
        return text("%.*f×", decimals(value), value);
    case SHAPE_BYTES:
        return bytes_text(value);
    default:
        return count_text(value);
    }
}
