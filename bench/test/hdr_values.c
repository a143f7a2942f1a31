/* What HdrValues.java does, with the histogram of bench/measure. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/analyse/export.h"
#include "bench/measure/histogram.h"

int main(int argc, char **argv) {
    struct histogram *h = histogram_new();
    uint64_t value;
    while (h != NULL && scanf("%" SCNu64, &value) == 1) {
        histogram_record(h, value);
    }
    if (h == NULL) {
        return 1;
    }
    if (argc == 1) {
        export_hgrm(h, stdout);
        histogram_free(h);
        return 0;
    }
    for (size_t i = 0; i < HISTOGRAM_SLOTS; i++) {
        if (h->slots[i] != 0) {
            printf("slot %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", histogram_low(i),
                   histogram_high(i), h->slots[i]);
        }
    }
    for (int i = 1; i < argc; i++) {
        printf("quantile %s %" PRIu64 "\n", argv[i],
               histogram_quantile(h, strtod(argv[i], NULL) / 100.0));
    }
    printf("mean %.6f\n", histogram_mean(h));
    histogram_free(h);
    return 0;
}
