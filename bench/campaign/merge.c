#include "bench/campaign/merge.h"
#include "bench/campaign/commands.h"
#include "bench/campaign/request.h"
#include "bench/campaign/store.h"
#include "bench/campaign/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/analyse/samples.h"

struct merge_request {
    const char *out;
    const char **paths;
    size_t n;
};

static const struct argp_option options[] = {
    {"out", 'o', "DIR", 0, "the run directory to make", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct merge_request *request = state->input;
    switch (key) {
    case 'o':
        request->out = arg;
        return 0;
    case ARGP_KEY_ARG:
        request->paths = must_grow(request->paths, request->n + 1, sizeof *request->paths);
        request->paths[request->n++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!request->out || request->n < 2) {
            complain("merge wants two runs or more, and --out for the one it makes");
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
    .args_doc = "RUN RUN...",
    .doc = "Join runs into one.\v"
           "The samples are the union of all lines, ordered by id; the order of the runs makes no "
           "difference. Exit codes: 0 done; 64 bad usage; 66 no such run, or two runs hold "
           "different samples under one id; 74 input or output failed.",
};

/* "campaign-000012": by campaign, then by the number, whatever its width. */
static int id_order(const char *a, const char *b) {
    const char *x = strrchr(a, '-');
    const char *y = strrchr(b, '-');
    size_t n = x ? (size_t)(x - a) : strlen(a);
    size_t m = y ? (size_t)(y - b) : strlen(b);
    int order = strncmp(a, b, n < m ? n : m);
    if (order == 0 && n != m) {
        order = n < m ? -1 : 1;
    }
    if (order != 0 || !x || !y) {
        return order ? order : strcmp(a, b);
    }
    unsigned long i = strtoul(x + 1, NULL, 10);
    unsigned long j = strtoul(y + 1, NULL, 10);
    return i != j ? (i > j) - (i < j) : strcmp(a, b);
}

static int by_id(const void *a, const void *b) {
    return id_order((*(const struct sample *const *)a)->id, (*(const struct sample *const *)b)->id);
}

static int by_campaign(const void *a, const void *b) {
    const struct run *x = *(const struct run *const *)a;
    const struct run *y = *(const struct run *const *)b;
    const char *i = json_string_value(json_object_get(x->meta, "campaign"));
    const char *j = json_string_value(json_object_get(y->meta, "campaign"));
    return strcmp(i ? i : "", j ? j : "");
}

static json_t *merged_meta(const struct store *store, struct run **runs, size_t n) {
    json_t *names = must(json_array());
    const char *state = "complete";
    const char *started = NULL;
    const char *finished = "";
    qsort(runs, n, sizeof *runs, by_campaign);
    for (size_t i = 0; i < n; i++) {
        const json_t *meta = runs[i]->meta;
        const char *name = json_string_value(json_object_get(meta, "campaign"));
        const char *own = json_string_value(json_object_get(meta, "state"));
        const char *begun = json_string_value(json_object_get(meta, "started"));
        const char *ended = json_string_value(json_object_get(meta, "finished"));
        json_array_append_new(names, must(json_string(name ? name : "")));
        state = own && strcmp(own, "complete") == 0 ? state : "interrupted";
        started = begun && (!started || strcmp(begun, started) < 0) ? begun : started;
        finished = ended && strcmp(ended, finished) > 0 ? ended : finished;
    }
    json_t *machines = must(json_array());
    for (size_t i = 0; i < n; i++) {
        json_t *machine = json_object_get(runs[i]->meta, "machine");
        json_array_append_new(machines, machine ? json_incref(machine) : json_null());
    }
    json_t *first = json_array_get(machines, 0);
    json_t *meta =
        must(json_pack("{s:i,s:s,s:s,s:s,s:s,s:O,s:O,s:O}", "schema", 1, "campaign", store->name,
                       "started", started ? started : "", "finished", finished, "state", state,
                       "merged", names, "machine", first, "machines", machines));
    json_decref(names);
    json_decref(machines);
    return meta;
}

/* Lines in the order of ids; a line that several runs hold is written once. */
static int write_samples(struct store *store, const struct sample **samples, size_t n) {
    qsort(samples, n, sizeof *samples, by_id);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(samples[i]->id, samples[i - 1]->id) == 0) {
            if (json_equal(samples[i]->json, samples[i - 1]->json)) {
                continue;
            }
            complain("two runs hold different samples under the id %s", samples[i]->id);
            return BENCH_NO_INPUT;
        }
        char *line = must(json_dumps(samples[i]->json, JSON_COMPACT));
        int error = store_append(store, line);
        free(line);
        if (error != 0) {
            complain("%s", store->error);
            return BENCH_IO;
        }
    }
    return BENCH_OK;
}

static int write_run(const char *out, struct run **runs, size_t n) {
    struct store store;
    int code = BENCH_OK;
    if (store_create(&store, out) != 0) {
        complain("%s", store.error);
        store_close(&store);
        return BENCH_IO;
    }
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += runs[i]->n;
    }
    const struct sample **samples = must_array(total, sizeof *samples);
    size_t filled = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < runs[i]->n; j++) {
            samples[filled++] = &runs[i]->samples[j];
        }
    }
    code = write_samples(&store, samples, total);
    free(samples);
    if (code == BENCH_OK) {
        json_t *meta = merged_meta(&store, runs, n);
        if (store_write_meta(&store, meta) != 0) {
            complain("%s", store.error);
            code = BENCH_IO;
        }
        json_decref(meta);
    }
    store_close(&store);
    return code;
}

int merge_runs(const char *out, const char *const *paths, size_t n) {
    struct run *runs = must_array(n, sizeof *runs);
    struct run **order = must_array(n, sizeof *order);
    int code = BENCH_OK;
    size_t loaded = 0;
    for (; code == BENCH_OK && loaded < n; loaded++) {
        char *error = NULL;
        if (run_load(&runs[loaded], paths[loaded], &error) != 0) {
            complain("%s", error);
            free(error);
            code = BENCH_NO_INPUT;
            break;
        }
        if (runs[loaded].warning) {
            complain("%s", runs[loaded].warning);
        }
        order[loaded] = &runs[loaded];
    }
    if (code == BENCH_OK) {
        code = write_run(out, order, n);
    }
    for (size_t i = 0; i < loaded; i++) {
        run_free(&runs[i]);
    }
    free(order);
    free(runs);
    return code;
}

int merge_main(int argc, char **argv) {
    struct merge_request request = {NULL, NULL, 0};
    request_check_options(argv, (const struct argp_option *const[]){options, NULL});
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    int code = merge_runs(request.out, request.paths, request.n);
    free(request.paths);
    return code;
}
