/*
 * The command `run`: plan, measure, tell.
 */
#include "bench/campaign/commands.h"
#include "bench/campaign/request.h"
#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/campaign/axes.h"
#include "bench/measure/clock.h"

struct run_request {
    struct request shared;
    const char *resume;
    const char *path_file;
    bool dry_run;
    bool keep_plugins;
    bool list_shards;
    const char *shard;
};

enum {
    KEY_RESUME = 1024,
    KEY_DRY_RUN,
    KEY_PATH_FILE,
    KEY_KEEP_PLUGINS,
    KEY_LIST_SHARDS,
    KEY_RUN_SHARD
};

static const struct argp_option options[] = {
    {"resume", KEY_RESUME, "RUN", 0, "go on with an interrupted or killed run", 4},
    {"dry-run", KEY_DRY_RUN, 0, 0, "print the plan and measure nothing", 4},
    {"keep-plugins", KEY_KEEP_PLUGINS, 0, 0, "copy the plug-ins into the run, as a base for gate",
     4},
    {"list-shards", KEY_LIST_SHARDS, 0, 0,
     "print the parts that machines can measure by themselves, one a line, and measure nothing", 4},
    {"run-shard", KEY_RUN_SHARD, "SHARD", 0, "measure one of those parts", 4},
    {"path-file", KEY_PATH_FILE, "FILE", 0, "write the path of the run directory to FILE", 4},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct run_request *request = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->shared;
        return 0;
    case KEY_RESUME:
        request->resume = arg;
        return 0;
    case KEY_DRY_RUN:
        request->dry_run = true;
        return 0;
    case KEY_PATH_FILE:
        request->path_file = arg;
        return 0;
    case KEY_LIST_SHARDS:
        request->list_shards = true;
        return 0;
    case KEY_RUN_SHARD:
        request->shard = arg;
        return 0;
    case KEY_KEEP_PLUGINS:
        request->keep_plugins = true;
        return 0;
    case ARGP_KEY_ARG:
        complain("run takes no argument '%s'; subjects are named with --subject %s", arg, arg);
        exit(BENCH_USAGE);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&request_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .doc =
        "Measure pools.\v"
        "Without axes, run plans the cells that show most about this machine's pools within the "
        "budget. With axes, it measures every combination:\n\n"
        "  weir-bench run --budget 60\n"
        "  weir-bench run -w throughput -s weir -s glib --workers 1,2,4 --rounds 12\n"
        "  weir-bench run -w latency -s weir:stealing --utilisation 50,80,90 --service-ns 20000\n"
        "  weir-bench run -w wait -s ./my_pool.so --pattern block,any --window 1,16\n\n"
        "Every subject of a cell is measured once in each round, in a fresh process, in the order "
        "of a random Latin square. Fewer than 6 rounds make no claim.\n\n"
        "Ctrl-C ends the run early and keeps it usable; --resume goes on with it.\n\n"
        "A run may be spread over machines: --list-shards names its cells, --run-shard measures "
        "one of them with all its subjects, so that no comparison is split, and merge joins "
        "the parts. scripts/campaign does it with GNU parallel or Slurm.\n\n"
        "Exit codes: 0 complete; 3 a subject lost a task, ran one twice, hung or crashed; "
        "4 interrupted; 64 bad usage; 66 no such run; 74 input or output failed.",
};

static void print_plan(const struct campaign *campaign, FILE *out) {
    size_t n = 0;
    size_t cells = 0;
    for (size_t i = 0; i < campaign->plan.n; i++) {
        size_t entries = plan_cell_entries(&campaign->plan.cells[i]);
        n += entries;
        cells += entries > 0;
    }
    double round_s = (double)plan_round_cost(&campaign->plan) / 1e9;
    fprintf(out, "%zu cells, %zu measurements a round of %.0f ms each, about %.1f s a round", cells,
            n, (double)campaign->plan.measure_ns / 1e6, round_s);
    if (campaign->budget_s > 0) {
        uint64_t now = clock_now_ns();
        double left_s = campaign->end_ns > now ? (double)(campaign->end_ns - now) / 1e9 : 0;
        fprintf(out, ", %.0f rounds in the budget", round_s > 0 ? left_s / round_s : 0);
    } else {
        fprintf(out, ", %zu rounds", campaign->rounds);
    }
    fputc('\n', out);
    if (campaign->plan.dropped > 0) {
        fprintf(out, "the budget leaves out %zu measurements of less important cells\n",
                campaign->plan.dropped);
    }
}

static void print_cells(const struct campaign *campaign) {
    for (size_t i = 0; i < campaign->plan.n; i++) {
        const struct plan_cell *cell = &campaign->plan.cells[i];
        char *phrase = cell_phrase(cell->cell);
        printf("%s\n", phrase);
        free(phrase);
        for (size_t j = 0; j < cell->n; j++) {
            const struct plan_entry *entry = &cell->entries[j];
            char *label = subject_label(&campaign->subjects.items[entry->subject], entry->variant);
            printf("    %-20s %6.0f ms%s%s\n", label, (double)entry->cost_ns / 1e6,
                   entry->aa ? ", again for the noise floor" : "",
                   entry->dropped ? ", left out by the budget" : "");
            free(label);
        }
    }
}

static void print_absent(const struct campaign *campaign) {
    for (size_t i = 0; i < campaign->subjects.n; i++) {
        const struct subject *subject = &campaign->subjects.items[i];
        if (subject->absent) {
            printf("  %s skipped: %s%s%s%s\n", subject->name, subject->absent,
                   subject->package ? " (package " : "", subject->package ? subject->package : "",
                   subject->package ? ")" : "");
        }
    }
}

/* Everything that is told comes from what was written: the tables show what others can read. */
static int tell(struct campaign *campaign, const struct request *request) {
    struct run run;
    char *error = NULL;
    if (run_load(&run, campaign->store.directory, &error) != 0) {
        complain("%s", error);
        free(error);
        return BENCH_IO;
    }
    int failed =
        campaign_write_meta(campaign, campaign->interrupted ? "interrupted" : "complete", &run);
    FILE *out = request->json ? stderr : stdout;
    table_print(&run, campaign->cpus, out);
    size_t broken = table_footnotes(&run, out);
    if (!request->json) {
        print_absent(campaign);
        printf("\n%s: %zu samples, %zu complete rounds, seed %llu%s\nrun    %s\n",
               campaign->store.name, run.n, campaign->complete_rounds,
               (unsigned long long)campaign->seed,
               campaign->interrupted ? ", INTERRUPTED (--resume goes on)" : "",
               campaign->store.directory);
    } else {
        json_t *summary = must(json_pack(
            "{s:s,s:s,s:I,s:I,s:I}", "run", campaign->store.directory, "state",
            campaign->interrupted ? "interrupted" : "complete", "samples", (json_int_t)run.n,
            "rounds", (json_int_t)campaign->complete_rounds, "broken", (json_int_t)broken));
        failed = failed || json_dumpf(summary, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF;
        json_decref(summary);
    }
    failed = failed || fflush(stdout) != 0;
    bool run_is_empty = run.n == 0;
    run_free(&run);
    if (run_is_empty && !campaign->interrupted) {
        complain("the time was too short for a single measurement; give a larger --budget");
        return BENCH_USAGE;
    }
    return failed                  ? BENCH_IO
           : broken                ? BENCH_BROKEN
           : campaign->interrupted ? BENCH_INTERRUPTED
                                   : BENCH_OK;
}

static bool is_planned(const struct campaign *campaign, size_t subject) {
    for (size_t i = 0; i < campaign->plan.n; i++) {
        for (size_t j = 0; j < campaign->plan.cells[i].n; j++) {
            if (campaign->plan.cells[i].entries[j].subject == subject) {
                return true;
            }
        }
    }
    return false;
}

/* Of the subjects that are measured; one of the user's own path is where the user keeps it. */
static int keep_plugins(const struct campaign *campaign) {
    int error = 0;
    for (size_t i = 0; error == 0 && i < campaign->subjects.n; i++) {
        const struct subject *subject = &campaign->subjects.items[i];
        if (!subject->plugin || subject->path || !is_planned(campaign, i)) {
            continue;
        }
        char *problem = NULL;
        error = store_keep_file(&campaign->store, "plugins", subject->name, ".so", subject->plugin,
                                &problem);
        if (error != 0) {
            complain("%s", problem);
        }
        free(problem);
    }
    return error;
}

static int measure_and_tell(struct campaign *campaign, const struct run_request *request) {
    if (request->path_file) {
        char *line = text("%s\n", campaign->store.directory);
        char *error = NULL;
        int failed = store_replace_file(request->path_file, line, &error);
        free(line);
        if (failed) {
            complain("%s", error);
            free(error);
            return BENCH_IO;
        }
    }
    if (campaign_write_meta(campaign, "running", NULL) != 0) {
        return BENCH_IO;
    }
    int error = campaign->interrupted ? 0 : campaign_measure(campaign);
    if (error != 0) {
        campaign->interrupted = true;
    }
    int code = tell(campaign, &request->shared);
    return error ? BENCH_IO : code;
}

static int resume(struct campaign *campaign, const struct run_request *request) {
    struct run done;
    char *error = NULL;
    if (run_load(&done, request->resume, &error) != 0 || !done.meta) {
        complain("%s%s", error ? error : "no run.json in ", error ? "" : request->resume);
        free(error);
        return BENCH_NO_INPUT;
    }
    const json_t *meta = done.meta;
    json_decref(campaign->options);
    campaign->options = must(json_deep_copy(json_object_get(meta, "options")));
    campaign->seed = (uint64_t)json_integer_value(json_object_get(meta, "seed"));
    free(campaign->started);
    const char *started = json_string_value(json_object_get(meta, "started"));
    campaign->started = text("%s", started ? started : "");
    bool planned =
        (error = subjects_add_planned(&campaign->subjects, json_object_get(meta, "plan"),
                                      campaign->cancel_fd)) == NULL &&
        plan_from_json(&campaign->plan, json_object_get(meta, "plan"), &campaign->subjects, &error);
    if (planned) {
        campaign_skip_done(campaign, &done);
    }
    uint64_t budget_s = request->shared.budget_s
                            ? request->shared.budget_s
                            : (uint64_t)json_integer_value(json_object_get(meta, "budget_s"));
    run_free(&done);
    if (!planned) {
        complain("%s", error);
        free(error);
        return BENCH_NO_INPUT;
    }
    campaign->budget_s = budget_s;
    campaign->rounds = request->shared.rounds;
    campaign->min_rounds = PLAN_MIN_ROUNDS;
    campaign->end_ns = budget_s ? campaign->started_ns + budget_s * NS_PER_S : UINT64_MAX;
    if (!budget_s && !campaign->rounds) {
        campaign->rounds = 2 * PLAN_MIN_ROUNDS;
    }
    if (store_reopen(&campaign->store, request->resume) != 0) {
        complain("%s", campaign->store.error);
        return BENCH_IO;
    }
    return measure_and_tell(campaign, request);
}

/* A shard is a cell, named so that every machine reads the same: workload/axis:value/… */
static void print_shards(const struct campaign *campaign) {
    for (size_t i = 0; i < campaign->plan.n; i++) {
        if (campaign->plan.cells[i].n > 0) {
            char *name = cell_name(campaign->plan.cells[i].cell);
            puts(name);
            free(name);
        }
    }
}

static int run(struct campaign *campaign, struct run_request *request) {
    struct choices choices;
    char *error = request->shard ? request_shard(&request->shared, request->shard) : NULL;
    if (error) {
        complain("%s", error);
        free(error);
        return BENCH_USAGE;
    }
    error = request_choices(&request->shared, campaign, &choices);
    error = error ? error : request_plan(&request->shared, campaign, &choices);
    free(choices.items);
    if (error) {
        complain("%s", error);
        free(error);
        return BENCH_USAGE;
    }
    if (request->list_shards) {
        print_shards(campaign);
        return fflush(stdout) == 0 ? BENCH_OK : BENCH_IO;
    }
    request_fit(&request->shared, campaign);
    if (request->dry_run) {
        print_cells(campaign);
        print_plan(campaign, stdout);
        return fflush(stdout) == 0 ? BENCH_OK : BENCH_IO;
    }
    if (request_store(&request->shared, campaign) != 0 ||
        (request->keep_plugins && keep_plugins(campaign) != 0)) {
        return BENCH_IO;
    }
    if (campaign->budget_s > 0) {
        /* What the first plan left out may come back once the real start-up times are known. */
        if (campaign_probe(campaign) != 0) {
            return BENCH_IO;
        }
        for (size_t i = 0; i < campaign->plan.n; i++) {
            for (size_t j = 0; j < campaign->plan.cells[i].n; j++) {
                campaign->plan.cells[i].entries[j].dropped = false;
            }
        }
        campaign->plan.dropped = 0;
        request_fit(&request->shared, campaign);
    }
    if (!request->shared.quiet) {
        print_plan(campaign, stderr);
    }
    return measure_and_tell(campaign, request);
}

int run_main(int argc, char **argv) {
    const struct argp_option *all[] = {options, request_argp.options, NULL};
    struct run_request request = {.resume = NULL};
    struct campaign campaign;
    request_check_options(argv, all);
    request_init(&request.shared);
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    request_begin(&request.shared, &campaign, argc, argv);
    int code = request.resume ? resume(&campaign, &request) : run(&campaign, &request);
    campaign_free(&campaign);
    request_free(&request.shared);
    return code;
}
