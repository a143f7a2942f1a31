/*
 * The command `compare`: two subjects, measured now; or two runs, read.
 */
#include "bench/analyse/compare.h"
#include "bench/analyse/import.h"
#include "bench/analyse/samples_file.h"
#include "bench/campaign/commands.h"
#include "bench/campaign/request.h"
#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUDGET_STANDARD_S 20

struct compare_request {
    struct request shared;
    const char *sides[2];
    size_t n;
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct compare_request *request = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->shared;
        return 0;
    case ARGP_KEY_ARG:
        if (request->n == 2) {
            complain("compare takes two sides, not a third one '%s'", arg);
            exit(BENCH_USAGE);
        }
        request->sides[request->n++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (request->n != 2) {
            complain("compare wants two sides: two subjects such as weir:stealing glib, or two run "
                     "directories");
            exit(BENCH_USAGE);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&request_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .children = children,
    .args_doc = "A B",
    .doc = "Tell whether A is faster than B.\v"
           "A and B are subjects (name, name:variant, ./my_pool.so), which are measured now, in "
           "rounds of fresh processes, or directories of runs, which are compared in the cells "
           "that both hold:\n\n"
           "  weir-bench compare weir:stealing weir:locked\n"
           "  weir-bench compare weir glib -w wait --pattern block --budget 60\n"
           "  weir-bench compare results/before results/after\n\n"
           "A side may also be the JSON of Google Benchmark, JMH or hyperfine:\n\n"
           "  weir-bench compare before.json after.json\n\n"
           "The ratio is the median over rounds; its interval is exact (sign test, 95 %). SAME "
           "means an interval within the margin, max(2 %, twice the A/A floor).\n\n"
           "Exit codes: 0 FASTER or SAME in every cell; 1 SLOWER in one; 2 UNRESOLVED in one, "
           "SLOWER in none; 3 a subject lost a task, ran one twice, hung or crashed; "
           "4 interrupted; 64 bad usage; 66 no such run; 74 input or output failed.",
};

static int report(const struct comparison *comparison, bool json) {
    int failed = 0;
    if (json) {
        json_t *all = comparison_to_json(comparison);
        failed = json_dumpf(all, stdout, JSON_INDENT(1)) != 0 || putchar('\n') == EOF;
        json_decref(all);
    } else {
        comparison_print(comparison, stdout);
    }
    failed = failed || fflush(stdout) != 0 || ferror(stdout);
    return failed ? BENCH_IO : verdict_exit(comparison_worst(comparison));
}

static int load(struct run *run, const char *path) {
    char *error = NULL;
    int result = (import_is_foreign(path) ? import_load : run_load)(run, path, &error);
    if (result != 0) {
        complain("%s", error);
    } else if (run->warning) {
        complain("%s", run->warning);
    }
    free(error);
    return result;
}

static int compare_two_runs(const struct compare_request *request) {
    struct run a;
    struct run b;
    if (load(&a, request->sides[0]) != 0) {
        return BENCH_NO_INPUT;
    }
    if (load(&b, request->sides[1]) != 0) {
        run_free(&a);
        return BENCH_NO_INPUT;
    }
    struct comparison comparison;
    compare_runs(&comparison, &a, &b);
    int code = BENCH_NO_INPUT;
    if (comparison.n == 0) {
        complain("%s and %s share no cell of the same subject", a.path, b.path);
    } else {
        code = report(&comparison, request->shared.json);
    }
    comparison_free(&comparison);
    run_free(&a);
    run_free(&b);
    return code;
}

/* One configuration a side: the first where none was named. Adds A once more for the floor. */
static char *plan_sides(const struct compare_request *request, struct campaign *campaign,
                        char *labels[2]) {
    struct choices pair = {0, must_array(2, sizeof(struct choice))};
    char *error = NULL;
    for (size_t i = 0; i < 2 && !error; i++) {
        struct request one = request->shared;
        struct choices found;
        one.subjects = must(json_pack("[s]", request->sides[i]));
        error = request_choices(&one, campaign, &found);
        json_decref(one.subjects);
        if (!error) {
            pair.items[pair.n++] = found.items[0];
            labels[i] = subject_label(&campaign->subjects.items[found.items[0].subject],
                                      found.items[0].variant);
        }
        free(found.items);
    }
    bool itself = !error && strcmp(labels[0], labels[1]) == 0;
    pair.n = itself ? 1 : pair.n;
    error = error ? error : request_plan(&request->shared, campaign, &pair);
    for (size_t i = 0; !error && i < campaign->plan.n; i++) {
        plan_add_entry(&campaign->plan.cells[i], pair.items[0].subject, pair.items[0].variant, 1,
                       true);
    }
    free(pair.items);
    return error;
}

/* Without axes: the workloads that were named, or throughput, at their defaults. */
static void fill_in(struct compare_request *request, unsigned cpus) {
    struct request *shared = &request->shared;
    if (json_array_size(shared->workloads) == 0) {
        json_array_append_new(shared->workloads, must(json_string("throughput")));
    }
    if (json_object_size(shared->axes) == 0) {
        json_object_set_new(shared->axes, "workers", must(json_pack("[i]", (int)cpus)));
    }
    if (shared->budget_s == 0 && shared->rounds == 0) {
        shared->budget_s = BUDGET_STANDARD_S;
    }
}

static int measure(struct compare_request *request, struct campaign *campaign) {
    char *labels[2] = {NULL, NULL};
    fill_in(request, campaign->cpus);
    char *error = plan_sides(request, campaign, labels);
    int code = BENCH_USAGE;
    if (error) {
        complain("%s", error);
        free(error);
    } else if (request_store(&request->shared, campaign) != 0) {
        code = BENCH_IO;
    } else {
        request_fit(&request->shared, campaign);
        bool failed = campaign_probe(campaign) != 0;
        request_fit(&request->shared, campaign);
        failed = failed || campaign_write_meta(campaign, "running", NULL) != 0 ||
                 (!campaign->interrupted && campaign_measure(campaign) != 0);
        struct run run;
        code = BENCH_IO;
        if (!failed && load(&run, campaign->store.directory) == 0) {
            failed = campaign_write_meta(
                         campaign, campaign->interrupted ? "interrupted" : "complete", &run) != 0;
            struct comparison comparison;
            compare_subjects(&comparison, &run, labels[0], labels[1]);
            code = report(&comparison, request->shared.json);
            comparison_free(&comparison);
            size_t broken = table_footnotes(&run, request->shared.json ? stderr : stdout);
            if (!request->shared.json) {
                printf("run    %s\n", campaign->store.directory);
            }
            code = broken                  ? BENCH_BROKEN
                   : failed                ? BENCH_IO
                   : campaign->interrupted ? BENCH_INTERRUPTED
                                           : code;
            run_free(&run);
        }
    }
    free(labels[0]);
    free(labels[1]);
    return code;
}

static bool is_directory(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_run(const char *path) {
    return samples_file_exists(path) || import_is_foreign(path);
}

int compare_main(int argc, char **argv) {
    struct compare_request request = {.n = 0};
    request_check_options(argv, (const struct argp_option *const[]){request_argp.options, NULL});
    request_init(&request.shared);
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    int runs = is_run(request.sides[0]) + is_run(request.sides[1]);
    int code;
    if (runs == 2) {
        code = compare_two_runs(&request);
    } else if (runs == 1 || is_directory(request.sides[0]) || is_directory(request.sides[1])) {
        int wrong = is_run(request.sides[0]) || !is_directory(request.sides[0]);
        complain("%s is no run directory: both sides must be runs, or both subjects",
                 request.sides[wrong]);
        code = BENCH_USAGE;
    } else {
        struct campaign campaign;
        request_begin(&request.shared, &campaign, argc, argv);
        code = measure(&request, &campaign);
        campaign_free(&campaign);
    }
    request_free(&request.shared);
    return code;
}
