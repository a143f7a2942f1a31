/*
 * The command `export`: a run in the formats of other tools.
 */
#include "bench/analyse/export.h"
#include "bench/campaign/commands.h"
#include "bench/campaign/nearest.h"
#include "bench/campaign/request.h"
#include "bench/campaign/util.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const formats[] = {"csv", "google", "go", "hgrm"};
#define FORMATS (sizeof formats / sizeof formats[0])

struct export_request {
    const char *run;
    const char *format;
    const char *out;
};

static const struct argp_option options[] = {
    {"format", 'f', "FORMAT", 0, "csv (default), google, go or hgrm", 0},
    {"out", 'o', "PATH", 0, "file, or for hgrm the directory; default: standard output", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct export_request *request = state->input;
    switch (key) {
    case 'f':
        request->format = arg;
        for (size_t i = 0; i < FORMATS; i++) {
            if (strcmp(formats[i], arg) == 0) {
                return 0;
            }
        }
        complain("no format '%s'; did you mean '%s'?", arg, nearest_name(arg, formats, FORMATS));
        exit(BENCH_USAGE);
    case 'o':
        request->out = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (request->run) {
            complain("export takes one run, not also '%s'", arg);
            exit(BENCH_USAGE);
        }
        request->run = arg;
        return 0;
    case ARGP_KEY_END:
        if (!request->run || (strcmp(request->format, "hgrm") == 0 && !request->out)) {
            complain(request->run ? "hgrm is a file for each histogram; give --out DIRECTORY"
                                  : "export wants the directory of a run");
            exit(BENCH_USAGE);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .doc = "Write a run in the format of another tool.\v"
           "  csv     a row for each sample, for spreadsheets and data frames\n"
           "  google  Google Benchmark's JSON, for its compare.py and for dashboards\n"
           "  go      the text of Go benchmarks, for benchstat\n"
           "  hgrm    percentile distributions of HdrHistogram, a file for each histogram, merged "
           "over rounds, for its plotters\n\n"
           "Exit codes: 0 done; 64 bad usage; 66 no such run; 74 input or output failed.",
};

/* Letters, digits and a few signs; anything else would need quoting in a shell. */
static char *file_name(const struct sample *sample, const char *histogram) {
    char *name = export_name(sample, '=');
    for (char *c = name; *c; c++) {
        *c = isalnum((unsigned char)*c) || strchr("=._-", *c) ? *c : '_';
    }
    char *whole = text("%s_%s.hgrm", name, histogram);
    free(name);
    return whole;
}

static int write_histogram(const char *directory, const struct series *series,
                           const char *histogram) {
    struct histogram *h = series_histogram(series, histogram);
    if (!h) {
        return 0;
    }
    char *name = file_name(series->samples[0], histogram);
    char *path = text("%s/%s", directory, name);
    FILE *out = fopen(path, "we");
    int error = out ? 0 : errno;
    if (out) {
        export_hgrm(h, out);
        error = ferror(out) ? EIO : 0;
        error = fclose(out) != 0 ? errno : error;
    }
    if (error != 0) {
        complain("cannot write %s: %s", path, strerror(error));
    }
    free(path);
    free(name);
    histogram_free(h);
    return error;
}

static int write_histograms(const struct run *run, const char *directory) {
    if (mkdir(directory, 0777) != 0 && errno != EEXIST) {
        complain("cannot make %s: %s", directory, strerror(errno));
        return BENCH_IO;
    }
    for (size_t g = 0; g < run->groups_n; g++) {
        for (size_t s = 0; s < run->groups[g].n; s++) {
            const struct series *series = &run->groups[g].series[s];
            const char *key;
            json_t *value;
            const json_t *hist =
                series->n ? json_object_get(series->samples[0]->json, "hist") : NULL;
            json_object_foreach((json_t *)(uintptr_t)hist, key, value) {
                if (write_histogram(directory, series, key) != 0) {
                    return BENCH_IO;
                }
            }
        }
    }
    return BENCH_OK;
}

static int write_one(const struct run *run, const struct export_request *request) {
    FILE *out = request->out ? fopen(request->out, "we") : stdout;
    if (!out) {
        complain("cannot write %s: %s", request->out, strerror(errno));
        return BENCH_IO;
    }
    (strcmp(request->format, "csv") == 0      ? export_csv
     : strcmp(request->format, "google") == 0 ? export_google
                                              : export_go)(run, out);
    bool failed = fflush(out) != 0 || ferror(out);
    failed = (request->out && fclose(out) != 0) || failed;
    if (failed) {
        complain("cannot write %s: %s", request->out ? request->out : "standard output",
                 strerror(errno));
    }
    return failed ? BENCH_IO : BENCH_OK;
}

int export_main(int argc, char **argv) {
    struct export_request request = {.format = "csv"};
    request_check_options(argv, (const struct argp_option *const[]){options, NULL});
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    struct run run;
    char *error = NULL;
    if (run_load(&run, request.run, &error) != 0) {
        complain("%s", error);
        free(error);
        return BENCH_NO_INPUT;
    }
    if (run.warning) {
        complain("%s", run.warning);
    }
    int code = strcmp(request.format, "hgrm") == 0 ? write_histograms(&run, request.out)
                                                   : write_one(&run, &request);
    run_free(&run);
    return code;
}
