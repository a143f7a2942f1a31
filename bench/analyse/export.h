/*
 * A run in the formats of other tools. Each writes from the samples alone, so the same samples give
 * the same bytes.
 */
#ifndef WEIR_ANALYSE_EXPORT_H
#define WEIR_ANALYSE_EXPORT_H

#include <stdio.h>

#include "bench/analyse/samples.h"

/* One row a sample: its place, axes, state, every value, and quantiles of its histograms. */
void export_csv(const struct run *run, FILE *out);
/* Google Benchmark's JSON: one entry a good sample, its round as the repetition. */
void export_google(const struct run *run, FILE *out);
/* The text that Go's testing package prints and benchstat reads: one line a good sample. */
void export_go(const struct run *run, FILE *out);
/* HdrHistogram's percentile distribution, five ticks a half distance, values in nanoseconds. */
void export_hgrm(const struct histogram *histogram, FILE *out);

/* Nanoseconds of one operation in a sample, by the metric of its workload; NaN: it has none. */
double export_time_ns(const struct sample *sample, const struct cell_group *group);
/* "throughput/grain_ns:1000/workers:2/pool:weir:stealing"; the caller frees it. */
char *export_name(const struct sample *sample, char between);

#endif
