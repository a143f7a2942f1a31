/*
 * Joining runs: the union of their samples in the order of their ids, so that the order in which
 * the runs are named makes no difference.
 */
#ifndef WEIR_CAMPAIGN_MERGE_H
#define WEIR_CAMPAIGN_MERGE_H

#include <stddef.h>

/* Writes the run directory out. Returns an exit code; the message has been printed. */
int merge_runs(const char *out, const char *const *paths, size_t n);

#endif
