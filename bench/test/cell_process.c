#include "bench/test/cell_process.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cell.h"

int cell_exit_status;
char cell_complaint[1024];

/* Runs the command with text on its stdin; what it printed, NULL when that is no JSON. */
json_t *run_cell_text(const char *text) {
    FILE *in = tmpfile();
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    assert_non_null(in);
    assert_non_null(out);
    assert_non_null(err);
    assert_int_equal(fwrite(text, 1, strlen(text), in), strlen(text));
    rewind(in);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char *argv[] = {(char[]){"cell"}, NULL};
        if (dup2(fileno(in), 0) < 0 || dup2(fileno(out), 1) < 0 || dup2(fileno(err), 2) < 0) {
            _exit(99);
        }
        _exit(cell_main(1, argv));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    cell_exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    rewind(err);
    cell_complaint[fread(cell_complaint, 1, sizeof(cell_complaint) - 1, err)] = '\0';
    rewind(out);
    json_t *record = json_loadf(out, 0, NULL);
    fclose(in);
    fclose(out);
    fclose(err);
    return record;
}

json_t *run_cell(const char *plugin, const char *cell, unsigned measure_ms, unsigned deadline_ms) {
    char text[1024];
    snprintf(text, sizeof(text),
             "{\"schema\":1,\"subject\":\"s\",\"variant\":\"%s\",\"plugin\":\"%s\","
             "\"cell\":{%s},\"options\":[],\"seed\":7,\"warmup_ns\":5000000,"
             "\"measure_ns\":%u000000,\"deadline_ns\":%u000000}",
             strstr(plugin, "/weir.so") != NULL ? "stealing" : "default", plugin, cell, measure_ms,
             deadline_ms);
    return run_cell_text(text);
}

void assert_status(const json_t *record, const char *status, const char *reason) {
    assert_int_equal(cell_exit_status, 0);
    assert_non_null(record);
    const char *got = json_string_value(json_object_get(record, "reason"));
    if (strncmp(got, reason, strlen(reason)) != 0) {
        print_message("reason: %s\n", got);
    }
    assert_string_equal(json_string_value(json_object_get(record, "status")), status);
    assert_memory_equal(got, reason, strlen(reason));
}

double value_of(const json_t *record, const char *name) {
    const json_t *value = json_object_get(json_object_get(record, "values"), name);
    if (!json_is_number(value)) {
        fail_msg("no value %s", name);
    }
    return json_number_value(value);
}

struct histogram *histogram_of(const json_t *record, const char *name) {
    struct histogram *h =
        histogram_from_json(json_object_get(json_object_get(record, "hist"), name));
    assert_non_null(h);
    return h;
}
