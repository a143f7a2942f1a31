/*
 * weir-bench: one program, one command at a time.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/campaign/commands.h"
#include "bench/campaign/nearest.h"
#include "bench/campaign/subjects.h"
#include "bench/campaign/util.h"
#include "bench/cell.h"

static const struct command {
    const char *name;
    const char *help; /* NULL: hidden, for weir-bench itself */
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", "measure pools and print tables and verdicts", run_main},
    {"list", "show workloads, their axes, and the pools that can be measured", list_main},
    {"compare", "tell whether A is faster than B: two pools, or two runs", compare_main},
    {"gate", "tell whether a pool has become slower than a kept build: for CI", gate_main},
    {"merge", "join runs into one", merge_main},
    {"top", "watch a run that goes on", top_main},
    {"export", "write a run as CSV, hgrm, Google Benchmark JSON or Go benchfmt", export_main},
    {"cell", NULL, cell_main},
    {"describe", NULL, describe_main},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static int help(FILE *out) {
    fputs("Usage: weir-bench COMMAND [OPTION...]\n\n"
          "Measures thread pools, each in fresh processes, and says what the figures allow.\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].help) {
            fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
        }
    }
    fputs("\nweir-bench COMMAND --help tells all options of a command.\n\n"
          "Exit codes: 0 done (compare: A FASTER or SAME); 1 compare: SLOWER; 2 compare:\n"
          "UNRESOLVED; 3 a subject lost a task, ran one twice, hung or crashed; 4 interrupted;\n"
          "64 bad usage; 66 no such run; 70 out of memory; 74 input or output failed.\n",
          out);
    return fflush(out) == 0 ? BENCH_OK : BENCH_IO;
}

static int unknown(const char *name) {
    const char *names[COMMANDS];
    size_t n = 0;
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].help) {
            names[n++] = commands[i].name;
        }
    }
    complain("no command '%s'; did you mean '%s'?", name, nearest_name(name, names, n));
    return BENCH_USAGE;
}

int main(int argc, char **argv) {
    argp_err_exit_status = BENCH_USAGE;
    if (argc < 2) {
        help(stderr);
        return BENCH_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        return help(stdout);
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            /* What --help calls the program; the command's own messages need no prefix. */
            char *name = text("weir-bench %s", argv[1]);
            argv[1] = name;
            int code = commands[i].run(argc - 1, argv + 1);
            free(name);
            return code;
        }
    }
    return unknown(argv[1]);
}
