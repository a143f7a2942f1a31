#include "bench/cell_description.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX_NS (INT64_C(3600) * 1000000000)

/* A member that must be there and be a text; NULL with error filled otherwise. */
static const char *text_member(const json_t *object, const char *name, char *error) {
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL) {
        snprintf(error, CELL_ERROR_SIZE, "cell description: no text \"%s\"", name);
    }
    return text;
}

static int time_member(const json_t *object, const char *name, json_int_t least, uint64_t *ns,
                       char *error) {
    const json_t *member = json_object_get(object, name);
    json_int_t value = json_integer_value(member);
    if (!json_is_integer(member) || value < least || value > TIME_MAX_NS) {
        snprintf(error, CELL_ERROR_SIZE,
                 "cell description: \"%s\" must be a whole number from %lld to %lld", name,
                 (long long)least, (long long)TIME_MAX_NS);
        return -EINVAL;
    }
    *ns = (uint64_t)value;
    return 0;
}

static int read_options(struct cell_description *d, char *error) {
    const json_t *options = json_object_get(d->root, "options");
    if (options != NULL && !json_is_array(options)) {
        snprintf(error, CELL_ERROR_SIZE, "cell description: \"options\" is not an array");
        return -EINVAL;
    }
    size_t n = json_array_size(options);
    d->options = calloc(n + 1, sizeof(d->options[0]));
    if (d->options == NULL) {
        snprintf(error, CELL_ERROR_SIZE, "cell description: out of memory");
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        d->options[i] = json_string_value(json_array_get(options, i));
        if (d->options[i] == NULL || strchr(d->options[i], '=') == NULL) {
            snprintf(error, CELL_ERROR_SIZE,
                     "cell description: option %zu is not a text like \"key=value\"", i + 1);
            return -EINVAL;
        }
    }
    return 0;
}

static int read_members(struct cell_description *d, char *error) {
    if (json_integer_value(json_object_get(d->root, "schema")) != 1) {
        snprintf(error, CELL_ERROR_SIZE, "cell description: \"schema\" must be 1");
        return -EINVAL;
    }
    d->axes = json_object_get(d->root, "cell");
    const json_t *seed = json_object_get(d->root, "seed");
    if (!json_is_object(d->axes) || !json_is_integer(seed)) {
        snprintf(error, CELL_ERROR_SIZE, "cell description: no %s",
                 json_is_integer(seed) ? "object \"cell\"" : "whole number \"seed\"");
        return -EINVAL;
    }
    d->seed = (uint64_t)json_integer_value(seed);
    d->subject = text_member(d->root, "subject", error);
    d->variant = d->subject != NULL ? text_member(d->root, "variant", error) : NULL;
    d->plugin = d->variant != NULL ? text_member(d->root, "plugin", error) : NULL;
    d->workload = d->plugin != NULL ? text_member(d->axes, "workload", error) : NULL;
    if (d->workload == NULL || time_member(d->root, "warmup_ns", 0, &d->warmup_ns, error) != 0 ||
        time_member(d->root, "measure_ns", 1, &d->measure_ns, error) != 0 ||
        time_member(d->root, "deadline_ns", 1, &d->deadline_ns, error) != 0) {
        return -EINVAL;
    }
    return read_options(d, error);
}

int cell_description_read(struct cell_description *d, FILE *in, char *error) {
    memset(d, 0, sizeof(*d));
    json_error_t at;
    d->root = json_loadf(in, JSON_REJECT_DUPLICATES, &at);
    if (d->root == NULL) {
        snprintf(error, CELL_ERROR_SIZE, "cell description: line %d: %s", at.line, at.text);
        return -EINVAL;
    }
    int result = read_members(d, error);
    if (result != 0) {
        cell_description_fini(d);
    }
    return result;
}

void cell_description_fini(struct cell_description *d) {
    json_decref(d->root);
    free(d->options);
    memset(d, 0, sizeof(*d));
}
