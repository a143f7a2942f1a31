#include "bench/cell_record.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cell_record_init(struct cell_record *record, const struct weir_subject *subject) {
    memset(record, 0, sizeof(*record));
    record->subject = subject;
    record->config = json_object();
    record->values = json_object();
    record->hist = json_object();
    record->machine = json_object();
    record->validity = json_array();
    if (record->config != NULL && record->values != NULL && record->hist != NULL &&
        record->machine != NULL && record->validity != NULL) {
        return true;
    }
    cell_record_fini(record);
    return false;
}

void cell_record_fini(struct cell_record *record) {
    json_decref(record->config);
    json_decref(record->values);
    json_decref(record->hist);
    json_decref(record->machine);
    json_decref(record->validity);
    memset(record, 0, sizeof(*record));
}

void cell_record_end(struct cell_record *record, enum cell_status status, const char *format, ...) {
    bool replaces = status == CELL_FAILED && record->status != CELL_FAILED;
    if (record->status != CELL_OK && !replaces) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(record->reason, sizeof(record->reason), format, arguments);
    va_end(arguments);
    record->status = status;
}

void cell_record_doubt(struct cell_record *record, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    json_array_append_new(record->validity, json_string(text));
    if (strncmp(text, "INVALID", 7) == 0) {
        cell_record_end(record, CELL_INVALID, "%s", text);
    }
}

void cell_record_value(struct cell_record *record, const char *name, double value) {
    if (isfinite(value)) {
        json_object_set_new(record->values, name, json_real(value));
    }
}

void cell_record_histogram(struct cell_record *record, const char *name,
                           const struct histogram *histogram) {
    json_object_set_new(record->hist, name, histogram_to_json(histogram));
}

static json_t *to_json(const struct cell_record *r) {
    static const char *const words[] = {"ok", "unsupported", "invalid", "failed"};
    const struct weir_subject *s = r->subject;
    return json_pack("{s:i, s:s, s:s, s:{s:s, s:s, s:s}, s:O, s:I, s:I, s:I, s:I, s:O, s:O, s:O, "
                     "s:O}",
                     "schema", 1, "status", words[r->status], "reason", r->reason, "subject",
                     "name", s != NULL ? s->name : "", "version", s != NULL ? s->version : "",
                     "notes", s != NULL ? s->notes : "", "config", r->config, "wall_ns",
                     (json_int_t)r->wall_ns, "tasks", (json_int_t)r->tasks, "cpu_ns",
                     (json_int_t)r->cpu_ns, "csw", (json_int_t)r->csw, "values", r->values, "hist",
                     r->hist, "machine", r->machine, "validity", r->validity);
}

static int write_all(int fd, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        if (written > 0) {
            bytes += written;
            n -= (size_t)written;
        }
    }
    return 0;
}

int cell_record_print(const struct cell_record *record, int fd) {
    json_t *json = to_json(record);
    char *line = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (line == NULL) {
        return -ENOMEM;
    }
    int error = write_all(fd, line, strlen(line));
    error = error == 0 ? write_all(fd, "\n", 1) : error;
    free(line);
    return error;
}
