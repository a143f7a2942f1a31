/* The valid name that a mistyped one is nearest to. */
#ifndef STRESS_NAMES_H
#define STRESS_NAMES_H

#include <stddef.h>

/* NULL when none is near. names[i] for i < n; NULL entries are passed over. */
const char *names_nearest(const char *word, const char *const *names, size_t n);

#endif
