/* Sites: the places of the subject where calls can be made to fail, those that no episode came to
 * among them. */
#ifndef STRESS_SITES_H
#define STRESS_SITES_H

#include <stdio.h>

#include "stress/supervise.h"

/* A line with each place that was visited, how often its call was made to fail, and how often not;
 * and a line with the places that the subject's machine code has besides. Nothing when the subject
 * is not built with the wrappers. */
void sites_print(FILE *out, const struct run *run);

#endif
