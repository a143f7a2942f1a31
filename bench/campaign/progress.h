/*
 * Progress on stderr: one line that is redrawn on a terminal, a plain line now and then elsewhere.
 * Nothing is coloured; TERM=dumb counts as no terminal.
 */
#ifndef WEIR_CAMPAIGN_PROGRESS_H
#define WEIR_CAMPAIGN_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool quiet;
    bool terminal;
    bool drawn; /* a bar stands on the terminal's last line */
    int tenths; /* last tenth that a plain line told */
    uint64_t drawn_ns;
};

void progress_start(struct progress *progress, bool quiet);
/* share of the work that is done, 0 to 1; what is being measured. */
void progress_show(struct progress *progress, double share, uint64_t left_ns, size_t round,
                   const char *what);
/* A line of its own that stays. */
void progress_note(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void progress_end(struct progress *progress);

#endif
