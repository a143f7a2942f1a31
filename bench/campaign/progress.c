#include "bench/campaign/progress.h"
#include "bench/campaign/util.h"
#include "bench/measure/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR_COLUMNS  24
#define WHAT_COLUMNS 38
#define REDRAW_NS    (100 * NS_PER_MS)

void progress_start(struct progress *progress, bool quiet) {
    const char *terminal = getenv("TERM");
    bool dumb = !terminal || strcmp(terminal, "dumb") == 0;
    *progress =
        (struct progress){.quiet = quiet, .terminal = isatty(STDERR_FILENO) && !dumb, .tenths = -1};
}

static void erase(struct progress *progress) {
    if (progress->drawn) {
        fputs("\r\033[K", stderr);
        progress->drawn = false;
    }
}

static void draw(struct progress *progress, double share, unsigned left_s, size_t round,
                 const char *what) {
    uint64_t now = clock_now_ns();
    if (progress->drawn && now - progress->drawn_ns < REDRAW_NS) {
        return;
    }
    char bar[BAR_COLUMNS + 1];
    int full = (int)(share * BAR_COLUMNS);
    memset(bar, '.', BAR_COLUMNS);
    memset(bar, '#', (size_t)(full < BAR_COLUMNS ? full : BAR_COLUMNS));
    bar[BAR_COLUMNS] = '\0';
    fprintf(stderr, "\r[%s] %3.0f %%  %u:%02u left  round %zu  %.*s\033[K", bar, 100 * share,
            left_s / 60, left_s % 60, round, WHAT_COLUMNS, what);
    progress->drawn = true;
    progress->drawn_ns = now;
}

void progress_show(struct progress *progress, double share, uint64_t left_ns, size_t round,
                   const char *what) {
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    unsigned left_s = (unsigned)((left_ns + NS_PER_S / 2) / NS_PER_S);
    if (progress->quiet) {
        return;
    }
    if (progress->terminal) {
        draw(progress, share, left_s, round, what);
    } else if ((int)(share * 10) > progress->tenths) {
        progress->tenths = (int)(share * 10);
        fprintf(stderr, "%3.0f %%, %u s left, round %zu\n", 100 * share, left_s, round);
    }
}

void progress_note(struct progress *progress, const char *format, ...) {
    if (progress->quiet) {
        return;
    }
    va_list args;
    erase(progress);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void progress_end(struct progress *progress) {
    erase(progress);
}
