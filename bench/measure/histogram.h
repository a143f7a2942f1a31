/*
 * Log-linear histogram of 64-bit values with three significant digits.
 *
 * Values up to 2047 are exact; above that each power of two is divided in 1024 equal steps, so a
 * value is known to better than 0.1 %. The indices are those of HdrHistogram with a unit of 1 and
 * three significant digits. One thread records into one histogram; merge after they have ended.
 */
#ifndef WEIR_MEASURE_HISTOGRAM_H
#define WEIR_MEASURE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#define HISTOGRAM_SLOTS 44032u /* covers 0 to 2^52 - 1 ns, 52 days; beyond counts as the last */

struct histogram {
    uint64_t count;
    uint64_t min; /* exact; UINT64_MAX while empty */
    uint64_t max; /* exact */
    uint64_t slots[HISTOGRAM_SLOTS];
};

struct histogram *histogram_new(void); /* NULL: no memory */
void histogram_free(struct histogram *h);
void histogram_reset(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

size_t histogram_index(uint64_t value);
uint64_t histogram_low(size_t index);  /* lowest value that falls into the slot */
uint64_t histogram_high(size_t index); /* highest */

/* Highest value equivalent to the q-quantile (0..1); 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);
/* True when at least 100 samples lie beyond the q-quantile, so that it may be printed. */
bool histogram_resolves(const struct histogram *h, double q);
double histogram_mean(const struct histogram *h);

/* {"unit":"ns","digits":3,"count":n,"min":a,"max":b,"slots":[gap,count,gap,count,...]} and back; a
 * gap is how far a slot in use lies from the one before it (the first: from slot 0).
 * from_json returns NULL for anything that is not exactly that. */
json_t *histogram_to_json(const struct histogram *h);
struct histogram *histogram_from_json(const json_t *json);

#endif
