#include "stress/report.h"

#include <string.h>
#include <unistd.h>

#include "stress/episode.h"
#include "stress/fault.h"
#include "stress/sites.h"

#define LOG_LINES 160

static void print_shape(FILE *out, const struct spec *spec) {
    fprintf(out, "workers=%u capacity=%zu producers=%u", spec->workers, spec->capacity,
            spec->producers);
    if (spec->full[0] != '\0') {
        fprintf(out, " full=%s", spec->full);
    }
    if (spec->variant[0] != '\0') {
        fprintf(out, " config=%s", spec->variant);
    }
    if (spec->fault != FAULT_NONE) {
        fprintf(out, " fault=%s", fault_rows[spec->fault].name);
    }
}

/* In quotes when a shell would take it apart. */
static void print_word(FILE *out, const char *option, const char *value) {
    bool plain = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "._-+=/:,@") == strlen(value);
    fprintf(out, plain ? " %s=%s" : " %s='%s'", option, value);
}

static void print_replay(FILE *out, const struct run *run) {
    const struct order *order = run->order;
    const struct spec *spec = &run->board->spec;
    fprintf(out, "replay: %s replay", order->program);
    print_word(out, "--subject", order->settings.subject);
    if (order->runner != NULL) {
        print_word(out, "--runner", order->runner);
    }
    for (unsigned i = 0; i < order->settings.option_count; i++) {
        print_word(out, "--set", order->settings.options[i]);
    }
    print_word(out, "--scenario", run->board->description.scenarios[spec->scenario].name);
    if (spec->variant[0] != '\0') {
        print_word(out, "--config", spec->variant);
    }
    fprintf(out, " --workers=%u --capacity=%zu --producers=%u", spec->workers, spec->capacity,
            spec->producers);
    if (spec->full[0] != '\0') {
        print_word(out, "--full", spec->full);
    }
    if (spec->fault != FAULT_NONE) {
        print_word(out, "--fault", fault_rows[spec->fault].name);
    }
    fprintf(out, " --perturb=%d --seed=0x%llx\n", spec->perturb, (unsigned long long)spec->seed);
}

void report_finding(FILE *out, const struct run *run) {
    const struct board *board = run->board;
    fprintf(out, "%s: ", verdict_name(verdict_code(run->verdict.word)));
    if (board->planned == 0 && !board->inside) {
        fprintf(out, "outside any episode: %s: %s\n", run->verdict.word, run->verdict.detail);
        return;
    }
    fprintf(out, "%s ", board->description.scenarios[board->spec.scenario].name);
    print_shape(out, &board->spec);
    fprintf(out, ": %s: %s\n", run->verdict.word, run->verdict.detail);
    print_replay(out, run);
}

void report_log(FILE *out, const char *log) {
    unsigned lines = 0;
    for (const char *line = log; *line != '\0' && lines < LOG_LINES; lines++) {
        int length = (int)strcspn(line, "\n");
        fprintf(out, "%.*s\n", length, line);
        line += length;
        line += *line == '\n';
    }
    if (lines == LOG_LINES) {
        fprintf(out, "(the rest is left out)\n");
    }
}

/* ---- Coverage ---- */

/* Shapes decide much; once a scenario has had this many of them it must have seen each of the
 * states that it attacks. */
#define EPISODES_FOR_ALL 200

static bool is_chosen(const struct run *run, unsigned i) {
    return (run->board->settings.scenarios & (UINT64_C(1) << i)) != 0;
}

static bool has_reached(const struct scenario_text *s, const struct coverage *c) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < BOARD_REACH && s->reach[i][0] != '\0'; i++) {
        sum += c->reach[i];
    }
    return sum != 0 && (c->reach[0] != 0 || c->episodes < EPISODES_FOR_ALL);
}

bool report_is_conclusive(const struct run *run) {
    const struct description *d = &run->board->description;
    for (unsigned i = 0; i < d->scenario_count; i++) {
        if (is_chosen(run, i) && d->scenarios[i].lacks[0] == '\0' &&
            !has_reached(&d->scenarios[i], &run->board->coverage[i])) {
            return false;
        }
    }
    return true;
}

static void print_reached(FILE *out, const struct scenario_text *s, const struct coverage *c,
                          bool conclude) {
    for (unsigned i = 0; i < BOARD_REACH && s->reach[i][0] != '\0'; i++) {
        fprintf(out, "%s%s %llu", i == 0 ? "" : ", ", s->reach[i], (unsigned long long)c->reach[i]);
    }
    if (conclude && !has_reached(s, c)) {
        fprintf(out, "  INCONCLUSIVE: never reached what it attacks");
    }
}

static void print_scenario(FILE *out, const struct run *run, unsigned i) {
    const struct scenario_text *s = &run->board->description.scenarios[i];
    const struct coverage *c = &run->board->coverage[i];
    if (!is_chosen(run, i)) {
        return;
    }
    fprintf(out, "  %-22s", s->name);
    if (s->lacks[0] != '\0') {
        fprintf(out, "not applicable: %s\n", s->lacks);
        return;
    }
    fprintf(out, "%7llu episodes  ", (unsigned long long)c->episodes);
    print_reached(out, s, c, run->verdict.word[0] == '\0');
    fprintf(out, "\n");
}

static void count_shapes(const struct board *board, unsigned *seen, uint64_t *fewest) {
    const struct settings *s = &board->settings;
    *seen = 0;
    *fewest = UINT64_MAX;
    for (unsigned w = 0; w < s->worker_count; w++) {
        for (unsigned c = 0; c < s->capacity_count; c++) {
            for (unsigned p = 0; p < s->producer_count; p++) {
                uint64_t n = board->shapes[w][c][p];
                *seen += n != 0;
                *fewest = n != 0 && n < *fewest ? n : *fewest;
            }
        }
    }
}

static void print_faults(FILE *out, const struct board *b) {
    fprintf(out, "  faults of the surroundings, episodes (gusts):");
    for (unsigned i = 1; i < FAULTS; i++) {
        fprintf(out, "%s %s %llu", i == 1 ? "" : ",", fault_rows[i].name,
                (unsigned long long)b->fault_episodes[i]);
        uint64_t gusts = atomic_load_explicit(&b->gusts[i], memory_order_relaxed);
        if (gusts != 0) {
            fprintf(out, " (%llu)", (unsigned long long)gusts);
        }
    }
    fprintf(out, "\n");
    if (b->quota_lacks[0] != '\0') {
        fprintf(out, "  not allowed here: fault=%s: %s\n", fault_rows[FAULT_QUOTA].name,
                b->quota_lacks);
    }
    if (b->threads_unlimited) {
        fprintf(out, "  not allowed here: RLIMIT_NPROC does not hold this user back\n");
    }
}

/* From the run's start: what follows is the time that it takes to be sure of a hang, for instance.
 */
static double begun_s(const struct run *run) {
    return (double)(run->board->begun_ns - run->start_ns) / 1e9;
}

void report_coverage(FILE *out, const struct run *run, double seconds) {
    const struct board *b = run->board;
    const struct settings *s = &b->settings;
    uint64_t episodes = 0, fewest;
    unsigned seen;
    fprintf(out, "%s %s, seed 0x%llx%s\n", b->description.name, b->description.version,
            (unsigned long long)s->seed,
            b->sanitizer == SANITIZER_THREAD    ? ", ThreadSanitizer"
            : b->sanitizer == SANITIZER_ADDRESS ? ", AddressSanitizer, UBSan and LeakSanitizer"
                                                : "");
    for (unsigned i = 0; i < b->description.scenario_count; i++) {
        print_scenario(out, run, i);
        episodes += b->coverage[i].episodes;
    }
    count_shapes(b, &seen, &fewest);
    fprintf(out, "  %u shapes (workers x capacity x producers), each at least %llu times\n", seen,
            (unsigned long long)(seen != 0 ? fewest : 0));
    fprintf(out, "  %llu tasks run, %llu refused, %llu dropped, %llu delays",
            (unsigned long long)b->tasks, (unsigned long long)b->refused,
            (unsigned long long)b->dropped, (unsigned long long)b->delays);
    if (b->counted) {
        fprintf(out, "; %llu steals, %llu parks, %llu wakes", (unsigned long long)b->steals,
                (unsigned long long)b->parks, (unsigned long long)b->wakes);
    }
    fprintf(out, "\n");
    print_faults(out, b);
    sites_print(out, run);
    fprintf(out, "%s in %llu episodes, %.1f s",
            run->verdict.word[0] != '\0' ? verdict_name(verdict_code(run->verdict.word))
            : report_is_conclusive(run)  ? "nothing found"
                                         : "INCONCLUSIVE: nothing found, too little covered,",
            (unsigned long long)episodes, seconds);
    if (run->verdict.word[0] != '\0' && b->inside) {
        fprintf(out, ", the failing one began after %.3f s", begun_s(run));
    }
    fprintf(out, "\n");
}

void report_progress(const struct run *run) {
    static uint64_t last_ns;
    uint64_t now_ns = supervise_now_ns();
    if (run->order->quiet || !isatty(STDERR_FILENO) || now_ns - last_ns < 500000000u) {
        return;
    }
    last_ns = now_ns;
    double left_s = run->end_ns > now_ns ? (double)(run->end_ns - now_ns) / 1e9 : 0;
    fprintf(stderr, "\r%llu episodes, %.0f s left \r",
            (unsigned long long)atomic_load_explicit(&run->board->beat, memory_order_relaxed),
            left_s);
}
