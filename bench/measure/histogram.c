#include "bench/measure/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXACT      2048u /* values below have a slot each */
#define STEPS      1024u /* slots of each later power of two */
#define STEP_BITS  10u
#define TOP_VALUE  ((UINT64_C(1) << 52) - 1)
#define CACHE_LINE 64u

_Static_assert(EXACT + 41 * STEPS == HISTOGRAM_SLOTS, "the slots end where the values do");

struct histogram *histogram_new(void) {
    size_t bytes = (sizeof(struct histogram) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct histogram *h = aligned_alloc(CACHE_LINE, bytes);
    if (h != NULL) {
        histogram_reset(h); /* also brings in the pages, so that recording never faults */
    }
    return h;
}

void histogram_free(struct histogram *h) {
    free(h);
}

void histogram_reset(struct histogram *h) {
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

/* A value of b + 1 bits, b >= 11, keeps its top 11 bits; the leading one is implied by the power
 * of two, so each power has 1024 slots. */
size_t histogram_index(uint64_t value) {
    if (value > TOP_VALUE) {
        value = TOP_VALUE;
    }
    unsigned shift = 63u - STEP_BITS - (unsigned)__builtin_clzll(value | (EXACT - 1));
    return (size_t)shift * STEPS + (size_t)(value >> shift);
}

uint64_t histogram_low(size_t index) {
    if (index < EXACT) {
        return index;
    }
    unsigned shift = (unsigned)(index / STEPS) - 1;
    return (uint64_t)(STEPS + index % STEPS) << shift;
}

uint64_t histogram_high(size_t index) {
    return index < EXACT ? index : histogram_low(index + 1) - 1;
}

void histogram_record(struct histogram *h, uint64_t value) {
    if (value > TOP_VALUE) {
        value = TOP_VALUE;
    }
    h->slots[histogram_index(value)]++;
    h->count++;
    h->min = value < h->min ? value : h->min;
    h->max = value > h->max ? value : h->max;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    if (from->count == 0) {
        return;
    }
    for (size_t i = histogram_index(from->min); i <= histogram_index(from->max); i++) {
        into->slots[i] += from->slots[i];
    }
    into->count += from->count;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
}

/* How many samples lie at or below the q-quantile, 1 to count. The small allowance keeps
 * 0.999 * 100000 from counting as a little more than 99900. */
static uint64_t rank_of(const struct histogram *h, double q) {
    double exact = q * (double)h->count;
    double rank = ceil(exact - exact * 1e-12 - 1e-9);
    if (!(rank >= 1.0)) {
        return 1;
    }
    return rank >= (double)h->count ? h->count : (uint64_t)rank;
}

uint64_t histogram_quantile(const struct histogram *h, double q) {
    if (h->count == 0) {
        return 0;
    }
    uint64_t rank = rank_of(h, q);
    uint64_t seen = 0;
    for (size_t i = histogram_index(h->min); i < HISTOGRAM_SLOTS; i++) {
        seen += h->slots[i];
        if (seen >= rank) {
            uint64_t high = histogram_high(i);
            return high < h->max ? high : h->max;
        }
    }
    return h->max;
}

bool histogram_resolves(const struct histogram *h, double q) {
    return h->count > 0 && h->count - rank_of(h, q) >= 100;
}

double histogram_mean(const struct histogram *h) {
    if (h->count == 0) {
        return 0.0;
    }
    double sum = 0.0;
    for (size_t i = histogram_index(h->min); i <= histogram_index(h->max); i++) {
        double middle = ((double)histogram_low(i) + (double)histogram_high(i)) / 2.0;
        sum += middle * (double)h->slots[i];
    }
    return sum / (double)h->count;
}

json_t *histogram_to_json(const struct histogram *h) {
    json_t *slots = json_array();
    size_t last = 0;
    if (slots == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        if (h->slots[i] == 0) {
            continue;
        }
        if (json_array_append_new(slots, json_integer((json_int_t)(i - last))) != 0 ||
            json_array_append_new(slots, json_integer((json_int_t)h->slots[i])) != 0) {
            json_decref(slots);
            return NULL;
        }
        last = i;
    }
    return json_pack("{s:s, s:i, s:I, s:I, s:I, s:o}", "unit", "ns", "digits", 3, "count",
                     (json_int_t)h->count, "min", (json_int_t)(h->count == 0 ? 0 : h->min), "max",
                     (json_int_t)h->max, "slots", slots);
}

/* Where the first and the last slot in use are. */
struct ends {
    json_int_t first, last;
};

/* Fills the slots from [gap, count, gap, count, ...]: but for the first, gaps are positive, and so
 * are counts. */
static bool slots_from_json(struct histogram *h, const json_t *slots, struct ends *ends) {
    json_int_t at = 0;
    for (size_t i = 0; i < json_array_size(slots); i += 2) {
        const json_t *gap = json_array_get(slots, i);
        const json_t *count = json_array_get(slots, i + 1);
        json_int_t step = json_integer_value(gap);
        json_int_t n = json_integer_value(count);
        if (!json_is_integer(gap) || !json_is_integer(count) || step < (i > 0) || n <= 0 ||
            step >= (json_int_t)HISTOGRAM_SLOTS - at) {
            return false;
        }
        at += step;
        h->slots[at] = (uint64_t)n;
        if (__builtin_add_overflow(h->count, (uint64_t)n, &h->count)) {
            return false;
        }
        if (i == 0) {
            ends->first = at;
        }
        ends->last = at;
    }
    return true;
}

/* True when min and max lie in the first and the last slot in use. */
static bool ends_agree(const struct histogram *h, struct ends ends) {
    if (h->count == 0) {
        return h->min == 0 && h->max == 0;
    }
    return h->min <= h->max && h->max <= TOP_VALUE &&
           (json_int_t)histogram_index(h->min) == ends.first &&
           (json_int_t)histogram_index(h->max) == ends.last;
}

struct histogram *histogram_from_json(const json_t *json) {
    const char *unit = NULL;
    int digits = 0;
    json_int_t count = 0;
    json_int_t min = 0;
    json_int_t max = 0;
    json_t *slots = NULL;
    if (json_unpack_ex((json_t *)(uintptr_t)json, NULL, JSON_STRICT,
                       "{s:s, s:i, s:I, s:I, s:I, s:o}", "unit", &unit, "digits", &digits, "count",
                       &count, "min", &min, "max", &max, "slots", &slots) != 0 ||
        strcmp(unit, "ns") != 0 || digits != 3 || !json_is_array(slots) || count < 0 || min < 0 ||
        max < 0) {
        return NULL;
    }
    struct histogram *h = histogram_new();
    if (h == NULL) {
        return NULL;
    }
    h->min = (uint64_t)min;
    h->max = (uint64_t)max;
    struct ends ends = {0, 0};
    if (!slots_from_json(h, slots, &ends) || h->count != (uint64_t)count || !ends_agree(h, ends)) {
        histogram_free(h);
        return NULL;
    }
    if (h->count == 0) {
        h->min = UINT64_MAX;
    }
    return h;
}
