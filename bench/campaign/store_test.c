#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "bench/analyse/samples.h"
#include "bench/campaign/merge.h"
#include "bench/campaign/store.h"
#include "bench/campaign/util.h"

/* How the next calls of write() behave. */
static enum { WRITE_WHOLE, WRITE_SHORT, WRITE_FULL_DISK } mode;
static int short_left;

ssize_t __real_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length) {
    if (mode == WRITE_SHORT && length > 3) {
        return __real_write(fd, data, 3);
    }
    if (mode == WRITE_FULL_DISK) {
        if (short_left > 0 && length > 5) {
            short_left--;
            return __real_write(fd, data, 5);
        }
        errno = ENOSPC;
        return -1;
    }
    return __real_write(fd, data, length);
}

static char *root;

static int set_up(void **state) {
    (void)state;
    mode = WRITE_WHOLE;
    root = text("/tmp/weir-store-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    mode = WRITE_WHOLE;
    char *command = text("rm -rf '%s'", root);
    int failed = system(command);
    free(command);
    free(root);
    return failed;
}

static char *line_of(const char *campaign, int sequence, int round, double value) {
    return text("{\"schema\":1,\"status\":\"ok\",\"reason\":\"\",\"id\":\"%s-%06d\",\"campaign\":"
                "\"%s\",\"shard\":0,\"round\":%d,\"cell\":{\"workload\":\"throughput\","
                "\"workers\":2},\"subject\":{\"name\":\"weir\"},\"config\":{\"variant\":"
                "\"locked\"},\"values\":{\"tasks_per_s\":%g},\"hist\":{},\"validity\":[]}",
                campaign, sequence, campaign, round, value);
}

static void append(struct store *store, const char *campaign, int sequence) {
    char *line = line_of(campaign, sequence, sequence - 1, 1000.0 + sequence);
    assert_int_equal(store_append(store, line), 0);
    free(line);
}

static char *make_run(const char *name, int lines) {
    char *path = text("%s/a/b/%s", root, name);
    struct store store;
    assert_int_equal(store_create(&store, path), 0);
    assert_string_equal(store.name, name);
    for (int i = 1; i <= lines; i++) {
        append(&store, name, i);
    }
    json_t *meta = json_pack("{s:i,s:s,s:s}", "schema", 1, "campaign", name, "state", "complete");
    assert_int_equal(store_write_meta(&store, meta), 0);
    json_decref(meta);
    store_close(&store);
    return path;
}

static size_t samples_in(const char *path, bool *torn) {
    struct run run;
    char *error = NULL;
    assert_int_equal(run_load(&run, path, &error), 0);
    size_t n = run.n;
    *torn = run.warning != NULL;
    run_free(&run);
    return n;
}

static void what_was_appended_is_read_back(void **state) {
    (void)state;
    char *path = make_run("one", 3);
    struct run run;
    char *error = NULL;
    assert_int_equal(run_load(&run, path, &error), 0);
    assert_int_equal(run.n, 3);
    assert_int_equal(run.groups_n, 1);
    assert_string_equal(run.groups[0].series[0].label, "weir:locked");
    struct metric metric = metric_of(&run.groups[0]);
    assert_true(sample_figure(run.groups[0].series[0].samples[2], &metric) == 1003.0);
    run_free(&run);
    free(path);
}

static void a_pool_that_costs_nothing_is_compared_as_at_the_floor(void **state) {
    (void)state;
    char *path = text("%s/idle", root);
    struct store store;
    assert_int_equal(store_create(&store, path), 0);
    for (int i = 0; i < 4; i++) {
        char *line = text("{\"schema\":1,\"status\":\"ok\",\"reason\":\"\",\"id\":\"i-%06d\","
                          "\"campaign\":\"i\",\"shard\":0,\"round\":%d,\"cell\":{\"workload\":"
                          "\"sparse\",\"workers\":2,\"tasks_per_s\":0},\"subject\":{\"name\":"
                          "\"%s\"},\"config\":{\"variant\":\"default\"},\"values\":"
                          "{\"cpu_percent\":%g},\"hist\":{},\"validity\":[]}",
                          i, i / 2, i % 2 ? "busy" : "idle", i % 2 ? 1.0 : 0.0);
        assert_int_equal(store_append(&store, line), 0);
        free(line);
    }
    store_close(&store);
    struct run run;
    char *error = NULL;
    assert_int_equal(run_load(&run, path, &error), 0);
    struct metric metric = metric_of(&run.groups[0]);
    const struct series *idle = group_find(&run.groups[0], "idle");
    double *ratios;
    assert_int_equal(
        series_pairs(idle, group_find(&run.groups[0], "busy"), &metric, false, &ratios), 2);
    assert_true(fabs(ratios[0] - log(1.0 / metric.floor)) < 1e-9);
    assert_true(sample_figure(idle->samples[0], &metric) == 0.0);
    free(ratios);
    run_free(&run);
    free(path);
}

static void a_second_run_in_the_same_directory_is_refused(void **state) {
    (void)state;
    char *path = make_run("one", 1);
    struct store store;
    assert_int_equal(store_create(&store, path), -EEXIST);
    store_close(&store);
    free(path);
}

static void a_torn_last_line_is_tolerated_and_cut_off_on_reopening(void **state) {
    (void)state;
    char *path = make_run("torn", 3);
    char *samples = text("%s/samples.jsonl", path);
    struct stat status;
    bool torn;
    assert_int_equal(stat(samples, &status), 0);
    assert_int_equal(truncate(samples, status.st_size - 40), 0);
    assert_int_equal(samples_in(path, &torn), 2);
    assert_true(torn);
    struct store store;
    assert_int_equal(store_reopen(&store, path), 0);
    append(&store, "torn", 4);
    store_close(&store);
    assert_int_equal(samples_in(path, &torn), 3);
    assert_false(torn);
    free(samples);
    free(path);
}

static void a_bad_line_in_the_middle_is_an_error_with_its_number(void **state) {
    (void)state;
    char *path = make_run("bad", 1);
    struct store store;
    struct run run;
    char *error = NULL;
    assert_int_equal(store_reopen(&store, path), 0);
    assert_int_equal(store_append(&store, "{\"schema\":1}"), 0);
    append(&store, "bad", 2);
    store_close(&store);
    assert_int_equal(run_load(&run, path, &error), -EBADMSG);
    assert_non_null(strstr(error, "line 2"));
    free(error);
    free(path);
}

static void short_writes_are_completed(void **state) {
    (void)state;
    char *path = make_run("short", 0);
    struct store store;
    bool torn;
    assert_int_equal(store_reopen(&store, path), 0);
    mode = WRITE_SHORT;
    append(&store, "short", 1);
    append(&store, "short", 2);
    mode = WRITE_WHOLE;
    store_close(&store);
    assert_int_equal(samples_in(path, &torn), 2);
    assert_false(torn);
    free(path);
}

static void a_full_disk_is_reported_and_leaves_no_torn_line(void **state) {
    (void)state;
    char *path = make_run("full", 2);
    struct store store;
    bool torn;
    assert_int_equal(store_reopen(&store, path), 0);
    mode = WRITE_FULL_DISK;
    short_left = 2;
    assert_int_equal(store_append(&store, "{\"half\":\"a line\"}"), -ENOSPC);
    assert_non_null(strstr(store.error, "No space left"));
    mode = WRITE_WHOLE;
    store_close(&store);
    assert_int_equal(samples_in(path, &torn), 2);
    assert_false(torn);
    free(path);
}

static void run_json_survives_a_full_disk_as_it_was(void **state) {
    (void)state;
    char *path = make_run("meta", 1);
    char *meta_path = text("%s/run.json", path);
    struct store store;
    assert_int_equal(store_reopen(&store, path), 0);
    json_t *meta = json_pack("{s:s}", "state", "other");
    mode = WRITE_FULL_DISK;
    short_left = 1;
    assert_int_equal(store_write_meta(&store, meta), -ENOSPC);
    mode = WRITE_WHOLE;
    json_t *kept = json_load_file(meta_path, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(kept, "state")), "complete");
    char *listing = text("test $(ls '%s' | wc -l) = 2", path);
    assert_int_equal(system(listing), 0); /* no temporary file is left behind */
    free(listing);
    json_decref(kept);
    json_decref(meta);
    store_close(&store);
    free(meta_path);
    free(path);
}

static void a_directory_that_cannot_be_made_is_reported(void **state) {
    struct store store;
    (void)state;
    /* Root may write anywhere, but nobody makes directories in /proc. */
    assert_true(store_create(&store, "/proc/weir/run") < 0);
    assert_non_null(strstr(store.error, "/proc/weir/run"));
    store_close(&store);
    if (geteuid() != 0) {
        char *path = text("%s/closed/run", root);
        char *closed = text("%s/closed", root);
        assert_int_equal(mkdir(closed, 0555), 0);
        assert_int_equal(store_create(&store, path), -EACCES);
        store_close(&store);
        free(closed);
        free(path);
    }
}

static void assert_same_file(const char *a, const char *b, const char *name) {
    char *command = text("cmp '%s/%s' '%s/%s'", a, name, b, name);
    assert_int_equal(system(command), 0);
    free(command);
}

static void merging_gives_the_same_run_in_any_order(void **state) {
    (void)state;
    char *a = make_run("first", 3);
    char *b = make_run("second", 2);
    char *c = make_run("third", 1);
    char *x = text("%s/x/all", root);
    char *y = text("%s/y/all", root);
    char *z = text("%s/z/all", root);
    const char *forward[] = {a, b, c};
    const char *backward[] = {c, b, a};
    assert_int_equal(merge_runs(x, forward, 3), BENCH_OK);
    assert_int_equal(merge_runs(y, backward, 3), BENCH_OK);
    assert_same_file(x, y, "samples.jsonl");
    assert_same_file(x, y, "run.json");
    bool torn;
    assert_int_equal(samples_in(x, &torn), 6);
    /* What is merged twice is there once, compressed or not. */
    char *pack = text("gzip '%s/samples.jsonl'", b);
    assert_int_equal(system(pack), 0);
    free(pack);
    const char *again[] = {x, b};
    assert_int_equal(merge_runs(z, again, 2), BENCH_OK);
    assert_same_file(x, z, "samples.jsonl");
    free(a);
    free(b);
    free(c);
    free(x);
    free(y);
    free(z);
}

#define checked(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        checked(what_was_appended_is_read_back),
        checked(a_pool_that_costs_nothing_is_compared_as_at_the_floor),
        checked(a_second_run_in_the_same_directory_is_refused),
        checked(a_torn_last_line_is_tolerated_and_cut_off_on_reopening),
        checked(a_bad_line_in_the_middle_is_an_error_with_its_number),
        checked(short_writes_are_completed),
        checked(a_full_disk_is_reported_and_leaves_no_torn_line),
        checked(run_json_survives_a_full_disk_as_it_was),
        checked(a_directory_that_cannot_be_made_is_reported),
        checked(merging_gives_the_same_run_in_any_order),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
