/*
 * The command `gate`: has this build become slower than a kept one? Both plug-ins run in paired
 * rounds, now and on this machine; the base is measured twice in each round for the noise floor.
 */
#include "bench/analyse/gate.h"
#include "bench/campaign/commands.h"
#include "bench/campaign/request.h"
#include "bench/campaign/table.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the whole story, the cells that a gate can afford: see story.c. */
#define GATE_RANK_MOST 5

struct gate_request {
    struct request shared;
    const char *base;
    bool strict;
};

struct sides {
    struct choice of[2]; /* new, base */
    char *labels[2];
};

enum { KEY_STRICT = 2048 };

static const struct argp_option options[] = {
    {"strict", KEY_STRICT, 0, 0, "exit 2 when a cell stays undecided", 4},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct gate_request *request = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->shared;
        return 0;
    case KEY_STRICT:
        request->strict = true;
        return 0;
    case ARGP_KEY_ARG:
        if (request->base) {
            complain("gate takes one base, not also '%s'", arg);
            exit(BENCH_USAGE);
        }
        request->base = arg;
        return 0;
    case ARGP_KEY_END:
        if (!request->base) {
            complain("gate wants a base: a run made with --keep-plugins, or a plug-in");
            exit(BENCH_USAGE);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&request_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .args_doc = "BASE",
    .doc = "Tell whether a pool has become slower than it was in BASE: for a project's CI.\v"
           "BASE is a run that was made with --keep-plugins, or a plug-in that was kept:\n\n"
           "  weir-bench run --budget 60 --keep-plugins --name base     on the old commit\n"
           "  weir-bench gate results/base                              on the new one\n"
           "  weir-bench gate old/weir.so -s weir:locked -w wait\n\n"
           "The family of cells is looked at after 12, 18 and 24 rounds at most, and earlier "
           "when all are decided. The looks share an error of 0.5 % for the whole family (signed "
           "ranks, Holm), so that fewer than 1 in 200 gates without a change gives an alarm; a "
           "difference within the margin, max(2 %, twice the A/A floor), is none.\n\n"
           "Exit codes: 0 nothing became slower; 1 a cell did; 2 with --strict: a cell is "
           "undecided; 3 a pool lost a task, ran one twice, hung or crashed; 4 interrupted; "
           "64 bad usage; 66 no such base; 74 input or output failed.",
};

/* The plug-in of the base; NULL with one line told. The caller frees it. */
static char *base_plugin(const char *base, const char *subject) {
    struct stat status;
    int length = (int)strcspn(subject, ":");
    if (stat(base, &status) != 0) {
        complain("no base at %s", base);
        return NULL;
    }
    if (!S_ISDIR(status.st_mode)) {
        return text("%s", base);
    }
    char *kept = text("%s/plugins/%.*s.so", base, length, subject);
    if (access(kept, R_OK) == 0) {
        return kept;
    }
    complain("%s keeps no plug-in of %.*s; make it with weir-bench run --keep-plugins", base,
             length, subject);
    free(kept);
    return NULL;
}

static char *choose(const struct gate_request *request, struct campaign *campaign,
                    const char *subject, const char *plugin, struct sides *sides) {
    const char *colon = strchr(subject, ':');
    char *base = text("%s%s", plugin, colon ? colon : "");
    const char *names[2] = {subject, base};
    char *error = NULL;
    for (size_t i = 0; i < 2 && !error; i++) {
        struct request one = request->shared;
        struct choices found = {0, NULL};
        one.subjects = must(json_pack("[s]", names[i]));
        error = request_choices(&one, campaign, &found);
        json_decref(one.subjects);
        if (!error) {
            sides->of[i] = found.items[0];
            sides->labels[i] = subject_label(&campaign->subjects.items[found.items[0].subject],
                                             found.items[0].variant);
        }
        free(found.items);
    }
    free(base);
    return error;
}

/* The cells: those asked for, or the most important ones of the story. */
static char *plan(struct gate_request *request, struct campaign *campaign,
                  const struct sides *sides) {
    struct choices pair = {2, must_array(2, sizeof(struct choice))};
    bool story = json_object_size(request->shared.axes) == 0;
    memcpy(pair.items, sides->of, sizeof sides->of);
    char *error = request_plan(&request->shared, campaign, &pair);
    size_t kept = 0;
    for (size_t i = 0; !error && i < campaign->plan.n; i++) {
        struct plan_cell *cell = &campaign->plan.cells[i];
        if (story && json_array_size(request->shared.workloads) == 0 &&
            cell->rank > GATE_RANK_MOST) {
            json_decref(cell->cell);
            free(cell->entries);
            continue;
        }
        cell->n = 0; /* the story may pair a side with itself: the base is the one to be */
        plan_add_entry(cell, sides->of[0].subject, sides->of[0].variant, 1, false);
        plan_add_entry(cell, sides->of[1].subject, sides->of[1].variant, 1, false);
        plan_add_entry(cell, sides->of[1].subject, sides->of[1].variant, 1, true);
        campaign->plan.cells[kept++] = *cell;
    }
    campaign->plan.n = error ? campaign->plan.n : kept;
    free(pair.items);
    return error;
}

/* ---- Looking ---- */

struct family {
    size_t n;
    struct gate_cell *cells;
    const json_t **names; /* the cells, in words: see cell_phrase */
    double **ratios;
    double margin;
    double floor;
};

static void family_free(struct family *family) {
    for (size_t i = 0; i < family->n; i++) {
        free(family->ratios[i]);
    }
    free(family->cells);
    free(family->names);
    free(family->ratios);
}

/* What the run holds now; decisions of earlier looks stay. */
static struct family family_of(const struct run *run, const struct sides *sides,
                               const struct family *before) {
    struct family family = {.cells = must_array(run->groups_n, sizeof *family.cells),
                            .names = must_array(run->groups_n, sizeof *family.names),
                            .ratios = must_array(run->groups_n, sizeof *family.ratios)};
    size_t pairs;
    family.floor = run_aa_floor(run, &pairs);
    family.margin = verdict_margin(family.floor);
    for (size_t i = 0; i < run->groups_n; i++) {
        const struct series *a = group_find(&run->groups[i], sides->labels[0]);
        const struct series *b = group_find(&run->groups[i], sides->labels[1]);
        if (!a || !b) {
            continue;
        }
        struct metric metric = metric_of(&run->groups[i]);
        size_t at = family.n++;
        size_t n = series_pairs(a, b, &metric, false, &family.ratios[at]);
        family.names[at] = run->groups[i].cell;
        family.cells[at] = (struct gate_cell){.log_ratios = family.ratios[at],
                                              .n = n,
                                              .verdict = at < before->n ? before->cells[at].verdict
                                                                        : VERDICT_UNRESOLVED};
    }
    return family;
}

static size_t count(const struct family *family, enum verdict verdict) {
    size_t n = 0;
    for (size_t i = 0; i < family->n; i++) {
        n += family->cells[i].verdict == verdict;
    }
    return n;
}

static void print_family(const struct family *family, const struct sides *sides) {
    double open = 0;
    for (size_t i = 0; i < family->n; i++) {
        const struct gate_cell *cell = &family->cells[i];
        char *phrase = cell_phrase(family->names[i]);
        char *where = text("in %s", phrase);
        char *sentence = verdict_sentence(cell->verdict, &cell->log_ratio, family->margin,
                                          sides->labels[0], sides->labels[1], where);
        printf("%-10s %s\n", verdict_name(cell->verdict), sentence);
        open = cell->log_ratio.claims ? fmax(open, -cell->log_ratio.low) : open;
        free(sentence);
        free(where);
        free(phrase);
    }
    printf("gate: %zu cells, %zu slower, %zu undecided; margin %.1f %% (A/A floor %.1f %%); the "
           "intervals leave a slow-down of at most %.1f %% open\n",
           family->n, count(family, VERDICT_SLOWER), count(family, VERDICT_UNRESOLVED),
           100 * expm1(family->margin), 100 * expm1(family->floor), 100 * expm1(open));
}

static void print_json(const struct family *family, size_t rounds) {
    json_t *cells = must(json_array());
    for (size_t i = 0; i < family->n; i++) {
        const struct gate_cell *cell = &family->cells[i];
        json_array_append_new(
            cells,
            must(json_pack("{s:O,s:s,s:I,s:f,s:f}", "cell", family->names[i], "verdict",
                           verdict_name(cell->verdict), "rounds", (json_int_t)cell->n, "ratio",
                           exp(isnan(cell->log_ratio.median) ? 0 : cell->log_ratio.median),
                           "p_holm", cell->holm)));
    }
    json_t *all = must(json_pack("{s:s,s:I,s:f,s:f,s:o}", "verdict",
                                 count(family, VERDICT_SLOWER) ? "SLOWER" : "PASSED", "rounds",
                                 (json_int_t)rounds, "margin", expm1(family->margin), "aa_floor",
                                 expm1(family->floor), "cells", cells));
    json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(all);
}

/* Measures up to the look's rounds and decides. Returns an exit code, or -1: look again. */
static int look_once(const struct gate_request *request, struct campaign *campaign,
                     const struct sides *sides, size_t look, struct family *family) {
    campaign->rounds = gate_rounds[look];
    int error = campaign_measure(campaign);
    struct run run;
    char *problem = NULL;
    if (error != 0 || run_load(&run, campaign->store.directory, &problem) != 0) {
        complain("%s", problem ? problem : "the samples could not be written");
        free(problem);
        return BENCH_IO;
    }
    struct family now = family_of(&run, sides, family);
    family_free(family);
    *family = now;
    bool decided = gate_look(family->cells, family->n, look, family->margin);
    bool last = decided || look + 1 == GATE_LOOKS || campaign->interrupted;
    int code = -1;
    if (last) {
        error =
            campaign_write_meta(campaign, campaign->interrupted ? "interrupted" : "complete", &run);
        if (request->shared.json) {
            print_json(family, campaign->complete_rounds);
        } else {
            print_family(family, sides);
        }
        size_t broken = table_footnotes(&run, request->shared.json ? stderr : stdout);
        code = broken                                                     ? BENCH_BROKEN
               : error != 0 || fflush(stdout) != 0                        ? BENCH_IO
               : campaign->interrupted                                    ? BENCH_INTERRUPTED
               : count(family, VERDICT_SLOWER) > 0                        ? BENCH_SLOWER
               : request->strict && count(family, VERDICT_UNRESOLVED) > 0 ? BENCH_UNRESOLVED
                                                                          : BENCH_OK;
    } else {
        progress_note(&campaign->progress, "after %zu rounds: %zu of %zu cells undecided",
                      campaign->complete_rounds, count(family, VERDICT_UNRESOLVED), family->n);
    }
    /* The names live in the run. */
    for (size_t i = 0; i < family->n; i++) {
        family->names[i] = NULL;
    }
    run_free(&run);
    return code;
}

static int measure(struct gate_request *request, struct campaign *campaign) {
    const json_t *given = json_array_get(request->shared.subjects, 0);
    const char *subject = given ? json_string_value(given) : "weir";
    struct sides sides = {.labels = {NULL, NULL}};
    char *plugin = base_plugin(request->base, subject);
    if (!plugin) {
        return BENCH_NO_INPUT;
    }
    char *error = choose(request, campaign, subject, plugin, &sides);
    error = error ? error : plan(request, campaign, &sides);
    free(plugin);
    int code = -1;
    if (error) {
        complain("%s", error);
        free(error);
        code = BENCH_USAGE;
    } else if (request_store(&request->shared, campaign) != 0) {
        code = BENCH_IO;
    } else {
        struct family family = {0};
        request->shared.rounds = gate_rounds[0];
        request_fit(&request->shared, campaign);
        code = campaign_write_meta(campaign, "running", NULL) != 0 ? BENCH_IO : -1;
        for (size_t look = 0; code < 0; look++) {
            code = look_once(request, campaign, &sides, look, &family);
        }
        family_free(&family);
    }
    free(sides.labels[0]);
    free(sides.labels[1]);
    return code;
}

int gate_main(int argc, char **argv) {
    struct gate_request request = {.base = NULL};
    struct campaign campaign;
    const struct argp_option *all[] = {options, request_argp.options, NULL};
    request_check_options(argv, all);
    request_init(&request.shared);
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    request_begin(&request.shared, &campaign, argc, argv);
    int code = measure(&request, &campaign);
    campaign_free(&campaign);
    request_free(&request.shared);
    return code;
}
