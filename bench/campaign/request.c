#include "bench/campaign/request.h"
#include "bench/campaign/axes.h"
#include "bench/campaign/field.h"
#include "bench/campaign/nearest.h"
#include "bench/campaign/util.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure/machine.h"
#include "bench/measure/rng.h"
#include "bench/measure/clock.h"

#define BUDGET_STANDARD_S 180
#define ROUNDS_STANDARD   12

/* Keys of options without a letter: axes follow at KEY_AXIS, in the order of the table. */
enum key {
    KEY_ROUNDS = 256,
    KEY_MEASURE,
    KEY_WARMUP,
    KEY_BUDGET,
    KEY_RESERVE,
    KEY_SEED,
    KEY_FIELD,
    KEY_SET,
    KEY_OUT,
    KEY_NAME,
    KEY_JSON,
    KEY_AXIS,
};

static const struct argp_option own_options[] = {
    {"workload", 'w', "NAME", 0, "what the pools do; weir-bench list shows them (repeatable)", 1},
    {"subject", 's', "POOL", 0, "name, name:variant, ./my_pool.so or a program (repeatable)", 1},
    {"field", KEY_FIELD, "main|all", 0,
     "where no subject is named: weir and its five most telling rivals (default), or everything",
     1},
    {"set", KEY_SET, "KEY=VALUE", 0, "free setting handed to the subjects (repeatable)", 1},
    {0, 0, 0, 0, "Axes, each a value or a list such as 1,2,4; every combination is measured:", 2},
    {0, 0, 0, 0, "How long and how often:", 3},
    {"budget", KEY_BUDGET, "SECONDS", 0, "whole run (default 180 unless rounds or axes are given)",
     3},
    {"reserve", KEY_RESERVE, "SECONDS", 0, "part of the budget kept for plots and report", 3},
    {"rounds", KEY_ROUNDS, "N", 0, "fresh processes per subject and cell; a claim needs 6", 3},
    {"measure-ms", KEY_MEASURE, "N", 0, "measured part of a process", 3},
    {"warmup-ms", KEY_WARMUP, "N", 0, "discarded part before it", 3},
    {"seed", KEY_SEED, "N", 0, "of the order and the arrivals", 3},
    {0, 0, 0, 0, "Output:", 4},
    {"out", KEY_OUT, "DIR", 0, "run directory (default results/TIME-HOST)", 4},
    {"name", KEY_NAME, "NAME", 0, "name of the run under results/", 4},
    {"json", KEY_JSON, 0, 0, "result as JSON on standard output", 4},
    {"quiet", 'q', 0, 0, "no progress", 4},
    {0},
};

#define OPTIONS_MAX 64
static struct argp_option options[OPTIONS_MAX];

/* The options above and one for each axis. Called once, before any parsing. */
static void fill_options(void) {
    size_t n = 0;
    for (const struct argp_option *o = own_options; o->name || o->doc; o++) {
        options[n++] = *o;
    }
    for (size_t i = 0; i < axes_n && n < OPTIONS_MAX - 1; i++) {
        char *name = text("%s", axes[i].option ? axes[i].option : axes[i].name);
        for (char *c = name; *c; c++) {
            *c = *c == '_' ? '-' : *c;
        }
        options[n++] = (struct argp_option){name, KEY_AXIS + (int)i, "LIST", 0, axes[i].help, 2};
    }
}

void request_init(struct request *request) {
    if (!options[0].name) {
        fill_options();
    }
    *request = (struct request){.workloads = must(json_array()),
                                .axes = must(json_object()),
                                .subjects = must(json_array()),
                                .options = must(json_array()),
                                .warmup_ms = UINT64_MAX,
                                .seed = UINT64_MAX};
}

void request_free(struct request *request) {
    json_decref(request->workloads);
    json_decref(request->axes);
    json_decref(request->subjects);
    json_decref(request->options);
}

uint64_t request_number(const char *option, const char *word, uint64_t least, uint64_t most) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (!isdigit((unsigned char)word[0]) || *end != '\0') {
        complain("--%s: '%s' is not a whole number (%llu to %llu)", option, word,
                 (unsigned long long)least, (unsigned long long)most);
        exit(BENCH_USAGE);
    }
    if (errno != 0 || value < least || value > most) {
        complain("--%s: %s is out of range; the nearest valid value is %llu", option, word,
                 (unsigned long long)(value < least ? least : most));
        exit(BENCH_USAGE);
    }
    return value;
}

static void add_workload(struct request *request, const char *name) {
    const struct workload *found = workload_find(name);
    if (!found || found == &workloads[workloads_n]) {
        const char **names = must_array(workloads_n, sizeof *names);
        for (size_t i = 0; i < workloads_n; i++) {
            names[i] = workloads[i].name;
        }
        complain("no workload '%s'; did you mean '%s'?", name,
                 nearest_name(name, names, workloads_n));
        exit(BENCH_USAGE);
    }
    json_array_append_new(request->workloads, must(json_string(name)));
}

static void add_axis(struct request *request, size_t index, const char *list) {
    char *error = NULL;
    json_t *values = axis_parse(&axes[index], list, &error);
    if (!values) {
        complain("%s", error);
        exit(BENCH_USAGE);
    }
    json_object_set_new(request->axes, axes[index].name, values);
}

static void add_option(struct request *request, const char *word) {
    const char *equals = strchr(word, '=');
    if (!equals || equals == word) {
        complain("--set wants key=value, not '%s'", word);
        exit(BENCH_USAGE);
    }
    json_array_append_new(request->options, must(json_string(word)));
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *request = state->input;
    switch (key) {
    case 'w':
        add_workload(request, arg);
        return 0;
    case 's':
        json_array_append_new(request->subjects, must(json_string(arg)));
        return 0;
    case 'q':
        request->quiet = true;
        return 0;
    case KEY_SET:
        add_option(request, arg);
        return 0;
    case KEY_BUDGET:
        request->budget_s = request_number("budget", arg, 2, 86400);
        return 0;
    case KEY_RESERVE:
        request->reserve_s = request_number("reserve", arg, 0, 3600);
        return 0;
    case KEY_ROUNDS:
        request->rounds = request_number("rounds", arg, 1, 10000);
        return 0;
    case KEY_MEASURE:
        request->measure_ms = request_number("measure-ms", arg, 1, 600000);
        return 0;
    case KEY_WARMUP:
        request->warmup_ms = request_number("warmup-ms", arg, 0, 600000);
        return 0;
    case KEY_SEED:
        request->seed = request_number("seed", arg, 0, INT64_MAX);
        return 0;
    case KEY_FIELD:
        request->whole_field = strcmp(arg, "all") == 0;
        if (!request->whole_field && strcmp(arg, "main") != 0) {
            complain("--field: no field '%s'; there are main and all", arg);
            exit(BENCH_USAGE);
        }
        return 0;
    case KEY_OUT:
        request->out = arg;
        return 0;
    case KEY_NAME:
        if (strchr(arg, '/') || arg[0] == '\0') {
            complain("--name: '%s' is a path; use --out for a directory elsewhere", arg);
            exit(BENCH_USAGE);
        }
        request->name = arg;
        return 0;
    case KEY_JSON:
        request->json = true;
        return 0;
    default:
        if (key >= KEY_AXIS && key < KEY_AXIS + (int)axes_n) {
            add_axis(request, (size_t)(key - KEY_AXIS), arg);
            return 0;
        }
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp request_argp = {.options = options, .parser = parse};

/* argp's own options, which no table holds. */
static const char *const common_options[] = {"help", "usage"};

void request_check_options(char **argv, const struct argp_option *const *tables) {
    if (!options[0].name) {
        fill_options();
    }
    const char *names[2 * OPTIONS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        names[n++] = common_options[i];
    }
    for (; *tables; tables++) {
        for (const struct argp_option *o = *tables; o->name || o->doc; o++) {
            if (o->name && n < 2 * OPTIONS_MAX) {
                names[n++] = o->name;
            }
        }
    }
    for (char **arg = argv + 1; *arg && strcmp(*arg, "--") != 0; arg++) {
        if (strncmp(*arg, "--", 2) != 0) {
            continue;
        }
        char *name = text("%.*s", (int)strcspn(*arg + 2, "="), *arg + 2);
        bool known = false;
        for (size_t i = 0; i < n; i++) {
            known = known || strncmp(names[i], name, strlen(name)) == 0;
        }
        if (!known) {
            complain("no option --%s; did you mean --%s?", name, nearest_name(name, names, n));
            exit(BENCH_USAGE);
        }
        free(name);
    }
}

static void choose(struct choices *choices, size_t subject, size_t variant) {
    for (size_t i = 0; i < choices->n; i++) {
        if (choices->items[i].subject == subject && choices->items[i].variant == variant) {
            return;
        }
    }
    choices->items = must_grow(choices->items, choices->n + 1, sizeof *choices->items);
    choices->items[choices->n++] = (struct choice){subject, variant};
}

static char *choose_named(struct campaign *campaign, struct choices *choices, const char *what) {
    size_t subject;
    size_t variant = SIZE_MAX;
    char *error = NULL;
    if (strchr(what, '/') || (strlen(what) > 3 && strcmp(what + strlen(what) - 3, ".so") == 0)) {
        const char *colon = strrchr(what, ':');
        char *path = text("%.*s", colon ? (int)(colon - what) : (int)strlen(what), what);
        error = subjects_add(&campaign->subjects, path, campaign->cancel_fd);
        subject = campaign->subjects.n - 1;
        free(path);
        if (!error && colon) {
            char *full = text("%s%s", campaign->subjects.items[subject].name, colon);
            error = subjects_resolve(&campaign->subjects, full, &subject, &variant);
            free(full);
        }
    } else {
        error = subjects_resolve(&campaign->subjects, what, &subject, &variant);
    }
    for (size_t v = 0; !error && v < subject_variants(&campaign->subjects.items[subject]); v++) {
        if (variant == SIZE_MAX || variant == v) {
            choose(choices, subject, v);
        }
    }
    return error;
}

char *request_choices(const struct request *request, struct campaign *campaign,
                      struct choices *choices) {
    *choices = (struct choices){0, NULL};
    if (json_array_size(request->subjects) == 0) {
        *choices =
            request->whole_field ? field_all(&campaign->subjects) : field_main(&campaign->subjects);
        return choices->n ? NULL : text("no subject can be measured; see weir-bench list");
    }
    for (size_t i = 0; i < json_array_size(request->subjects); i++) {
        const char *what = json_string_value(json_array_get(request->subjects, i));
        char *error = choose_named(campaign, choices, what);
        if (error) {
            return error;
        }
    }
    return NULL;
}

/* All combinations of the axes from index on; each ends up in the plan as one cell. */
static void product(const struct request *request, struct campaign *campaign,
                    const struct choices *choices, const struct workload *workload, size_t index,
                    json_t *cell) {
    const char *name = workload->axes[index];
    if (!name) {
        struct plan_cell *added = plan_add_cell(&campaign->plan, json_deep_copy(cell));
        for (size_t i = 0; i < choices->n; i++) {
            plan_add_entry(added, choices->items[i].subject, choices->items[i].variant, 1, false);
        }
        return;
    }
    const json_t *values = json_object_get(request->axes, name);
    const struct axis *axis = axis_find(name);
    if (!values && axis->optional) {
        product(request, campaign, choices, workload, index + 1, cell);
        return;
    }
    for (size_t i = 0; i < (values ? json_array_size(values) : 1); i++) {
        json_t *value =
            values ? json_incref(json_array_get(values, i)) : axis_default(axis, campaign->cpus);
        json_object_set_new(cell, name, value);
        product(request, campaign, choices, workload, index + 1, cell);
        json_object_del(cell, name);
    }
}

char *request_shard(struct request *request, const char *shard) {
    char *copy = text("%s", shard);
    char *rest = copy;
    char *word = strsep(&rest, "/");
    char *error = NULL;
    const struct workload *workload = workload_find(word);
    if (json_array_size(request->workloads) > 0 || json_object_size(request->axes) > 0) {
        error = text("--run-shard names the workload and its axes; give no others");
    } else if (!workload || workload == &workloads[workloads_n]) {
        error = text("no shard '%s': no workload '%s'; see run --list-shards", shard, word);
    } else {
        json_array_append_new(request->workloads, must(json_string(word)));
    }
    while (!error && (word = strsep(&rest, "/")) != NULL) {
        char *value = word + strcspn(word, ":");
        bool has_value = *value == ':';
        *value = '\0';
        const struct axis *axis = axis_find(word);
        if (!has_value || !axis || !workload_has(workload, word)) {
            error =
                text("no shard '%s': workload %s has no axis '%s'", shard, workload->name, word);
            break;
        }
        json_t *values = axis_parse(axis, value + 1, &error);
        if (values) {
            json_object_set_new(request->axes, word, values);
        }
    }
    free(copy);
    return error;
}

/* An axis that no workload asked for has is a mistake, not something to ignore. */
static char *stray_axis(const struct request *request) {
    const char *name;
    json_t *values;
    json_object_foreach(request->axes, name, values) {
        bool used = false;
        for (size_t i = 0; i < json_array_size(request->workloads); i++) {
            const char *workload = json_string_value(json_array_get(request->workloads, i));
            used = used || workload_has(workload_find(workload), name);
        }
        if (!used) {
            const char *workload = json_string_value(json_array_get(request->workloads, 0));
            const struct workload *first = workload_find(workload);
            size_t n = 0;
            while (first->axes[n]) {
                n++;
            }
            return text("workload %s has no axis '%s'; did you mean '%s'?", workload, name,
                        nearest_name(name, first->axes, n));
        }
    }
    return NULL;
}

char *request_plan(const struct request *request, struct campaign *campaign,
                   const struct choices *choices) {
    size_t n = json_array_size(request->workloads);
    if (json_object_size(request->axes) == 0) {
        const char **only = must_array(n + 1, sizeof *only);
        for (size_t i = 0; i < n; i++) {
            only[i] = json_string_value(json_array_get(request->workloads, i));
        }
        story_plan(&campaign->plan, &campaign->subjects, choices, campaign->cpus, n ? only : NULL);
        free(only);
        return NULL;
    }
    if (n == 0) {
        return text("axes need a workload, such as --workload throughput; see weir-bench list");
    }
    char *error = stray_axis(request);
    for (size_t i = 0; !error && i < n; i++) {
        const char *name = json_string_value(json_array_get(request->workloads, i));
        json_t *cell = must(json_pack("{s:s}", "workload", name));
        product(request, campaign, choices, workload_find(name), 0, cell);
        json_decref(cell);
    }
    return error;
}

void request_begin(const struct request *request, struct campaign *campaign, int argc,
                   char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *campaign = (struct campaign){.started_ns = clock_now_ns(),
                                  .cancel_fd = campaign_signals(),
                                  .options = json_incref(request->options),
                                  .command = must(json_array()),
                                  .cpus = machine_cpus(),
                                  .machine = must(machine_describe()),
                                  .machine_start = must(machine_state()),
                                  .started = campaign_time(),
                                  .store = {.fd = -1}};
    uint64_t drawn = rng_mix((uint64_t)now.tv_nsec, (uint64_t)now.tv_sec ^ (uint64_t)getpid());
    campaign->seed = request->seed == UINT64_MAX ? drawn & INT64_MAX : request->seed;
    json_array_append_new(campaign->command, must(json_string("weir-bench")));
    json_array_append_new(campaign->command, must(json_string(strchr(argv[0], ' ') + 1)));
    for (int i = 1; i < argc; i++) {
        /* How the caller learns where the run is has no part in repeating it. */
        bool path_file = strncmp(argv[i], "--path-file", strlen("--path-file")) == 0;
        if (!path_file) {
            json_array_append_new(campaign->command, must(json_string(argv[i])));
        }
    }
    progress_start(&campaign->progress, request->quiet);
    subjects_find(&campaign->subjects, campaign->cancel_fd);
}

void request_fit(const struct request *request, struct campaign *campaign) {
    bool by_hand = json_object_size(request->axes) > 0;
    campaign->budget_s = request->budget_s;
    campaign->rounds = request->rounds;
    if (campaign->budget_s == 0 && campaign->rounds == 0) {
        campaign->budget_s = by_hand ? 0 : BUDGET_STANDARD_S;
        campaign->rounds = by_hand ? ROUNDS_STANDARD : 0;
    }
    uint64_t reserve_s = request->reserve_s;
    reserve_s = reserve_s > campaign->budget_s / 2 ? campaign->budget_s / 2 : reserve_s;
    campaign->end_ns = campaign->budget_s
                           ? campaign->started_ns + (campaign->budget_s - reserve_s) * NS_PER_S
                           : UINT64_MAX;
    campaign->min_rounds = campaign->rounds ? campaign->rounds : PLAN_MIN_ROUNDS;
    if (campaign->min_rounds > PLAN_MIN_ROUNDS) {
        campaign->min_rounds = PLAN_MIN_ROUNDS;
    }
    uint64_t now = clock_now_ns();
    uint64_t left_ns = campaign->end_ns > now ? campaign->end_ns - now : 1;
    const struct plan_limits limits = {
        /* Room for the scatter of start-up times; what stays over goes to more rounds. */
        .budget_ns = campaign->budget_s ? left_ns / 100 * 90 : 0,
        .measure_ns = request->measure_ms * NS_PER_MS,
        .warmup_ns = request->warmup_ms == UINT64_MAX ? UINT64_MAX : request->warmup_ms * NS_PER_MS,
        .min_rounds = campaign->min_rounds,
    };
    plan_fit(&campaign->plan, &campaign->subjects, &limits);
}

int request_store(const struct request *request, struct campaign *campaign) {
    char *name = request->name ? text("%s", request->name) : campaign_default_name();
    char *path = request->out ? text("%s", request->out) : text("results/%s", name);
    int error = store_create(&campaign->store, path);
    if (error == -EEXIST) {
        complain("%s already holds a run; give another --name or --out, or go on with --resume %s",
                 path, path);
    } else if (error != 0) {
        complain("%s", campaign->store.error);
    }
    free(path);
    free(name);
    return error;
}
