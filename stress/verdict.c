#include "stress/verdict.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* A sanitizer's own words, and ours. The first match decides, so the specific ones come first. */
static const struct {
    const char *text, *word;
} reports[] = {
    {"ThreadSanitizer: heap-use-after-free", "use after free"},
    {"ThreadSanitizer: data race on vptr", "race"},
    {"ThreadSanitizer: data race", "race"},
    {"ThreadSanitizer: thread leak", "thread leak"},
    {"ThreadSanitizer: lock-order-inversion", "lock order"},
    {"ThreadSanitizer: destroy of a locked mutex", "misuse of a mutex"},
    {"ThreadSanitizer: unlock of an unlocked mutex", "misuse of a mutex"},
    {"ThreadSanitizer: double lock of a mutex", "misuse of a mutex"},
    {"ThreadSanitizer: use of an invalid mutex", "misuse of a mutex"},
    {"AddressSanitizer: heap-use-after-free", "use after free"},
    {"AddressSanitizer: stack-use-after", "use after free"},
    {"AddressSanitizer: use-after-poison", "use after free"},
    {"AddressSanitizer: attempting double-free", "double free"},
    {"AddressSanitizer: heap-buffer-overflow", "out of bounds"},
    {"AddressSanitizer: stack-buffer", "out of bounds"},
    {"AddressSanitizer: global-buffer-overflow", "out of bounds"},
    {"LeakSanitizer: detected memory leaks", "leak"},
    {"runtime error:", "undefined behaviour"},
    {"AddressSanitizer: SEGV", "crash"},
    {"ThreadSanitizer:DEADLYSIGNAL", "crash"},
    {"ThreadSanitizer: SEGV", "crash"},
    {"AddressSanitizer:DEADLYSIGNAL", "crash"},
    {"AddressSanitizer:", "memory error"},
    {"ThreadSanitizer:", "sanitizer report"},
};

static void set(struct verdict *v, const char *word, const char *detail) {
    snprintf(v->word, sizeof(v->word), "%s", word);
    snprintf(v->detail, sizeof(v->detail), "%s", detail);
}

bool verdict_of_report(const char *log, struct verdict *v) {
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        const char *found = strstr(log, reports[i].text);
        if (found != NULL) {
            const char *summary = strstr(log, "SUMMARY: ");
            const char *line = summary != NULL ? summary + strlen("SUMMARY: ") : found;
            snprintf(v->word, sizeof(v->word), "%s", reports[i].word);
            snprintf(v->detail, sizeof(v->detail), "%.*s", (int)strcspn(line, "\n"), line);
            return true;
        }
    }
    return false;
}

bool verdict_tsan_unavailable(const char *log) {
    return strstr(log, "unexpected memory mapping") != NULL ||
           strstr(log, "failed to intercept") != NULL ||
           strstr(log, "ThreadSanitizer: CHECK failed") != NULL;
}

static void crashed(int number, struct verdict *v) {
    const char *name = sigabbrev_np(number);
    char detail[64];
    snprintf(detail, sizeof(detail), "the process was ended by SIG%s", name != NULL ? name : "?");
    set(v, "crash", detail);
}

static bool judged(const struct board *board) {
    return atomic_load_explicit(&board->judged, memory_order_relaxed) != 0 &&
           board->verdict[0] != '\0';
}

void verdict_of_end(int status, const struct board *board, const char *log, struct verdict *v) {
    set(v, "", "");
    if (judged(board)) {
        set(v, board->verdict, board->detail);
    } else if (WIFSTOPPED(status)) {
        crashed((int)atomic_load_explicit(&board->crash_signal, memory_order_relaxed), v);
    } else if (verdict_of_report(log, v)) {
        return;
    } else if (WIFSIGNALED(status)) {
        crashed(WTERMSIG(status), v);
    } else if (WEXITSTATUS(status) != CHILD_OK || board->inside) {
        char detail[64];
        snprintf(detail, sizeof(detail), "the process ended itself with status %d",
                 WEXITSTATUS(status));
        set(v, "crash", detail);
    }
}

/* What the tasks were doing, most telling first. */
static void tell_tasks(struct board *board, char *text, size_t size) {
    unsigned accepted = 0, waiting = 0, inside = 0, ended = 0;
    for (uint32_t i = 0; i < board->planned && i < BOARD_TASKS; i++) {
        struct record *r = &board->records[i];
        unsigned started = atomic_load_explicit(&r->started, memory_order_relaxed),
                 finished = atomic_load_explicit(&r->ended, memory_order_relaxed);
        accepted += atomic_load_explicit(&r->accepted, memory_order_relaxed) != 0 || started != 0;
        ended += finished != 0;
        inside += started > finished;
        waiting += atomic_load_explicit(&r->accepted, memory_order_relaxed) != 0 && started == 0 &&
                   atomic_load_explicit(&r->dropped, memory_order_relaxed) == 0;
    }
    if (waiting != 0) {
        snprintf(text, size, "%u of %u accepted tasks never started, %u inside a task", waiting,
                 accepted, inside);
    } else if (inside != 0) {
        snprintf(text, size, "%u of %u tasks started and never ended", inside, accepted);
    } else {
        snprintf(text, size, "all %u accepted tasks have ended, and a call does not return", ended);
    }
}

void verdict_of_hang(struct board *board, bool asleep, unsigned threads, double seconds,
                     struct verdict *v) {
    char tasks[256];
    tell_tasks(board, tasks, sizeof(tasks));
    set(v, "hang", "");
    snprintf(v->detail, sizeof(v->detail), "%s (in \"%s\"); %s: no progress for %.0f s, %u threads",
             tasks, board->phase,
             asleep ? "deadlock, every thread sleeps" : "livelock, threads run without end",
             seconds, threads);
}
