/*
 * The command `top`: a run as it goes on. It reads what the run writes, so it may be started and
 * ended at any time, on any terminal, and disturbs the run no more than one reader of two files.
 */
#include "bench/campaign/commands.h"
#include "bench/campaign/request.h"
#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINES_STANDARD 16
#define PERIOD_NS      (500 * NS_PER_MS)

struct top_request {
    const char *run;
    bool once;
};

static const struct argp_option options[] = {
    {"once", '1', 0, 0, "print once and end", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct top_request *request = state->input;
    switch (key) {
    case '1':
        request->once = true;
        return 0;
    case ARGP_KEY_ARG:
        if (request->run) {
            complain("top takes one run, not also '%s'", arg);
            exit(BENCH_USAGE);
        }
        request->run = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[RUN]",
    .doc = "Watch a run: the cell in flight, rates, p50 and p99 of the last samples, time left.\v"
           "Without RUN it takes the newest under results/. It ends with the run; Ctrl-C ends it "
           "before. Where the output is no terminal it prints once.\n\n"
           "Exit codes: 0 done; 64 bad usage; 66 no such run; 74 output failed.",
};

/* The newest directory under results/ with samples; NULL: none. The caller frees it. */
static char *newest_run(void) {
    glob_t found;
    char *newest = NULL;
    time_t newest_time = 0;
    if (glob("results/*/samples.jsonl", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct stat status;
            if (stat(found.gl_pathv[i], &status) == 0 &&
                (!newest || status.st_mtime > newest_time)) {
                free(newest);
                newest_time = status.st_mtime;
                newest = text("%.*s", (int)(strrchr(found.gl_pathv[i], '/') - found.gl_pathv[i]),
                              found.gl_pathv[i]);
            }
        }
    }
    globfree(&found);
    return newest;
}

/* What a sample's workload is about, for one line of the list. */
static char *sample_figure_text(const struct sample *sample) {
    const json_t *cell = sample->cell;
    const struct workload *workload =
        workload_find(json_string_value(json_object_get(cell, "workload")));
    const json_t *values = json_object_get(sample->json, "values");
    if (!workload || strcmp(sample->status, "ok") != 0) {
        return text("%s", sample->status);
    }
    const char *name = workload->quantiles[0] > 0 ? "achieved_per_s" : workload->metric;
    const json_t *value = json_object_get(values, name);
    if (!json_is_number(value)) {
        return text("–");
    }
    return figure_text(json_number_value(value),
                       workload->quantiles[0] > 0 ? SHAPE_COUNT : workload->shape);
}

/* The histogram that tells how long something took, where the sample has one. */
static struct histogram *times_of(const struct sample *sample) {
    static const char *const names[] = {"total", "round_trip", "response", "life"};
    const json_t *hist = json_object_get(sample->json, "hist");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *stored = json_object_get(hist, names[i]);
        if (stored) {
            return histogram_from_json(stored);
        }
    }
    return NULL;
}

static void add_quantile(struct grid *grid, const struct histogram *h, double q) {
    bool shown = h && histogram_resolves(h, q);
    grid_add(grid, duration_text(shown ? (double)histogram_quantile(h, q) : NAN));
}

/* By the number at the end of the id: the order in which they were measured. */
static int by_sequence(const void *a, const void *b) {
    const struct sample *x = *(const struct sample *const *)a;
    const struct sample *y = *(const struct sample *const *)b;
    const char *dash_x = strrchr(x->id, '-');
    const char *dash_y = strrchr(y->id, '-');
    long n = dash_x ? strtol(dash_x + 1, NULL, 10) : 0;
    long m = dash_y ? strtol(dash_y + 1, NULL, 10) : 0;
    return (n > m) - (n < m);
}

static void print_samples(const struct run *run, size_t lines, FILE *out) {
    const struct sample **order = must_array(run->n, sizeof *order);
    for (size_t i = 0; i < run->n; i++) {
        order[i] = &run->samples[i];
    }
    if (run->n > 1) {
        qsort(order, run->n, sizeof *order, by_sequence);
    }
    struct grid grid;
    grid_init(&grid, 4);
    grid_add(&grid, text("last samples"));
    grid_add(&grid, text("figure"));
    grid_add(&grid, text("p50"));
    grid_add(&grid, text("p99"));
    for (size_t i = 0; i < lines && i < run->n; i++) {
        const struct sample *sample = order[run->n - 1 - i];
        struct histogram *h = times_of(sample);
        char *phrase = cell_phrase(sample->cell);
        grid_add(&grid, text("%s, %.*s", sample->label, 60, phrase));
        grid_add(&grid, sample_figure_text(sample));
        add_quantile(&grid, h, 0.5);
        add_quantile(&grid, h, 0.99);
        free(phrase);
        histogram_free(h);
    }
    grid_print(&grid, out);
    grid_free(&grid);
    free(order);
}

static void print_now(const struct run *run, const json_t *now, FILE *out) {
    const char *state = json_string_value(json_object_get(run->meta, "state"));
    size_t bad = 0;
    for (size_t i = 0; i < run->n; i++) {
        bad += strcmp(run->samples[i].status, "ok") != 0;
    }
    fprintf(out, "%s  %s, %zu samples, %zu without a figure\n", run->path, state ? state : "?",
            run->n, bad);
    if (now) {
        unsigned long long left_s =
            (unsigned long long)json_integer_value(json_object_get(now, "left_s"));
        const char *what = json_string_value(json_object_get(now, "what"));
        fprintf(out, "now    round %lld, %3.0f %%, %llu:%02llu left: %s\n",
                (long long)json_integer_value(json_object_get(now, "round")),
                100 * json_number_value(json_object_get(now, "share")), left_s / 60, left_s % 60,
                what ? what : "?");
    }
    fputc('\n', out);
}

/* True while the run goes on. */
static bool draw(const char *path, bool clear, int *code) {
    struct run run;
    char *error = NULL;
    if (run_load(&run, path, &error) != 0) {
        complain("%s", error);
        free(error);
        *code = BENCH_NO_INPUT;
        return false;
    }
    char *now_path = text("%s/now.json", path);
    json_t *now = json_load_file(now_path, 0, NULL);
    free(now_path);
    if (clear) {
        fputs("\033[H\033[J", stdout);
    }
    print_now(&run, now, stdout);
    print_samples(&run, LINES_STANDARD, stdout);
    const char *state = json_string_value(json_object_get(run.meta, "state"));
    bool goes_on = state && strcmp(state, "running") == 0;
    json_decref(now);
    run_free(&run);
    *code = fflush(stdout) == 0 && !ferror(stdout) ? BENCH_OK : BENCH_IO;
    return goes_on && *code == BENCH_OK;
}

int top_main(int argc, char **argv) {
    struct top_request request = {NULL, false};
    request_check_options(argv, (const struct argp_option *const[]){options, NULL});
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    char *path = request.run ? text("%s", request.run) : newest_run();
    int code = BENCH_OK;
    if (!path) {
        complain("no run under results/; name one");
        return BENCH_NO_INPUT;
    }
    const char *terminal = getenv("TERM");
    bool live = !request.once && isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    while (draw(path, live, &code) && live) {
        const struct timespec period = {.tv_nsec = (long)PERIOD_NS};
        nanosleep(&period, NULL);
    }
    free(path);
    return code;
}
