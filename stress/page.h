/* Page: a run told on one page, as text and as HTML, for whoever was not there. */
#ifndef STRESS_PAGE_H
#define STRESS_PAGE_H

#include <stdbool.h>

#include "stress/supervise.h"

/* Writes report.txt and report.html into the folder, which is made if need be. False, with the
 * reason on stderr, when it cannot. */
bool page_write(const char *folder, const struct run *run, double seconds);

#endif
