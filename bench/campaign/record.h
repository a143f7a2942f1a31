/*
 * Records: what a cell process prints, checked before anything trusts it, and the sample line
 * that is made of it.
 */
#ifndef WEIR_CAMPAIGN_RECORD_H
#define WEIR_CAMPAIGN_RECORD_H

#include <jansson.h>
#include <stddef.h>

#include "bench/campaign/spawn.h"

/*
 * The record of a cell process, whatever became of it: its own when it ended well and printed a
 * valid one, else one of status "failed" whose reason tells what happened ("hang: …",
 * "crash: …"). NULL only for SPAWN_CANCELLED. start_error is what spawn_run returned.
 */
json_t *record_of(const struct spawn_result *result, int start_error, const char *subject);

/* The record of a cell that was not tried, and why. */
json_t *record_unsupported(const char *subject, const char *why);

/* NULL when the record keeps the format, else what is wrong with it; the caller frees it. */
char *record_fault(const json_t *record);

/*
 * What a record of status "failed" accuses its subject of: "lost task", "double run", "wrong
 * argument", "hang" or "crash", by the first words of its reason; "failure" for any other reason.
 * NULL when the status is another.
 */
const char *record_accusation(const char *status, const char *reason);

/* Fills in what a record of any status needs to be found again: subject.name, config.variant. */
void record_complete(json_t *record, const char *subject, const char *variant);

/* Adds a doubt; one that begins with INVALID takes the figures of a good record away. */
void record_doubt(json_t *record, const char *doubt);

/* Where a sample stands in its campaign. */
struct sample_place {
    const char *campaign;
    const char *host;
    size_t sequence;
    size_t round;
    size_t position;
    int aa; /* 1: the second measurement of a subject paired with itself */
    const json_t *cell;
};

/* The sample line of a record, without the newline; the caller frees it. */
char *sample_line(const json_t *record, const struct sample_place *place);

#endif
