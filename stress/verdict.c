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

/* Which name the words of a finding belong to. What is not here is an answer that the contract
 * does not allow. */
static const struct {
    const char *word;
    enum verdict_code code;
} codes[] = {
    {"race", VERDICT_RACE},
    {"lost result", VERDICT_RACE}, /* seen without a sanitizer: no order from end to return */
    {"lost task", VERDICT_LOST},
    {"drop not told", VERDICT_LOST},
    {"double run", VERDICT_DOUBLE},
    {"double drop", VERDICT_DOUBLE},
    {"double callback", VERDICT_DOUBLE},
    {"run and dropped", VERDICT_DOUBLE},
    {"run and cancelled", VERDICT_DOUBLE},
    {"two outcomes", VERDICT_DOUBLE},
    {"ran after refusal", VERDICT_DOUBLE},
    {"dropped after refusal", VERDICT_DOUBLE},
    {"early idle", VERDICT_EARLY_IDLE},
    {"early close", VERDICT_EARLY_IDLE},
    {"early completion", VERDICT_EARLY_IDLE},
    {"hang", VERDICT_HANG},
    {"deadlock", VERDICT_DEADLOCK},
    {"lock order", VERDICT_DEADLOCK},
    {"leak", VERDICT_LEAK},
    {"thread leak", VERDICT_LEAK},
    {"use after free", VERDICT_USE_AFTER_FREE},
    {"double free", VERDICT_USE_AFTER_FREE},
    {"order", VERDICT_ORDER},
    {"starved", VERDICT_STARVED},
    {"crash", VERDICT_CRASH},
    {"undefined behaviour", VERDICT_UNDEFINED},
    {"misuse of a mutex", VERDICT_UNDEFINED},
    {"out of bounds", VERDICT_UNDEFINED},
    {"memory error", VERDICT_UNDEFINED},
    {"sanitizer report", VERDICT_UNDEFINED},
    {"harness error", VERDICT_HARNESS},
};

enum verdict_code verdict_code(const char *word) {
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i].word, word) == 0) {
            return codes[i].code;
        }
    }
    return word[0] == '\0' ? VERDICT_NOTHING : VERDICT_WRONG;
}

const char *verdict_name(enum verdict_code code) {
    switch (code) {
    case VERDICT_RACE:
        return "RACE";
    case VERDICT_LOST:
        return "LOST";
    case VERDICT_DOUBLE:
        return "DOUBLE";
    case VERDICT_EARLY_IDLE:
        return "EARLY-IDLE";
    case VERDICT_HANG:
        return "HANG";
    case VERDICT_DEADLOCK:
        return "DEADLOCK";
    case VERDICT_LEAK:
        return "LEAK";
    case VERDICT_USE_AFTER_FREE:
        return "USE-AFTER-FREE";
    case VERDICT_ORDER:
        return "ORDER";
    case VERDICT_STARVED:
        return "STARVED";
    case VERDICT_CRASH:
        return "CRASH";
    case VERDICT_WRONG:
        return "WRONG";
    case VERDICT_UNDEFINED:
        return "UNDEFINED";
    case VERDICT_INCONCLUSIVE:
        return "INCONCLUSIVE";
    case VERDICT_NO_SANITIZER:
        return "TSAN-UNAVAILABLE";
    default:
        return "HARNESS";
    }
}

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

/* What became of the tasks. */
struct tally {
    unsigned accepted, waiting, inside;
};

static struct tally tally_of(struct board *board) {
    struct tally t = {0};
    for (uint32_t i = 0; i < board->planned && i < BOARD_TASKS; i++) {
        struct record *r = &board->records[i];
        unsigned started = atomic_load_explicit(&r->started, memory_order_relaxed),
                 ended = atomic_load_explicit(&r->ended, memory_order_relaxed);
        bool accepted = atomic_load_explicit(&r->accepted, memory_order_relaxed) != 0;
        t.accepted += accepted || started != 0;
        t.inside += started > ended;
        t.waiting += accepted && started == 0 &&
                     atomic_load_explicit(&r->dropped, memory_order_relaxed) == 0;
    }
    return t;
}

/* Most telling first. */
static void tell_tasks(const struct tally *t, char *text, size_t size) {
    if (t->waiting != 0) {
        snprintf(text, size, "%u of %u accepted tasks never started, %u inside a task", t->waiting,
                 t->accepted, t->inside);
    } else if (t->inside != 0) {
        snprintf(text, size, "%u of %u tasks started and never ended", t->inside, t->accepted);
    } else {
        snprintf(text, size, "all %u accepted tasks have ended, and a call does not return",
                 t->accepted);
    }
}

void verdict_of_hang(struct board *board, const struct scene *scene, double seconds,
                     struct verdict *v) {
    char tasks[256];
    struct tally t = tally_of(board);
    tell_tasks(&t, tasks, sizeof(tasks));
    /* With a worker to spare a queued task needs a wake-up; without one it needs another task. */
    bool spare = t.waiting != 0 && t.inside < board->spec.workers;
    bool circle = scene->asleep && ((t.inside != 0 && !spare) || scene->at_mutex > 1);
    set(v, circle ? "deadlock" : "hang", "");
    snprintf(v->detail, sizeof(v->detail), "%s (in \"%s\"); %s: no progress for %.0f s, %u threads",
             tasks, board->phase,
             circle          ? "they wait for each other"
             : scene->asleep ? "every thread sleeps, a wake-up is missing"
                             : "livelock, threads run without end",
             seconds, scene->threads);
}
