/*
 * The nearest valid name, for messages about a wrong one.
 */
#ifndef WEIR_CAMPAIGN_NEAREST_H
#define WEIR_CAMPAIGN_NEAREST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b. */
size_t nearest_distance(const char *a, const char *b);

/* The name closest to the wrong one, the first of equals; NULL when there are no names. */
const char *nearest_name(const char *wrong, const char *const *names, size_t n);

#endif
