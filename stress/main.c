/*
 * weir-stress: attacks a pool's promises.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stress/child.h"
#include "stress/episode.h"
#include "stress/fault.h"
#include "stress/names.h"
#include "stress/plan.h"
#include "stress/supervise.h"

enum key {
    KEY_SUBJECT = 0x100,
    KEY_SCENARIO,
    KEY_CONFIG,
    KEY_SET,
    KEY_BUDGET,
    KEY_SEED,
    KEY_WORKERS,
    KEY_CAPACITY,
    KEY_PRODUCERS,
    KEY_FULL,
    KEY_PERTURB,
    KEY_FAULT,
    KEY_RUNNER,
    KEY_HANG,
    KEY_QUIET,
    KEY_REPORT,
};

static const char doc[] =
    "Attacks the promises of a thread pool and reports each broken one by name, with a command "
    "that repeats it.\v"
    "Commands:\n"
    "  run      scenarios against a subject, in many short episodes, until the budget is spent or "
    "something is found\n"
    "  list     scenarios, and which of them apply to a subject\n"
    "  replay   one episode again and again; a finding prints the whole line\n"
    "\n"
    "An episode is one life of a pool: opened with a shape (workers x capacity x producers), "
    "attacked by one scenario, closed. Without further options every shape, configuration and "
    "scenario takes its turn. Delays drawn from the seed disturb the schedule at synchronisation "
    "points.\n"
    "\n"
    "Examples:\n"
    "  weir-stress run --subject=build/stress/subjects/weir.so --budget=30\n"
    "  weir-stress run --subject=./my_pool.so --scenario=lost_wakeup --workers=2,8 --capacity=1\n"
    "  weir-stress list --subject=./my_pool.so\n"
    "\n"
    "Exit codes:\n"
    "  0    nothing found\n"
    "  1    the harness itself could not go on\n"
    "  2    the options or the subject cannot be used\n"
    "  3    TSAN-UNAVAILABLE, ASAN-UNAVAILABLE: the runner's sanitizer does not report what is "
    "planted for it\n"
    "  4    INCONCLUSIVE: nothing found, and a scenario never reached what it attacks\n"
    "  10   RACE            14  HANG            18  ORDER      22  UNDEFINED\n"
    "  11   LOST            15  DEADLOCK        19  STARVED\n"
    "  12   DOUBLE          16  LEAK            20  CRASH\n"
    "  13   EARLY-IDLE      17  USE-AFTER-FREE  21  WRONG (an answer that the contract forbids)\n"
    "  130  interrupted; what was covered is printed\n";

static const struct argp_option options[] = {
    {"subject", KEY_SUBJECT, "FILE.so", 0, "the pool under test; see bench/subject.h", 0},
    {"scenario", KEY_SCENARIO, "NAME,...", 0, "only these; default all that apply", 0},
    {"config", KEY_CONFIG, "NAME", 0, "only this configuration of the subject", 0},
    {"set", KEY_SET, "KEY=VALUE", 0, "an option for the subject; may be repeated", 0},
    {"budget", KEY_BUDGET, "SECONDS", 0, "time to spend; default 60, replay 30", 0},
    {"seed", KEY_SEED, "NUMBER", 0, "of shapes, choices and delays; default from the clock", 0},
    {"workers", KEY_WORKERS, "N,...", 0, "default 1,2,3,8", 1},
    {"capacity", KEY_CAPACITY, "N,...", 0, "bound of the queue; 0: none; default 1,2,64,0", 1},
    {"producers", KEY_PRODUCERS, "N,...", 0, "default 1,2,3,8; at most 8", 1},
    {"full", KEY_FULL, "POLICY", 0, "replay: block, reject or caller-runs", 1},
    {"perturb", KEY_PERTURB, "LEVEL", 0, "delays: 0 none to 3 many; default drawn an episode", 1},
    {"fault", KEY_FAULT, "NAME", 0, "of the surroundings; `list` shows them; default drawn", 1},
    {"runner", KEY_RUNNER, "PROGRAM", 0,
     "the weir-stress of another build, sanitized perhaps, that runs the episodes", 2},
    {"hang-limit", KEY_HANG, "SECONDS", 0,
     "time without progress that is a hang; default 10, under a sanitizer 40", 2},
    {"report", KEY_REPORT, "FOLDER", 0, "also write report.txt and report.html there", 2},
    {"quiet", KEY_QUIET, NULL, 0, "no summary; a finding is still printed", 2},
    {NULL, 0, NULL, 0, NULL, 0},
};

/* ---- Values -------------------------------------------------------------------------------- */

static unsigned long long number(struct argp_state *state, const char *option, const char *text,
                                 unsigned long long least, unsigned long long most) {
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < least ||
        value > most) {
        argp_failure(state, VERDICT_USAGE, 0, "--%s=%s: a number from %llu to %llu is needed",
                     option, text, least, most);
    }
    return value;
}

static double seconds(struct argp_state *state, const char *option, const char *text) {
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value > 0) || value > 1e6) {
        argp_failure(state, VERDICT_USAGE, 0, "--%s=%s: a number of seconds is needed", option,
                     text);
    }
    return value;
}

/* Splits at commas; calls add for each part. */
static void each_part(struct argp_state *state, const char *option, char *text,
                      void (*add)(struct argp_state *, const char *, const char *, void *),
                      void *to) {
    char *rest = NULL;
    for (char *part = strtok_r(text, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest)) {
        add(state, option, part, to);
    }
}

struct list {
    unsigned values[BOARD_LIST];
    unsigned count;
    unsigned least, most;
};

static void add_number(struct argp_state *state, const char *option, const char *part, void *to) {
    struct list *list = to;
    if (list->count == BOARD_LIST) {
        argp_failure(state, VERDICT_USAGE, 0, "--%s: at most %d values", option, BOARD_LIST);
    }
    list->values[list->count++] = (unsigned)number(state, option, part, list->least, list->most);
}

static struct list numbers(struct argp_state *state, const char *option, char *text, unsigned least,
                           unsigned most) {
    struct list list = {.least = least, .most = most};
    each_part(state, option, text, add_number, &list);
    if (list.count == 0) {
        argp_failure(state, VERDICT_USAGE, 0, "--%s: a list of numbers is needed, as in 1,2,8",
                     option);
    }
    return list;
}

static void set_full(struct argp_state *state, struct settings *s, const char *policy) {
    static const char *const names[] = {"block", "reject", "caller-runs"};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(policy, names[i]) == 0) {
            snprintf(s->full, sizeof(s->full), "%s", policy);
            return;
        }
    }
    const char *nearest = names_nearest(policy, names, 3);
    argp_failure(state, VERDICT_USAGE, 0, "--full=%s: block, reject or caller-runs%s%s%s", policy,
                 nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                 nearest != NULL ? "?" : "");
}

static void set_fault(struct argp_state *state, struct settings *s, const char *name) {
    const char *names[FAULTS];
    for (unsigned i = 0; i < FAULTS; i++) {
        names[i] = fault_rows[i].name;
    }
    if (fault_find(name) == FAULTS) {
        const char *nearest = names_nearest(name, names, FAULTS);
        argp_failure(state, VERDICT_USAGE, 0, "--fault=%s: no such fault%s%s%s", name,
                     nearest != NULL ? "; did you mean " : "; `weir-stress list` shows them",
                     nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    }
    snprintf(s->fault, sizeof(s->fault), "%s", name);
}

static void add_option(struct argp_state *state, struct settings *s, const char *text) {
    if (s->option_count == BOARD_OPTIONS || strlen(text) >= sizeof(s->options[0])) {
        argp_failure(state, VERDICT_USAGE, 0, "--set: at most %d options of %zu characters",
                     BOARD_OPTIONS, sizeof(s->options[0]) - 1);
    }
    snprintf(s->options[s->option_count++], sizeof(s->options[0]), "%s", text);
}

/* ---- The command line ---------------------------------------------------------------------- */

static void set_shape(struct argp_state *state, struct settings *s, int key, char *arg) {
    struct list list;
    if (key == KEY_WORKERS) {
        list = numbers(state, "workers", arg, 1, 64);
        memcpy(s->workers, list.values, sizeof(s->workers));
        s->worker_count = list.count;
    } else if (key == KEY_PRODUCERS) {
        list = numbers(state, "producers", arg, 1, EPISODE_MOST_PRODUCERS);
        memcpy(s->producers, list.values, sizeof(s->producers));
        s->producer_count = list.count;
    } else {
        list = numbers(state, "capacity", arg, 0, 1024);
        for (unsigned i = 0; i < list.count; i++) {
            s->capacities[i] = list.values[i];
        }
        s->capacity_count = list.count;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct order *order = state->input;
    struct settings *s = &order->settings;
    switch (key) {
    case KEY_SUBJECT:
        if (strlen(arg) >= sizeof(s->subject)) {
            argp_failure(state, VERDICT_USAGE, 0, "--subject: the path is too long");
        }
        snprintf(s->subject, sizeof(s->subject), "%s", arg);
        return 0;
    case KEY_SCENARIO:
        if (arg[0] == '\0' || strlen(arg) >= sizeof(s->wanted)) {
            argp_failure(state, VERDICT_USAGE, 0, "--scenario: names of scenarios are needed");
        }
        snprintf(s->wanted, sizeof(s->wanted), "%s", arg);
        return 0;
    case KEY_CONFIG:
        snprintf(s->variant, sizeof(s->variant), "%s", arg);
        return 0;
    case KEY_SET:
        add_option(state, s, arg);
        return 0;
    case KEY_BUDGET:
        order->budget_s = seconds(state, "budget", arg);
        return 0;
    case KEY_SEED:
        s->seed = number(state, "seed", arg, 0, UINT64_MAX);
        return 0;
    case KEY_WORKERS:
    case KEY_CAPACITY:
    case KEY_PRODUCERS:
        set_shape(state, s, key, arg);
        return 0;
    case KEY_FULL:
        set_full(state, s, arg);
        return 0;
    case KEY_PERTURB:
        s->perturb = (int)number(state, "perturb", arg, 0, PERTURB_LEVELS - 1);
        return 0;
    case KEY_FAULT:
        set_fault(state, s, arg);
        return 0;
    case KEY_RUNNER:
        order->runner = arg;
        return 0;
    case KEY_HANG:
        order->hang_limit_s = seconds(state, "hang-limit", arg);
        return 0;
    case KEY_REPORT:
        order->report = arg;
        return 0;
    case KEY_QUIET:
        order->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_failure(state, VERDICT_USAGE, 0, "%s: options begin with --; try --help", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {options, parse, "run|list|replay", doc, NULL, NULL, NULL};

/* ---- Commands ------------------------------------------------------------------------------ */

static void list_scenarios(const struct description *d) {
    for (unsigned i = 0; d == NULL && i < scenario_count(); i++) {
        printf("%-22s  %s\n", scenario_at(i)->name, scenario_at(i)->invariant);
    }
    for (unsigned i = 0; d != NULL && i < d->scenario_count; i++) {
        printf("%-22s  %s\n", d->scenarios[i].name, d->scenarios[i].invariant);
        if (d->scenarios[i].lacks[0] != '\0') {
            printf("%-22s  not applicable: %s\n", "", d->scenarios[i].lacks);
        }
    }
}

static void list_faults(void) {
    printf("\nfaults of the surroundings, with what a correct pool may do and may not:\n");
    for (unsigned i = 1; i < FAULTS; i++) {
        const struct fault_row *row = &fault_rows[i];
        printf("%-22s  %s; allowed: %s; forbidden: %s\n", row->name, row->done, row->allowed,
               row->forbidden);
    }
}

static int command_list(struct order *order) {
    struct run run;
    if (order->settings.subject[0] == '\0') {
        list_scenarios(NULL);
        list_faults();
        return VERDICT_NOTHING;
    }
    int code = supervise_open(&run, order);
    if (code == VERDICT_NOTHING) {
        const struct description *d = &run.board->description;
        printf("%s %s: %s\n", d->name, d->version, d->notes);
        for (unsigned i = 0; i < d->variant_count; i++) {
            printf("%s%s", i == 0 ? "configurations: " : ", ", d->variants[i]);
        }
        printf("%s", d->variant_count != 0 ? "\n" : "");
        list_scenarios(d);
        list_faults();
    }
    supervise_close(&run);
    return code;
}

static bool config_exists(const struct description *d, const char *wanted) {
    const char *names[BOARD_LIST];
    for (unsigned i = 0; i < d->variant_count; i++) {
        names[i] = d->variants[i];
        if (strcmp(wanted, names[i]) == 0) {
            return true;
        }
    }
    if (wanted[0] == '\0' || (d->variant_count == 0 && strcmp(wanted, "default") == 0)) {
        return true;
    }
    const char *nearest = names_nearest(wanted, names, d->variant_count);
    fprintf(stderr, "weir-stress: --config=%s: %s has no such configuration%s%s%s\n", wanted,
            d->name, nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
    return false;
}

static bool something_applies(const struct settings *s, const struct description *d) {
    for (unsigned i = 0; i < d->scenario_count; i++) {
        if ((s->scenarios & (UINT64_C(1) << i)) != 0 && d->scenarios[i].lacks[0] == '\0') {
            return true;
        }
    }
    fprintf(stderr, "weir-stress: no chosen scenario applies to %s:\n", d->name);
    for (unsigned i = 0; i < d->scenario_count; i++) {
        if ((s->scenarios & (UINT64_C(1) << i)) != 0) {
            fprintf(stderr, "  %s: %s\n", d->scenarios[i].name, d->scenarios[i].lacks);
        }
    }
    return false;
}

static int command_run(struct order *order) {
    struct run run;
    if (order->settings.subject[0] == '\0') {
        fprintf(stderr, "weir-stress: --subject=FILE.so is needed; see --help\n");
        return VERDICT_USAGE;
    }
    int code = supervise_open(&run, order);
    if (code == VERDICT_NOTHING) {
        const struct description *d = &run.board->description;
        bool usable =
            config_exists(d, order->settings.variant) && something_applies(&run.board->settings, d);
        code = usable ? supervise_run(&run) : VERDICT_USAGE;
    }
    supervise_close(&run);
    return code;
}

static int command_replay(struct order *order) {
    struct settings *s = &order->settings;
    if (s->worker_count != 1 || s->capacity_count != 1 || s->producer_count != 1 ||
        s->wanted[0] == '\0' || strchr(s->wanted, ',') != NULL) {
        fprintf(stderr, "weir-stress: replay needs the whole line that a finding printed: one "
                        "scenario, workers, capacity, producers, seed\n");
        return VERDICT_USAGE;
    }
    s->replay = true;
    return command_run(order);
}

static int hidden_command(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int board_fd);
    } hidden[] = {
        {"episodes", child_episodes}, {"planted", child_planted}, {"describe", child_describe}};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]) && argc == 3; i++) {
        if (strcmp(argv[1], hidden[i].name) == 0) {
            return hidden[i].run(atoi(argv[2]));
        }
    }
    return -1;
}

static uint64_t seed_of_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return stress_mix((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) >> 16;
}

int main(int argc, char **argv) {
    static const char *const commands[] = {"run", "list", "replay"};
    static int (*const call[])(struct order *) = {command_run, command_list, command_replay};
    static struct order order;
    int code = hidden_command(argc, argv);
    if (code >= 0) {
        return code;
    }
    argp_err_exit_status = VERDICT_USAGE;
    settings_default(&order.settings);
    order.settings.seed = seed_of_clock();
    order.program = argv[0];
    const char *command = argc > 1 ? argv[1] : "";
    size_t which = 0;
    while (which < 3 && strcmp(command, commands[which]) != 0) {
        which++;
    }
    if (which == 3 && command[0] != '-') {
        const char *nearest = names_nearest(command, commands, 3);
        fprintf(stderr, "weir-stress: %s%s%s%s; commands are run, list and replay, see --help\n",
                command[0] != '\0' ? command : "a command is needed",
                nearest != NULL && command[0] != '\0' ? ": did you mean " : "",
                nearest != NULL && command[0] != '\0' ? nearest : "",
                nearest != NULL && command[0] != '\0' ? "?" : "");
        return VERDICT_USAGE;
    }
    order.budget_s = which == 2 ? 30 : 60;
    argp_parse(&parser, argc - (which < 3), argv + (which < 3), 0, NULL, &order);
    if (which == 3) {
        fprintf(stderr, "weir-stress: a command is needed first: run, list or replay\n");
        return VERDICT_USAGE;
    }
    return call[which](&order);
}
