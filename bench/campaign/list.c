/*
 * The command `list`: workloads with their axes, subjects with their variants, and what is
 * missing.
 */
#include "bench/campaign/commands.h"
#include "bench/campaign/request.h"
#include "bench/campaign/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/campaign/axes.h"
#include "bench/measure/machine.h"

static const struct argp_option options[] = {
    {"json", 'j', 0, 0, "as JSON", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    bool *json = state->input;
    switch (key) {
    case 'j':
        *json = true;
        return 0;
    case ARGP_KEY_ARG:
        complain("list takes no argument '%s'", arg);
        exit(BENCH_USAGE);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Show the workloads with their axes, and the subjects with their configurations.",
};

static json_t *axis_json(const struct axis *axis, unsigned cpus) {
    json_t *json = must(json_pack("{s:s,s:s,s:o}", "name", axis->name, "help", axis->help,
                                  "default", axis_default(axis, cpus)));
    if (!axis->choices[0]) {
        json_object_set_new(json, "least", must(json_integer(axis->least)));
        json_object_set_new(json, "most", must(json_integer(axis->most)));
        json_object_set_new(json, "unit", must(json_string(axis->unit)));
        return json;
    }
    json_t *choices = must(json_array());
    for (size_t i = 0; axis->choices[i]; i++) {
        json_array_append_new(choices, must(json_string(axis->choices[i])));
    }
    json_object_set_new(json, "choices", choices);
    return json;
}

static json_t *to_json(const struct subject_list *subjects, unsigned cpus) {
    json_t *works = must(json_array());
    for (size_t i = 0; i < workloads_n; i++) {
        json_t *list = must(json_array());
        for (size_t j = 0; workloads[i].axes[j]; j++) {
            json_array_append_new(list, axis_json(axis_find(workloads[i].axes[j]), cpus));
        }
        json_array_append_new(works, must(json_pack("{s:s,s:s,s:o}", "name", workloads[i].name,
                                                    "help", workloads[i].help, "axes", list)));
    }
    json_t *pools = must(json_array());
    for (size_t i = 0; i < subjects->n; i++) {
        const struct subject *subject = &subjects->items[i];
        json_t *json = subject->description ? must(json_deep_copy(subject->description))
                                            : must(json_pack("{s:s}", "name", subject->name));
        json_object_set_new(json, "available", json_boolean(!subject->absent));
        if (subject->absent) {
            json_object_set_new(json, "why", must(json_string(subject->absent)));
        }
        if (subject->absent && subject->package) {
            json_object_set_new(json, "package", must(json_string(subject->package)));
        }
        json_array_append_new(pools, json);
    }
    return must(json_pack("{s:o,s:o}", "workloads", works, "subjects", pools));
}

static void print_axis(const struct axis *axis, unsigned cpus) {
    if (axis->choices[0]) {
        printf("    %-12s %s:", axis->name, axis->help);
        for (size_t i = 0; axis->choices[i]; i++) {
            printf(" %s", axis->choices[i]);
        }
        putchar('\n');
        return;
    }
    json_t *standard = axis_default(axis, cpus);
    char *shown = axis_value_text(axis, standard);
    printf("    %-12s %s: %lld to %lld%s%s, default %s\n", axis->name, axis->help,
           (long long)axis->least, (long long)axis->most, axis->unit[0] ? " " : "", axis->unit,
           axis->optional ? "none" : shown);
    free(shown);
    json_decref(standard);
}

static const char *string_in(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static void print_subject(const struct subject *subject) {
    if (subject->absent) {
        printf("  %-10s not available: %s%s%s\n", subject->name, subject->absent,
               subject->package ? "; package " : "", subject->package ? subject->package : "");
        return;
    }
    printf("  %-10s %s  %s\n", subject->name, string_in(subject->description, "version"),
           string_in(subject->description, "notes"));
    const json_t *variants = json_object_get(subject->description, "variants");
    for (size_t i = 0; i < json_array_size(variants); i++) {
        const json_t *variant = json_array_get(variants, i);
        char *label = subject_label(subject, i);
        printf("    %-24s %-5s %-11s %s\n", label, string_in(variant, "order"),
               string_in(variant, "full"), string_in(variant, "notes"));
        free(label);
    }
    const json_t *capabilities = json_object_get(subject->description, "capabilities");
    for (size_t i = 0; i < json_array_size(capabilities); i++) {
        printf("%s%s", i == 0 ? "    can: " : ", ",
               json_string_value(json_array_get(capabilities, i)));
    }
    if (json_array_size(capabilities) > 0) {
        putchar('\n');
    }
}

int list_main(int argc, char **argv) {
    bool json = false;
    request_check_options(argv, (const struct argp_option *const[]){options, NULL});
    argp_parse(&argp, argc, argv, 0, NULL, &json);
    struct subject_list subjects;
    unsigned cpus = machine_cpus();
    subjects_find(&subjects, -1);
    int failed = 0;
    if (json) {
        json_t *all = to_json(&subjects, cpus);
        failed = json_dumpf(all, stdout, JSON_INDENT(1)) != 0 || putchar('\n') == EOF;
        json_decref(all);
    } else {
        puts("Workloads and their axes");
        for (size_t i = 0; i < workloads_n; i++) {
            printf("  %-10s %s\n", workloads[i].name, workloads[i].help);
            for (size_t j = 0; workloads[i].axes[j]; j++) {
                print_axis(axis_find(workloads[i].axes[j]), cpus);
            }
        }
        puts("\nSubjects and their configurations");
        printf("    %-24s %-5s %-11s %s\n", "", "order", "when full", "settings");
        for (size_t i = 0; i < subjects.n; i++) {
            print_subject(&subjects.items[i]);
        }
    }
    failed = failed || fflush(stdout) != 0 || ferror(stdout);
    subjects_free(&subjects);
    return failed ? BENCH_IO : BENCH_OK;
}
