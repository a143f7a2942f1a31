/*
 * What a plug-in is and can do, in the form in which programs answer --describe.
 */
#include "bench/campaign/subjects.h"
#include "bench/campaign/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/campaign/axes.h"
#include "bench/plugin.h"

static json_t *patterns_of(const struct weir_subject *subject, uint32_t lacks) {
    uint32_t capabilities = subject->capabilities & ~lacks;
    const struct {
        const char *name;
        bool offered;
    } patterns[] = {
        {"block", subject->async != NULL},
        {"timed", subject->async && !(capabilities & WEIR_SUBJECT_UNTIMED)},
        {"poll", subject->async && subject->poll},
        {"callback", subject->async && subject->on_done},
        {"any", subject->async && subject->wait_any},
        {"all", subject->async && subject->wait_all},
        /* Without NESTED it depends on the cell: there must be more workers than waits. */
        {"nested", subject->async && (capabilities & WEIR_SUBJECT_FROM_TASK)},
        {"signal", true},
    };
    json_t *names = must(json_array());
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        if (patterns[i].offered) {
            json_array_append_new(names, must(json_string(patterns[i].name)));
        }
    }
    return names;
}

static json_t *capabilities_of(const struct weir_subject *subject) {
    const struct {
        const char *name;
        bool offered;
    } known[] = {
        {"nested", subject->capabilities & WEIR_SUBJECT_NESTED},
        {"fifo", subject->capabilities & WEIR_SUBJECT_FIFO},
        {"bounded", subject->capabilities & WEIR_SUBJECT_BOUNDED},
        {"drops", subject->capabilities & WEIR_SUBJECT_DROPS},
        {"one-thread-a-task", subject->capabilities & WEIR_SUBJECT_ONE_THREAD_A_TASK},
        {"submit-batch", subject->submit_batch != NULL},
        {"futures", subject->async != NULL},
        {"poll", subject->poll != NULL},
        {"callbacks", subject->on_done != NULL},
        {"wait-any", subject->wait_any != NULL},
        {"wait-all", subject->wait_all != NULL},
        {"cancel", subject->cancel != NULL},
        {"fork-join", subject->kernel != NULL},
        {"submit-blocking", subject->submit_blocking != NULL},
    };
    json_t *names = must(json_array());
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].offered) {
            json_array_append_new(names, must(json_string(known[i].name)));
        }
    }
    return names;
}

static json_t *variants_of(const struct weir_subject *subject) {
    static const struct weir_subject_variant standard[] = {{.name = "default", .notes = ""},
                                                           {.name = NULL}};
    const struct weir_subject_variant *variant = subject->variants ? subject->variants : standard;
    json_t *variants = must(json_array());
    for (; variant->name; variant++) {
        uint32_t capabilities = subject->capabilities & ~variant->lacks;
        json_array_append_new(variants,
                              must(json_pack("{s:s,s:s,s:s,s:s,s:o}", "name", variant->name,
                                             "notes", variant->notes ? variant->notes : "", "order",
                                             plugin_order(capabilities), "full",
                                             plugin_when_full(subject, capabilities, 0), "patterns",
                                             patterns_of(subject, variant->lacks))));
    }
    return variants;
}

int describe_main(int argc, char **argv) {
    char error[PLUGIN_ERROR_SIZE];
    const struct weir_subject *subject;
    if (argc != 2) {
        complain("describe wants the path of one plug-in");
        return BENCH_USAGE;
    }
    if (plugin_load(argv[1], &subject, error) != 0) {
        complain("%s", error);
        return BENCH_NO_INPUT;
    }
    json_t *names = must(json_array());
    for (size_t i = 0; i < workloads_n; i++) {
        if (subject->kernel || strcmp(workloads[i].name, "forkjoin") != 0) {
            json_array_append_new(names, must(json_string(workloads[i].name)));
        }
    }
    json_t *description = must(json_pack(
        "{s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "name", subject->name, "version",
        subject->version ? subject->version : "", "notes", subject->notes ? subject->notes : "",
        "variants", variants_of(subject), "workloads", names, "patterns", patterns_of(subject, 0),
        "capabilities", capabilities_of(subject)));
    char *line = must(json_dumps(description, JSON_COMPACT));
    int failed = puts(line) < 0 || fflush(stdout) != 0;
    free(line);
    json_decref(description);
    return failed ? BENCH_IO : BENCH_OK;
}
