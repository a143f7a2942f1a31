#include "bench/campaign/record.h"
#include "bench/campaign/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const statuses[] = {"ok", "unsupported", "invalid", "failed"};
static const char *const promises[] = {"lost task", "double run", "wrong argument", "hang",
                                       "crash"};

static char *object_fault(const json_t *record, const char *name, int numbers) {
    const json_t *object = json_object_get(record, name);
    if (!json_is_object(object)) {
        return text("no object \"%s\"", name);
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (numbers && (!json_is_number(value) || !isfinite(json_number_value(value)))) {
            return text("%s.%s is not a finite number", name, key);
        }
    }
    return NULL;
}

static char *counts_fault(const json_t *record) {
    static const char *const counts[] = {"wall_ns", "tasks", "cpu_ns", "csw"};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const json_t *value = json_object_get(record, counts[i]);
        if (!json_is_number(value) || !(json_number_value(value) >= 0)) {
            return text("\"%s\" is not a number of 0 or more", counts[i]);
        }
    }
    return NULL;
}

static char *validity_fault(const json_t *record) {
    const json_t *validity = json_object_get(record, "validity");
    if (!json_is_array(validity)) {
        return text("no array \"validity\"");
    }
    for (size_t i = 0; i < json_array_size(validity); i++) {
        if (!json_is_string(json_array_get(validity, i))) {
            return text("\"validity\" holds something that is not a text");
        }
    }
    return NULL;
}

static int status_is_known(const char *status) {
    for (size_t i = 0; status && i < sizeof statuses / sizeof statuses[0]; i++) {
        if (strcmp(status, statuses[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

char *record_fault(const json_t *record) {
    if (!json_is_object(record)) {
        return text("it is not a JSON object");
    }
    if (json_integer_value(json_object_get(record, "schema")) != 1) {
        return text("\"schema\" is not 1");
    }
    const char *status = json_string_value(json_object_get(record, "status"));
    if (!status_is_known(status)) {
        return text("unknown status '%s'", status ? status : "");
    }
    if (!json_is_string(json_object_get(record, "reason"))) {
        return text("no text \"reason\"");
    }
    if (strcmp(status, "ok") != 0) {
        return NULL; /* what follows is promised for measurements only */
    }
    char *fault = object_fault(record, "subject", 0);
    fault = fault ? fault : object_fault(record, "config", 0);
    fault = fault ? fault : object_fault(record, "values", 1);
    fault = fault ? fault : object_fault(record, "hist", 0);
    fault = fault ? fault : counts_fault(record);
    return fault ? fault : validity_fault(record);
}

/* The last line that says something, since a run-time's own chatter comes before the reason. */
static char *last_line(const char *error) {
    size_t end = strlen(error);
    while (end > 0 && (error[end - 1] == '\n' || error[end - 1] == ' ')) {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && error[begin - 1] != '\n') {
        begin--;
    }
    size_t length = end - begin > 200 ? 200 : end - begin;
    char *line = text("%.*s", (int)length, error + begin);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) {
            *c = '?'; /* stderr may be anything; a reason is plain text */
        }
    }
    return line;
}

static json_t *failed(const char *subject, char *reason) {
    json_t *record =
        must(json_pack("{s:i,s:s,s:s,s:{s:s,s:s,s:s},s:{},s:i,s:i,s:i,s:i,s:{},s:{},s:{},s:[]}",
                       "schema", 1, "status", "failed", "reason", reason, "subject", "name",
                       subject, "version", "", "notes", "", "config", "wall_ns", 0, "tasks", 0,
                       "cpu_ns", 0, "csw", 0, "values", "hist", "machine", "validity"));
    free(reason);
    return record;
}

json_t *record_unsupported(const char *subject, const char *why) {
    json_t *record = failed(subject, text("%s", why));
    json_object_set_new(record, "status", must(json_string("unsupported")));
    return record;
}

static json_t *parse_output(const struct spawn_result *result, char **fault) {
    json_error_t error;
    json_t *record = json_loadb(result->output, result->length, JSON_REJECT_DUPLICATES, &error);
    *fault = record ? record_fault(record) : text("%s", error.text);
    if (*fault) {
        json_decref(record);
        return NULL;
    }
    return record;
}

json_t *record_of(const struct spawn_result *result, int start_error, const char *subject) {
    char *line = last_line(result->error);
    const char *colon = line[0] ? ": " : "";
    json_t *record = NULL;
    char *fault = NULL;
    if (start_error != 0) {
        record = failed(subject, text("crash: %s", line));
    } else if (result->outcome == SPAWN_TIMED_OUT) {
        record = failed(subject, text("hang: no record after %.1f s%s%s",
                                      (double)result->wall_ns / 1e9, colon, line));
    } else if (result->outcome == SPAWN_TOO_LOUD) {
        record = failed(subject, text("crash: more than %zu MiB of output%s%s",
                                      SPAWN_OUTPUT_MAX >> 20, colon, line));
    } else if (result->outcome == SPAWN_SIGNALLED) {
        record = failed(subject, text("crash: signal %d (%s)%s%s", result->code,
                                      strsignal(result->code), colon, line));
    } else if (result->outcome == SPAWN_EXITED && result->code != 0) {
        record = failed(subject, text("crash: exit status %d%s%s", result->code, colon, line));
    } else if (result->outcome == SPAWN_EXITED) {
        record = parse_output(result, &fault);
        if (!record) {
            record = failed(subject, text("crash: no valid record (%s)%s%s", fault, colon, line));
        }
    }
    free(fault);
    free(line);
    return record;
}

const char *record_accusation(const char *status, const char *reason) {
    if (!status || strcmp(status, "failed") != 0) {
        return NULL;
    }
    for (size_t i = 0; reason && i < sizeof promises / sizeof promises[0]; i++) {
        if (strncmp(reason, promises[i], strlen(promises[i])) == 0) {
            return promises[i];
        }
    }
    return "failure";
}

static void set_name(json_t *record, const char *object, const char *key, const char *value) {
    json_t *inner = json_object_get(record, object);
    if (!json_is_object(inner)) {
        inner = must(json_object());
        json_object_set_new(record, object, inner);
    }
    const char *present = json_string_value(json_object_get(inner, key));
    if (!present || strcmp(present, value) != 0) {
        json_object_set_new(inner, key, must(json_string(value)));
    }
}

void record_doubt(json_t *record, const char *doubt) {
    const char *status = json_string_value(json_object_get(record, "status"));
    json_array_append_new(json_object_get(record, "validity"), must(json_string(doubt)));
    if (strncmp(doubt, "INVALID", 7) == 0 && status && strcmp(status, "ok") == 0) {
        json_object_set_new(record, "status", must(json_string("invalid")));
        json_object_set_new(record, "reason", must(json_string(doubt)));
    }
}

void record_complete(json_t *record, const char *subject, const char *variant) {
    set_name(record, "subject", "name", subject);
    set_name(record, "config", "variant", variant);
}

static void copy_field(json_t *line, const json_t *record, const char *name, json_t *otherwise) {
    json_t *value = json_object_get(record, name);
    json_object_set(line, name, value ? value : otherwise);
    json_decref(otherwise);
}

char *sample_line(const json_t *record, const struct sample_place *place) {
    char *id = text("%s-%06zu", place->campaign, place->sequence);
    json_t *line = must(json_object());
    copy_field(line, record, "schema", json_integer(1));
    json_object_set_new(line, "id", must(json_string(id)));
    json_object_set_new(line, "campaign", must(json_string(place->campaign)));
    json_object_set_new(line, "shard", must(json_integer(0)));
    json_object_set_new(line, "round", must(json_integer((json_int_t)place->round)));
    json_object_set_new(line, "position", must(json_integer((json_int_t)place->position)));
    if (place->aa) {
        json_object_set_new(line, "aa", must(json_integer(place->aa)));
    }
    json_object_set(line, "cell", (json_t *)(uintptr_t)place->cell);
    copy_field(line, record, "subject", json_object());
    copy_field(line, record, "config", json_object());
    json_object_set_new(line, "host", must(json_string(place->host)));
    copy_field(line, record, "status", json_string("failed"));
    copy_field(line, record, "reason", json_string(""));
    copy_field(line, record, "wall_ns", json_integer(0));
    copy_field(line, record, "tasks", json_integer(0));
    copy_field(line, record, "cpu_ns", json_integer(0));
    copy_field(line, record, "csw", json_integer(0));
    copy_field(line, record, "values", json_object());
    copy_field(line, record, "machine", json_object());
    copy_field(line, record, "validity", json_array());
    copy_field(line, record, "hist", json_object());
    free(id);
    char *out = must(json_dumps(line, JSON_COMPACT));
    json_decref(line);
    return out;
}
